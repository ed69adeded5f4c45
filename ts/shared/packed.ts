// Many messages in one piece of memory, checked before anything of it is counted or sent.
import { types } from 'node:util';

import { isLost, lostMemory, plain, unshared } from '../codec/index.ts';
import { ChaskiError } from '../errors.ts';
import { invalid } from './invalid.ts';

/** Many messages in one piece of memory: `lengths` is one length for all, or one per message, in order. */
export interface Packed {
  data: Uint8Array;
  lengths: Uint32Array | number;
}

/** Whether `messages` is memory with lengths, and not a list of values. */
export function isPacked(messages: unknown): messages is Packed {
  return (
    typeof messages === 'object' &&
    messages !== null &&
    'data' in messages &&
    'lengths' in messages &&
    !(Symbol.iterator in messages)
  );
}

/** Packed messages that native can take as they are: kind 0, so that a length is a word. */
export interface Checked {
  readonly data: Uint8Array;
  readonly count: number;
  /** One for each message, or one for all. */
  readonly words: Uint32Array | number;
}

/**
 * Checks packed bytes, none of them longer than `most`.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, and `tooLarge` for one that is longer.
 */
export function checkPacked(
  { data, lengths }: Packed,
  most: number,
  tooLarge: (length: number, most: number) => ChaskiError,
): Checked {
  if (!types.isUint8Array(data)) throw invalid('data', data, 'a Uint8Array');
  if (isLost(data)) throw lostMemory();
  const bytes = unshared(plain(data));
  if (typeof lengths === 'number') {
    const count = bytes.length / lengths;
    if (!Number.isInteger(lengths) || lengths < 1 || !Number.isInteger(count)) {
      throw invalid(
        'lengths',
        lengths,
        `an integer that divides the ${bytes.length} bytes of data`,
      );
    }
    if (lengths > most) throw tooLarge(lengths, most);
    return { data: bytes, count, words: lengths };
  }
  if (!types.isUint32Array(lengths)) {
    throw invalid('lengths', lengths, 'a Uint32Array, or one length for all');
  }
  // Native reads what was checked, also when another thread writes to it.
  const { buffer, byteOffset, byteLength } = unshared(plain(lengths));
  const count = byteLength / Uint32Array.BYTES_PER_ELEMENT;
  const words = new Uint32Array(buffer, byteOffset, count);
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    const length = words[i] as number;
    if (length > most) throw tooLarge(length, most);
    sum += length;
  }
  if (sum !== bytes.length) {
    throw new ChaskiError(
      'ERR_CHASKI_INVALID_ARGUMENT',
      `The lengths add up to ${sum}, and data has ${bytes.length} bytes: they must be the same.`,
    );
  }
  return { data: bytes, count, words };
}
