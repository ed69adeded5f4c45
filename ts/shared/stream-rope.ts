// Bytes in order, kept as the chunks in which they came.
import { asBytes, isLost, lostMemory } from '../codec/bytes.ts';
import { ChaskiError } from '../errors.ts';
import { ChunkDeque } from './stream-deque.ts';

/** Memory that can be seen as bytes: any typed array, DataView, Buffer or ArrayBuffer. */
export type BytesLike = ArrayBufferView | ArrayBufferLike;

/** What `Stream` does, under one name each; see there for the guarantees. */
export class Rope implements Iterable<Uint8Array>, AsyncIterable<Uint8Array> {
  readonly #chunks: ChunkDeque;
  #bytes: number;
  #waiters: Waiter[] | undefined;

  /** A stream of these chunks, not copied. */
  constructor(chunks?: Iterable<BytesLike>) {
    this.#chunks = new ChunkDeque();
    this.#bytes = 0;
    this.#waiters = undefined;
    if (chunks !== undefined) this.writeChunks(chunks);
  }

  // Whole chunks: never a copy.

  /** Appends a chunk (any memory, seen as bytes) and returns its length. */
  write(data: BytesLike): number {
    const chunk = bytesOf(data);
    if (chunk.length > 0) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
    } else if (isLost(chunk)) {
      throw lostMemory(anew);
    }
    return chunk.length;
  }

  /** Puts a chunk in front, to be read next, and returns its length. */
  unread(data: BytesLike): number {
    const chunk = bytesOf(data);
    if (chunk.length > 0) {
      this.#chunks.unshift(chunk);
      this.#bytes += chunk.length;
    } else if (isLost(chunk)) {
      throw lostMemory(anew);
    }
    return chunk.length;
  }

  /** Appends many chunks and returns the sum of their lengths. Those before a wrong one have been written when it throws. */
  writeChunks(chunks: Iterable<BytesLike>): number {
    let sum = 0;
    for (const chunk of chunks) sum += this.write(chunk);
    return sum;
  }

  /** Takes the first chunk. */
  readChunk(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#took(chunk);
    return chunk;
  }

  /** Takes the last chunk. */
  unwriteChunk(): Uint8Array | undefined {
    const chunk = this.#chunks.pop();
    if (chunk !== undefined) this.#took(chunk);
    return chunk;
  }

  /** Takes chunk after chunk until none is left. After a `break` the rest is still there. */
  *readChunks(): Generator<Uint8Array, void, undefined> {
    for (let chunk = this.readChunk(); chunk !== undefined; chunk = this.readChunk()) yield chunk;
  }

  /** The first chunk, which stays in the stream. */
  peekChunk(): Uint8Array | undefined {
    return this.#chunks.at(0);
  }

  /** Chunk `index`, counted from the end when negative; it stays in the stream. */
  at(index: number): Uint8Array | undefined {
    return this.#chunks.at(index < 0 ? index + this.#chunks.length : index);
  }

  /** All chunks, which stay in the stream. So does iteration (`for (const chunk of stream)`). */
  chunks(): Generator<Uint8Array, void, undefined> {
    return this.#chunks[Symbol.iterator]();
  }

  // Bytes, across the borders of chunks.

  /** Takes the first `n` bytes as one view. Copies only if they lie in several chunks. */
  read(n?: number): Uint8Array | undefined {
    const read = this.peek(n);
    if (read !== undefined) this.skip(read.length);
    return read;
  }

  /** Takes the first `n` bytes of the first chunk. Never copies. */
  read1(n?: number): Uint8Array | undefined {
    const first = this.#alive(0);
    const wanted = countOf(n);
    if (first === undefined || wanted >= first.length) return this.readChunk();
    if (wanted > 0) {
      this.#chunks.replaceFirst(first.subarray(wanted));
      this.#removed(wanted);
    }
    return first.subarray(0, wanted);
  }

  /** Copies bytes to `out` until it is full or the stream is empty, and takes them; returns how many. */
  readInto(out: BytesLike): number | undefined {
    if (this.#chunks.length === 0) return undefined;
    const copied = this.#copyTo(bytesOf(out));
    this.skip(copied);
    return copied;
  }

  /** Copies bytes of the first chunk to `out`, as many as fit, and takes them; returns how many. */
  readInto1(out: BytesLike): number | undefined {
    const target = bytesOf(out);
    const chunk = this.read1(target.length);
    if (chunk !== undefined) target.set(chunk);
    return chunk?.length;
  }

  /**
   * Takes one line: all up to the next newline, which is part of it, or what is left when there is no newline; at most
   * `n` bytes. Copies only if the line lies in several chunks.
   */
  readLine(n?: number): Uint8Array | undefined {
    const end = this.indexOf(newline);
    return this.read(Math.min(countOf(n), end === -1 ? Infinity : end + 1));
  }

  /** Takes line after line until none is left. After a `break` the rest is still there. */
  *lines(): Generator<Uint8Array, void, undefined> {
    for (let line = this.readLine(); line !== undefined; line = this.readLine()) yield line;
  }

  /** Takes all lines. */
  readLines(): Uint8Array[] {
    return [...this.lines()];
  }

  /** Takes the last `n` bytes as one view. Copies only if they lie in several chunks. */
  unwrite(n?: number): Uint8Array | undefined {
    if (this.#chunks.length === 0) return undefined;
    return this.#splitOff(Math.max(0, this.#bytes - countOf(n))).read() ?? new Uint8Array();
  }

  /** Drops the first `n` bytes and returns how many those were. */
  skip(n?: number): number {
    let left = countOf(n);
    let dropped = 0;
    while (left > 0) {
      const first = this.#alive(0);
      if (first === undefined) break;
      const cut = Math.min(left, first.length);
      if (cut < first.length) this.#chunks.replaceFirst(first.subarray(cut));
      else this.#chunks.shift();
      this.#removed(cut);
      left -= cut;
      dropped += cut;
    }
    return dropped;
  }

  /** Keeps the first `n` bytes, by default none, and returns how many are left. */
  truncate(n?: number): number {
    if (n === undefined || n < 0) this.clear();
    else this.#splitOff(countOf(n));
    return this.#bytes;
  }

  /** Makes the whole stream one chunk. Copies if there are several. */
  merge(): void {
    if (this.#chunks.length < 2) return;
    const whole = this.#join(this.#bytes);
    this.#chunks.clear();
    this.#chunks.push(whole);
  }

  /** The first `n` bytes as one view; they stay in the stream. Copies only if they lie in several chunks. */
  peek(n?: number): Uint8Array | undefined {
    const first = this.#alive(0);
    const wanted = Math.min(countOf(n), this.#bytes);
    if (first === undefined || wanted === first.length) return first;
    if (wanted < first.length) return first.subarray(0, wanted);
    return this.#join(wanted);
  }

  /** Where the first `byte` is, or -1. */
  indexOf(byte: number): number {
    let before = 0;
    for (let index = 0; index < this.#chunks.length; index += 1) {
      const chunk = this.#alive(index);
      if (chunk === undefined) break;
      const found = chunk.indexOf(byte);
      if (found !== -1) return before + found;
      before += chunk.length;
    }
    return -1;
  }

  // The whole stream.

  /** Takes everything as one view, of no bytes when the stream is empty. Copies as `read` does. */
  toView(): Uint8Array {
    return this.read() ?? new Uint8Array();
  }

  /** Takes everything in memory of its own: always one copy. */
  toBytes(): Uint8Array {
    const bytes = this.#join(this.#bytes);
    this.clear();
    return bytes;
  }

  /** Lets go of everything. The stream can be used again. */
  clear(): void {
    this.#chunks.clear();
    this.#removed(this.#bytes);
  }

  /** Number of chunks. */
  get length(): number {
    return this.#chunks.length;
  }

  /** Number of bytes. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** Whether there is no byte. */
  empty(): boolean {
    return this.#chunks.length === 0;
  }

  [Symbol.iterator](): Generator<Uint8Array, void, undefined> {
    return this.chunks();
  }

  /** Takes chunk after chunk until none is left, as `readChunks` does. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.readChunks();
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    return Promise.resolve();
  }

  /**
   * Calls `ready` once, in a turn of its own, as soon as fewer than `bytes` bytes are here.
   * @internal
   */
  whenBelow(bytes: number, ready: () => void): void {
    (this.#waiters ??= []).push({ bytes, ready });
    this.#removed(0);
  }

  #took(chunk: Uint8Array): void {
    if (chunk.length > 0) {
      this.#removed(chunk.length);
      return;
    }
    // It has lost its memory, and with it the length that was counted.
    let bytes = 0;
    for (const { length } of this.#chunks) bytes += length;
    this.#removed(this.#bytes - bytes);
  }

  #removed(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#waiters !== undefined) this.#wake(this.#waiters);
  }

  #wake(waiters: Waiter[]): void {
    const waiting = waiters.filter(({ bytes, ready }) => {
      const isReady = this.#bytes < bytes;
      // Not at once: the reader that made room is in the middle of its work.
      if (isReady) process.nextTick(ready);
      return !isReady;
    });
    this.#waiters = waiting.length > 0 ? waiting : undefined;
  }

  /** Chunk `index`. Chunks are never empty: one that is has lost its memory since. */
  #alive(index: number): Uint8Array | undefined {
    const chunk = this.#chunks.at(index);
    if (chunk !== undefined && chunk.length === 0) throw lostMemory(anew);
    return chunk;
  }

  /** A copy of the first `n` bytes. */
  #join(n: number): Uint8Array {
    const joined = new Uint8Array(n);
    const copied = this.#copyTo(joined);
    // Memory that can be resized may have shrunk.
    return copied === n ? joined : joined.subarray(0, copied);
  }

  #copyTo(out: Uint8Array): number {
    let copied = 0;
    for (let index = 0; index < this.#chunks.length && copied < out.length; index += 1) {
      const chunk = this.#alive(index);
      if (chunk === undefined) break;
      const room = out.length - copied;
      out.set(chunk.length > room ? chunk.subarray(0, room) : chunk, copied);
      copied += Math.min(chunk.length, room);
    }
    return copied;
  }

  /** Moves all after the first `n` bytes to a rope of its own. */
  #splitOff(n: number): Rope {
    const tail = new Rope();
    while (this.#bytes > n) {
      const last = this.unwriteChunk();
      if (last === undefined) break;
      const kept = Math.max(0, n - this.#bytes);
      if (kept > 0) this.write(last.subarray(0, kept));
      tail.unread(kept > 0 ? last.subarray(kept) : last);
    }
    return tail;
  }
}

interface Waiter {
  readonly bytes: number;
  readonly ready: () => void;
}

function bytesOf(data: BytesLike): Uint8Array {
  const bytes = asBytes(data);
  if (bytes !== undefined) return bytes;
  throw new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `A stream holds bytes, not ${data === null ? 'null' : typeof data}: pass a Uint8Array, another view or an ArrayBuffer.`,
  );
}

function countOf(n: number | undefined): number {
  if (n === undefined || n < 0) return Infinity;
  if (Number.isSafeInteger(n) || n === Infinity) return n;
  throw new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `n is ${String(n)}; it must be a whole number of bytes.`,
  );
}

const anew = 'clear() makes the stream usable again.';
const newline = 0x0a;
