// Where records are gathered, so that one call hands them to native.
import { isLost, lengthOf, lostMemory } from '../codec/index.ts';
import type { CheckedHeaders } from './options.ts';

/** Records one after the other: the bytes of each, and words that say where they end. */
export class AppendSlab {
  bytes: Buffer;
  /** A word a record, the length of its value, while there are only values; then three, as native has them. */
  words: Uint32Array;
  /** When each happened; empty while none of them says so. */
  times: Float64Array = noTimes;
  used: number = 0;
  count: number = 0;
  /** Some have keys, headers, or null for a value. */
  full: boolean = false;

  constructor(bytes: number, records: number) {
    this.bytes = Buffer.from(Buffer.allocUnsafeSlow(bytes).buffer);
    this.words = new Uint32Array(3 * records);
  }

  /** At least what a batch of them takes. */
  get weight(): number {
    return this.used + besideBytes * this.count;
  }

  /** A value alone, at no time of its own. */
  addValue(value: string | Uint8Array): void {
    if (this.full || this.times !== noTimes) {
      this.add(null, value, undefined, NaN);
      return;
    }
    this.#room(1);
    const length = this.#put(value);
    this.words[this.count] = length;
    this.count += 1;
  }

  /** `timestamp` is NaN for now. */
  add(
    key: string | Uint8Array | null,
    value: string | Uint8Array | null,
    headers: CheckedHeaders | undefined,
    timestamp: number,
  ): void {
    if (this.times === noTimes && !Number.isNaN(timestamp)) this.#tellTimes();
    this.#room(3);
    if (!this.full && (key !== null || value === null || headers !== undefined)) this.#widen();
    const { count } = this;
    if (this.times !== noTimes)
      this.times[count] = Number.isNaN(timestamp) ? Date.now() : timestamp;
    const begin = this.used;
    try {
      if (this.full) {
        const words = this.words;
        words[3 * count] = key === null ? 0 : this.#put(key) + 1;
        words[3 * count + 1] = value === null ? 0 : this.#put(value) + 1;
        words[3 * count + 2] = headers === undefined ? 0 : this.#putHeaders(headers);
      } else {
        this.words[count] = this.#put(value as string | Uint8Array);
      }
    } catch (error) {
      // No memory: what was copied of it is no record.
      this.used = begin;
      throw error;
    }
    this.count += 1;
  }

  /** Forgets what it holds; native has read it. */
  clear(): void {
    this.used = 0;
    this.count = 0;
    this.full = false;
    this.times = noTimes;
  }

  #putHeaders(headers: CheckedHeaders): number {
    const begin = this.used;
    for (const [name, value] of headers) {
      const at = this.used;
      this.#grow(8);
      this.used = at + 8;
      const nameLength = this.#put(name);
      const valueLength = value === null ? 0 : this.#put(value) + 1;
      this.bytes.writeUInt32LE(nameLength, at);
      this.bytes.writeUInt32LE(valueLength, at + 4);
    }
    return this.used - begin;
  }

  /** Copies it behind the others; how long it is. */
  #put(value: string | Uint8Array): number {
    const at = this.used;
    if (typeof value === 'string') {
      const length = Buffer.byteLength(value);
      this.#grow(length);
      this.bytes.write(value, at, length, 'utf8');
      this.used = at + length;
      return length;
    }
    const length = lengthOf(value);
    // What was there when it was checked may be gone: other parts of the record run code of the user.
    if (length === 0 && isLost(value)) throw lostMemory();
    this.#grow(length);
    const { bytes } = this;
    if (length < 16) for (let i = 0; i < length; i += 1) bytes[at + i] = value[i] as number;
    else bytes.set(value, at);
    this.used = at + length;
    return length;
  }

  #grow(length: number): void {
    const needed = this.used + length;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.from(
      Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length)).buffer,
    );
    larger.set(this.bytes.subarray(0, this.used));
    this.bytes = larger;
  }

  /** Room for the words of one more record, at so many each. */
  #room(each: number): void {
    const needed = (this.full ? 3 : each) * (this.count + 1);
    if (needed > this.words.length) {
      const larger = new Uint32Array(2 * needed);
      larger.set(this.words);
      this.words = larger;
    }
    if (this.times !== noTimes && this.count === this.times.length) {
      const larger = new Float64Array(2 * this.count);
      larger.set(this.times);
      this.times = larger;
    }
  }

  #widen(): void {
    const { words } = this;
    for (let i = this.count - 1; i >= 0; i -= 1) {
      const length = words[i] as number;
      words[3 * i] = 0;
      words[3 * i + 1] = length + 1;
      words[3 * i + 2] = 0;
    }
    this.full = true;
  }

  #tellTimes(): void {
    this.times = new Float64Array(Math.max(16, 2 * this.count)).fill(Date.now(), 0, this.count);
  }
}

/** The most that a record takes in a batch. */
export function sizeOfRecord(
  key: string | Uint8Array | null,
  value: string | Uint8Array | null,
  headers: CheckedHeaders | undefined,
): number {
  let size = besideBytes + sizeOf(key) + sizeOf(value);
  if (headers !== undefined) {
    for (const [name, each] of headers) size += 10 + name.length + sizeOf(each);
  }
  return size;
}

function sizeOf(value: string | Uint8Array | null): number {
  if (value === null) return 0;
  return typeof value === 'string' ? Buffer.byteLength(value) : lengthOf(value);
}

/** The most that a record takes in a batch beside its bytes and headers: lengths, time and place. */
export const besideBytes: number = 24;
const noTimes = new Float64Array(0);
