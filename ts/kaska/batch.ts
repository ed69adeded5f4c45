import { nullLength } from '../binding/index.ts';
import { copyOf } from '../shared/copies.ts';
import { showAs } from '../shared/shown.ts';
import { invalid } from './failures.ts';
import { headersAt, headersEnd } from './headers.ts';
import { compressions } from './options.ts';
import { StoredRecord } from './record.ts';
import type { Batch, Compression, Headers, Record } from './types.ts';

/** What the batches of one partition in one arena share. */
export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly memory: Uint8Array;
  /** What `memory` shows; asking a view for it costs as much as making the view of a record. */
  readonly buffer: ArrayBufferLike;
  /** Records up to this length are given in memory of their own; less than 0: none. */
  readonly copyUpTo: number;
}

/** Where records are, and when they happened: four numbers and a time for each. */
export interface RecordIndex {
  readonly numbers: Uint32Array;
  readonly times: Float64Array;
  /** Number of the first record of the batch. */
  readonly at: number;
}

/** Finds the records of a batch that has no index yet. */
export type MakeIndex = (batch: StoredBatch) => RecordIndex;

/** Where a batch lies. */
export interface Extent {
  readonly start: number;
  readonly bytes: number;
  readonly count: number;
  readonly codec: number;
  readonly base: number;
  readonly firstMs: number;
}

/** Records of one partition, in a row: those of a stored batch that were asked for. */
export class StoredBatch implements Batch {
  readonly origin: Origin;
  readonly extent: Extent;
  /** Place of its first record in the stored batch. */
  readonly first: number;
  readonly length: number;
  #index: RecordIndex | MakeIndex;

  static {
    showAs(this, 'Batch', ({ topic, partition, offset, length, compression }) => {
      return { topic, partition, offset, length, compression };
    });
  }

  constructor(
    origin: Origin,
    extent: Extent,
    first: number,
    length: number,
    index: RecordIndex | MakeIndex,
  ) {
    this.origin = origin;
    this.extent = extent;
    this.first = first;
    this.length = length;
    this.#index = index;
  }

  get topic(): string {
    return this.origin.topic;
  }

  get partition(): number {
    return this.origin.partition;
  }

  get offset(): number {
    return this.extent.base + this.first;
  }

  get memory(): Uint8Array {
    return this.origin.memory;
  }

  get compression(): Compression {
    return compressions[this.extent.codec] ?? 'none';
  }

  value(i: number): Uint8Array | null {
    const { numbers, at } = this.#found();
    return this.#view(numbers, 4 * (at + this.#place(i)) + 2);
  }

  key(i: number): Uint8Array | null {
    const { numbers, at } = this.#found();
    return this.#view(numbers, 4 * (at + this.#place(i)));
  }

  timestamp(i: number): number {
    const { times, at } = this.#found();
    return times[at + this.#place(i)] as number;
  }

  headers(i: number): Headers {
    const { numbers, at } = this.#found();
    return headersAt(this.origin.memory, behindValue(numbers, 4 * (at + this.#place(i))));
  }

  valueStart(i: number): number {
    const { numbers, at } = this.#found();
    return numbers[4 * (at + this.#place(i)) + 2] as number;
  }

  valueLength(i: number): number {
    const { numbers, at } = this.#found();
    const length = numbers[4 * (at + this.#place(i)) + 3] as number;
    return length === nullLength ? -1 : length;
  }

  [Symbol.iterator](): IterableIterator<Record> {
    return new Records(this);
  }

  /** @internal Record i; in memory of its own where that is wanted. */
  record(i: number): StoredRecord {
    const { copyUpTo } = this.origin;
    return copyUpTo < 0 ? new StoredRecord(this, i) : this.#alone(i, copyUpTo);
  }

  /** @internal The first `length` records. */
  upTo(length: number): StoredBatch {
    if (length >= this.length) return this;
    return new StoredBatch(this.origin, this.extent, this.first, length, this.#index);
  }

  /** Record i, so that who holds it does not hold the arena. */
  #alone(i: number, copyUpTo: number): StoredRecord {
    const found = this.#found();
    const place = found.at + this.#place(i);
    const numbers = found.numbers.slice(4 * place, 4 * place + 4);
    const { memory, buffer, topic, partition } = this.origin;
    const start = numbers[0] as number;
    const length = headersEnd(memory, behindValue(numbers, 0)) - start;
    if (length > copyUpTo) return new StoredRecord(this, i);
    const copy = copyOf(buffer, start, length);
    const index = { numbers, times: found.times.slice(place, place + 1), at: 0 };
    const shift = copy.byteOffset - start;
    numbers[0] = (numbers[0] as number) + shift;
    numbers[2] = (numbers[2] as number) + shift;
    const own = new Uint8Array(copy.buffer);
    const extent = { ...this.extent, base: this.offset + i, start: copy.byteOffset, count: 1 };
    const origin = { topic, partition, memory: own, buffer: own.buffer, copyUpTo: -1 };
    return new StoredRecord(new StoredBatch(origin, extent, 0, 1, index), 0);
  }

  #view(numbers: Uint32Array, at: number): Uint8Array | null {
    const length = numbers[at + 1] as number;
    if (length === nullLength) return null;
    const start = numbers[at] as number;
    const { buffer, copyUpTo } = this.origin;
    return length <= copyUpTo
      ? copyOf(buffer, start, length)
      : new Uint8Array(buffer, start, length);
  }

  #found(): RecordIndex {
    if (typeof this.#index === 'function') this.#index = this.#index(this);
    return this.#index;
  }

  /** Which of the stored batch record i is. */
  #place(i: number): number {
    // A whole number: any other would find the numbers of no record.
    if (i >>> 0 === i && i < this.length) return this.first + i;
    throw invalid('i', i, `an index of the batch, a whole number from 0 to ${this.length - 1}`);
  }
}

/** Steps through a batch; a generator would cost as much as all the rest of a step. */
class Records implements IterableIterator<Record> {
  readonly #batch: StoredBatch;
  #next = 0;

  constructor(batch: StoredBatch) {
    this.#batch = batch;
  }

  next(): IteratorResult<Record> {
    const i = this.#next;
    if (i >= this.#batch.length) return { done: true, value: undefined };
    this.#next = i + 1;
    return { done: false, value: this.#batch.record(i) };
  }

  return(): IteratorResult<Record> {
    this.#next = this.#batch.length;
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/** Where the headers of the record begin whose numbers begin at `at`. */
function behindValue(numbers: Uint32Array, at: number): number {
  const length = numbers[at + 3] as number;
  return (numbers[at + 2] as number) + (length === nullLength ? 0 : length);
}
