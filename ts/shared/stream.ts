// Byte streams made of chunks, with the names of the Python class.
//
// They are kept in JavaScript, not in Rust. A call into the addon costs 130 ns, 400 for a method of a class, before it does
// anything, and 1,900 when it returns memory. Here a 64 B chunk is written and read again in 61 ns, 16 B are cut off one in
// 60, a line in 96; only what lies in two chunks costs more (424), for the memory of the copy. Node 20.20, x64,
// `benches/micro/stream.mjs`.
import type { Readable, Writable } from 'node:stream';

import { ChaskiError } from '../errors.ts';
import { showAs } from './shown.ts';
import { fill, Tail, takeMerged, type MergeSizes } from './stream-merge.ts';
import { readableFrom, writableTo, type WritableOptions } from './stream-node.ts';
import { Rope, type BytesLike } from './stream-rope.ts';

/**
 * Bytes in order, kept as the chunks in which they came.
 *
 * Reading consumes, from the front; writing appends; `unread` and `unwrite` do the same at the other ends. Guarantees:
 *
 * - What would have to wait for bytes (the stream is empty) returns `undefined`. It never throws and never blocks.
 * - Nothing is copied except where a method says so. A chunk that was written whole and is read whole is the very same
 *   object; a cut one is a view of the same memory. So who writes gives the memory away: what is changed afterwards
 *   changes in the stream too. Memory that was transferred meanwhile is never read as something else: what meets it throws
 *   `ERR_CHASKI_INVALID_ARGUMENT`.
 * - Chunks are never empty: an empty one is dropped when it is written.
 * - A count `n` that is negative or left out means all; more than there is means what there is. Everything else that is
 *   not a whole number throws `ERR_CHASKI_INVALID_ARGUMENT`, and so does data that is not bytes.
 * - The stream has no bound of its own and no end: whoever writes decides how much to keep.
 *
 * Names are in camelCase; the lower-case names of the Python class are the same functions (see `spellings` below), both
 * those of its first version (`readchunk`) and the present ones (`readview`).
 */
export class Stream extends Rope {
  #tail: Tail | undefined;

  static {
    showAs(this, 'Stream', ({ byteLength, length }) => ({ nbytes: byteLength, nchunks: length }));
  }

  /** A stream of one chunk, not copied. */
  static fromBuffer(data: BytesLike): Stream {
    return new Stream([data]);
  }

  /** `fromBuffer`. */
  static frombuffer(data: BytesLike): Stream {
    return new Stream([data]);
  }

  /** `fromBuffer`. */
  static frombytes(data: BytesLike): Stream {
    return new Stream([data]);
  }

  /** A stream of the same chunks: the memory is shared, the reading is not. */
  copy(): Stream {
    return new Stream(this);
  }

  /** A stream of the same bytes in memory of its own, in one chunk. */
  deepCopy(): Stream {
    return new Stream([this.copy().toBytes()]);
  }

  // Joining of small chunks, by the rules of the Python package's first version.

  /**
   * Takes the next piece to send: the first chunk, at most `maxSize` of it. If it is small and not alone, up to `mergeSize` bytes from
   * the front are joined before, in one copy; nothing else is copied.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  take(sizes: MergeSizes = {}): Uint8Array | undefined {
    return takeMerged(this, sizes);
  }

  /**
   * Takes chunks of `source`, not copied, until `maxSize` bytes are here or `source` is empty; returns how many bytes those
   * were.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  fillFrom(source: Rope, sizes: MergeSizes = {}): number {
    return fill(this, source, sizes);
  }

  /**
   * To be called behind each `write()` of what was received: if the last chunk is small and not alone, it and the small ones before it
   * (up to the first that has all in all `mergeSize`) are joined, in one copy, as soon as they are no small chunk together.
   * Returns whether they were.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  mergeLast(sizes: MergeSizes = {}): boolean {
    this.#tail ??= new Tail();
    return this.#tail.merge(this, sizes);
  }

  /**
   * A Readable that takes the chunks, one at a time as it is read, and ends when the stream is empty. A destroyed one has
   * taken at most one chunk that nobody saw.
   */
  toReadable(): Readable {
    return readableFrom(this);
  }

