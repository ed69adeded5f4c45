import { lengthMask } from '../binding/index.ts';
import { showAs } from '../shared/shown.ts';
import type { Delivery, Origin } from './origin.ts';
import { copyOf } from '../shared/copies.ts';
import { invalid } from './failures.ts';
import { OwnMessage, ReceivedMessage, valueAt, viewAt } from './message.ts';
import type { GivenMessage } from './message.ts';
import { nack } from './nack.ts';
import { toParcel } from './parcel.ts';
import type { Batch, Message, NackOptions, Parcel } from './types.ts';

/** Messages of one peer, in a row. */
export class ReceivedBatch<T> implements Batch<T> {
  readonly origin: Origin;
  readonly length: number;
  readonly seq: number;
  /** Two numbers for each message, offset and word. */
  readonly index: Uint32Array;
  /** Where the numbers of the first message stand in the index. */
  readonly start: number;
  readonly deliveries: number;

  static {
    showAs(this, 'Batch', ({ peer, seq, length, byteLength, deliveries }) => {
      return { peer, seq, length, byteLength, deliveries };
    });
  }

  constructor(
    origin: Origin,
    index: Uint32Array,
    start: number,
    length: number,
    seq: number,
    deliveries: number,
  ) {
    this.origin = origin;
    this.index = index;
    this.start = start;
    this.length = length;
    this.seq = seq;
    this.deliveries = deliveries;
  }

  get peer(): string {
    return this.origin.id;
  }

  get memory(): Uint8Array {
    return this.origin.memory;
  }

  get byteLength(): number {
    let sum = 0;
    for (let i = 0; i < this.length; i += 1) sum += this.byteLengthAt(i);
    return sum;
  }

  offset(i: number): number {
    return this.index[this.start + 2 * i] as number;
  }

  byteLengthAt(i: number): number {
    return (this.index[this.start + 2 * i + 1] as number) & lengthMask;
  }

  view(i: number): Uint8Array {
    return viewAt(this.origin, this.offset(this.#checked(i)), this.word(i));
  }

  at(i: number): T {
    return valueAt<T>(this.origin, this.offset(this.#checked(i)), this.word(i));
  }

  ack(): void {
    const { origin, seq } = this;
    origin.settling?.ack(origin.peer, seq, seq + this.length - 1, this.deliveries);
  }

  nack(first?: number | NackOptions, second?: NackOptions): number {
    if (typeof first !== 'number') return nack(this, first);
    return nack(this.part(this.#checked(first), 1), second);
  }

  toParcel(): Parcel {
    return toParcel(this);
  }

  *[Symbol.iterator](): IterableIterator<Message<T>> {
    for (let i = 0; i < this.length; i += 1) yield this.message(i);
  }

  /** @internal Length and kind of payload i. */
  word(i: number): number {
    return this.index[this.start + 2 * i + 1] as number;
  }

  /** @internal */
  delivery(): Delivery {
    return this;
  }

  /** @internal */
  message(i: number): GivenMessage<T> {
    const { origin } = this;
    const length = this.byteLengthAt(i);
    if (length > origin.copyUpTo) return new ReceivedMessage<T>(this, i);
    const bytes = copyOf(origin.buffer, this.offset(i), length);
    return new OwnMessage<T>(origin.source, bytes, this.word(i), this.seq + i, this.deliveries);
  }

  /** @internal The messages from `from` on, `count` of them. */
  part(from: number, count: number): ReceivedBatch<T> {
    if (from === 0 && count === this.length) return this;
    return new ReceivedBatch<T>(
      this.origin,
      this.index,
      this.start + 2 * from,
      count,
      this.seq + from,
      this.deliveries,
    );
  }

  #checked(i: number): number {
    // A whole number: any other would find the numbers of no message.
    if (i >>> 0 === i && i < this.length) return i;
    throw invalid('i', i, `an index of the batch, a whole number from 0 to ${this.length - 1}`);
  }
}
