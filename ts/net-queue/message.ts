import { kindShift, lengthMask } from '../binding/index.ts';
import type { Origin } from './arena.ts';
import type { Message } from './types.ts';

/** A received message: numbers that say where it lies. Value and view are made when asked for. */
export class ReceivedMessage<T> implements Message<T> {
  readonly #origin: Origin;
  readonly #offset: number;
  readonly #word: number;
  #data: T | typeof unread = unread;
  readonly seq: number;

  constructor(origin: Origin, offset: number, word: number, seq: number) {
    this.#origin = origin;
    this.#offset = offset;
    this.#word = word;
    this.seq = seq;
  }

  get peer(): string {
    return this.#origin.peer.id;
  }

  get data(): T {
    if (this.#data === unread) {
      this.#data = valueAt<T>(this.#origin, this.#offset, this.#word);
    }
    return this.#data;
  }

  get bytes(): Uint8Array {
    return viewAt(this.#origin, this.#offset, this.#word);
  }

  get byteLength(): number {
    return this.#word & lengthMask;
  }

  copy(): Uint8Array {
    return viewAt(this.#origin, this.#offset, this.#word).slice();
  }

  ack(): void {
    this.#origin.done?.(this.#origin.peer, this.seq, this.seq);
  }
}

/** A view of the payload that `word` describes. Memory of an origin begins where its buffer does. */
export function viewAt(origin: Origin, offset: number, word: number): Uint8Array {
  return new Uint8Array(origin.buffer, offset, word & lengthMask);
}

/** The decoded value of the payload that `word` describes. */
export function valueAt<T>(origin: Origin, offset: number, word: number): T {
  // Bytes, the kind 0, need no codec.
  const value: unknown =
    word <= lengthMask
      ? new Uint8Array(origin.buffer, offset, word)
      : origin.codec.decode(word >>> kindShift, origin.memory, offset, word & lengthMask);
  return value as T;
}

const unread: unique symbol = Symbol('unread');