  /**
   * A Writable that appends what is written to it, not copied. With `highWaterMark` it lets its writer wait while the
   * stream holds that many bytes or more; by default it does not. Its end is not the end of the stream.
   */
  toWritable(options?: WritableOptions): Writable {
    return writableTo(this, options);
  }

  // The other spellings: v0.1.0 in camelCase, v0.1.0, at present. Where only one is given, it was never renamed.
  declare readonly writeChunk: Rope['write'];
  declare readonly unreadChunk: Rope['unread'];
  declare readonly writechunk: Rope['write'];
  declare readonly unreadchunk: Rope['unread'];
  declare readonly readchunk: Rope['readChunk'];
  declare readonly unwritechunk: Rope['unwriteChunk'];
  declare readonly peekchunk: Rope['peekChunk'];
  declare readonly readchunks: Rope['readChunks'];
  declare readonly writechunks: Rope['writeChunks'];
  declare readonly update: Rope['writeChunks'];
  declare readonly nchunks: number;
  declare readonly nbytes: number;

  declare readonly writeview: Rope['write'];
  declare readonly unreadview: Rope['unread'];
  declare readonly readview: Rope['readChunk'];
  declare readonly unwriteview: Rope['unwriteChunk'];
  declare readonly readviews: Rope['readChunks'];
  declare readonly writeviews: Rope['writeChunks'];
  declare readonly writelines: Rope['writeChunks'];
  declare readonly readinto: Rope['readInto'];
  declare readonly readinto1: Rope['readInto1'];
  declare readonly readline: Rope['readLine'];
  declare readonly readlines: Rope['readLines'];
  declare readonly toview: Rope['toView'];
  declare readonly seek: Rope['skip'];
  declare readonly close: Rope['clear'];
  declare readonly deepcopy: Stream['deepCopy'];

  /** `chunks()`. */
  get views(): Generator<Uint8Array, void, undefined> {
    return this.chunks();
  }

  // What Python asks of every file.

  /** Always false: a stream that was closed is empty and can be used again. */
  get closed(): boolean {
    return false;
  }

  /** Always 0: what was read is gone. */
  tell(): number {
    return 0;
  }

  /** Always true, forwards only: `seek(n)` drops n bytes. */
  seekable(): boolean {
    return true;
  }

  /** Always true. */
  readable(): boolean {
    return true;
  }

  /** Always true. */
  writable(): boolean {
    return true;
  }

  /** Always false. */
  isatty(): boolean {
    return false;
  }

  /** Does nothing: there is nothing behind the stream. */
  flush(): void {}

  /** Throws `ERR_CHASKI_UNSUPPORTED`: there is no file. */
  fileno(): never {
    throw new ChaskiError(
      'ERR_CHASKI_UNSUPPORTED',
      'A stream lies in memory and has no file number.',
    );
  }

  /** Throws `ERR_CHASKI_UNSUPPORTED`: there is nothing behind the stream. */
  detach(): never {
    throw new ChaskiError('ERR_CHASKI_UNSUPPORTED', 'A stream has no raw stream behind it.');
  }
}

/** Other names and the member that each of them is. */
const spellings: Record<string, keyof Stream> = {
  writeChunk: 'write',
  unreadChunk: 'unread',

  // v0.1.0.
  readchunk: 'readChunk',
  unreadchunk: 'unread',
  writechunk: 'write',
  unwritechunk: 'unwriteChunk',
  peekchunk: 'peekChunk',
  readchunks: 'readChunks',
  writechunks: 'writeChunks',
  update: 'writeChunks',
  nchunks: 'length',
  nbytes: 'byteLength',

  // At present.
  readview: 'readChunk',
  unreadview: 'unread',
  writeview: 'write',
  unwriteview: 'unwriteChunk',
  readviews: 'readChunks',
  writeviews: 'writeChunks',
  writelines: 'writeChunks',
  readinto: 'readInto',
  readinto1: 'readInto1',
  readline: 'readLine',
  readlines: 'readLines',
  toview: 'toView',
  seek: 'skip',
  close: 'clear',
  deepcopy: 'deepCopy',
};

for (const [spelling, name] of Object.entries(spellings)) {
  const owner = Object.hasOwn(Stream.prototype, name) ? Stream.prototype : Rope.prototype;
  const member = Object.getOwnPropertyDescriptor(owner, name);
  if (member !== undefined) Object.defineProperty(Stream.prototype, spelling, member);
}
