import { kindShift, lengthMask } from '../binding/index.ts';
import type { Origin } from './arena.ts';
import type { ReceivedBatch } from './batch.ts';
import type { Message } from './types.ts';

/** A received message: which one of its batch. Value and view are made when asked for. */
export class ReceivedMessage<T> implements Message<T> {
  readonly #batch: ReceivedBatch<T>;
  readonly #at: number;
  #data: T | typeof unread = unread;

  constructor(batch: ReceivedBatch<T>, at: number) {
    this.#batch = batch;
    this.#at = at;
  }

  get peer(): string {
    return this.#batch.origin.peer.id;
  }

  get seq(): number {
    return this.#batch.seq + this.#at;
  }

  get data(): T {
    if (this.#data === unread) this.#data = this.#batch.at(this.#at);
    return this.#data;
  }

  get bytes(): Uint8Array {
    return this.#batch.view(this.#at);
  }

  get byteLength(): number {
    return this.#batch.byteLengthAt(this.#at);
  }

  copy(): Uint8Array {
    return this.#batch.view(this.#at).slice();
  }

  ack(): void {
    const { origin } = this.#batch;
    origin.done?.(origin.peer, this.seq, this.seq);
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
