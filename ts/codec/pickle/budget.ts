// What a pickle may make its reader do. A pickle is a program: a few bytes of it can ask again and again for what was read once.
import type { ChaskiError } from '../../errors.ts';
import { failed } from '../failed.ts';
import { maxValues } from '../limits.ts';

/**
 * Values that something counts as, beside itself, for the memory that it takes even when it is empty. Python's pickler needs
 * eight bytes for few of them, so what is honest is bounded by the size of a message before.
 */
export const Cost = {
  LIST: 3,
  TUPLE: 4,
  DICT: 4,
  /** A Map or a Set. */
  MAP: 9,
  BYTES: 6,
  BIG: 2,
  /** What a decoder makes. */
  OBJECT: 10,
} as const;

/** The longest integer, in bytes of its two's complement. */
export const maxIntegerBytes: number = 65_536;

/** What is left of the bounds of one message. */
export class Budget {
  #values: number;
  #bytes: number;
  readonly #direction: 'encode' | 'decode';

  /** `length`: bytes of the pickle, which may be copied a few times. */
  constructor(direction: 'encode' | 'decode', length: number) {
    this.#values = maxValues;
    this.#bytes = 4 * length + 65_536;
    this.#direction = direction;
  }

  /** @throws ChaskiError `ERR_CHASKI_CODEC` when it holds more than so many values. */
  values(count: number): void {
    this.#values -= count;
    if (this.#values < 0) throw this.#over(`it holds more than ${maxValues} values`);
  }

  /** Memory that is taken beside that of the message. */
  bytes(count: number): void {
    this.#bytes -= count;
    if (this.#bytes < 0) throw this.#over('it has the same memory copied again and again');
  }

  #over(reason: string): ChaskiError {
    return failed(this.#direction, this.#direction === 'decode' ? unsound(reason) : reason);
  }
}

function unsound(reason: string): string {
  return `the pickle is not sound: ${reason}`;
}

export function refused(reason: string): ChaskiError {
  return failed('decode', unsound(reason));
}

/**
 * What storing `key` in `dict` costs. A plain object whose first key is an index has room for all lower ones, with V8; where the
 * index before is there too, that room is used.
 */
export function keyCost(key: string, dict: object): number {
  if (key.length > 3) return 2;
  const index = Number(key);
  if (!(index >= 0 && index < 512) || Object.hasOwn(dict, index - 1)) return 2;
  return 5 + (index >> 1);
}
