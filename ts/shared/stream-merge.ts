// When chunks are joined, by the rules of the first version of the Python package: small ones cost more to pass on than to copy, and
// large ones are never copied for the sake of small ones before them.
import { invalid } from './invalid.ts';

/**
 * Sizes in bytes that say which chunks are worth joining. A chunk is small when it has less than both `efficientSize` and
 * `mergeSize`. As in Python, 0 is the default.
 */
export interface MergeSizes {
  /** The most that is passed on at once, and what is gathered before. Default 4 MiB. */
  maxSize?: number;
  /** The most that is copied to join small chunks. Default `maxSize`. */
  mergeSize?: number;
  /** From here on a chunk is passed on as it is. Default a 64th of `maxSize`. */
  efficientSize?: number;
}

/** What is asked of a stream here. */
export interface Mergeable {
  readonly length: number;
  readonly byteLength: number;
  at(index: number): Uint8Array | undefined;
  read(n?: number): Uint8Array | undefined;
  read1(n?: number): Uint8Array | undefined;
  unread(chunk: Uint8Array): number;
  unwrite(n?: number): Uint8Array | undefined;
  write(chunk: Uint8Array): number;
}

/** The next piece to pass on: small chunks at the front are joined before. */
export function takeMerged(stream: Mergeable, sizes: MergeSizes): Uint8Array | undefined {
  const { max, merge, small } = checked(sizes);
  const first = stream.at(0);
  if (first !== undefined && stream.length > 1 && first.length < small) {
    const joined = stream.read(merge);
    if (joined !== undefined) stream.unread(joined);
  }
  return stream.read1(max);
}

/** Takes chunks of `source` while less than `maxSize` is in `stream`; returns how many bytes those were. */
export function fill(
  stream: Mergeable,
  source: { readChunk(): Uint8Array | undefined },
  sizes: MergeSizes,
): number {
  const { max } = checked(sizes);
  let moved = 0;
  while (stream.byteLength < max) {
    const chunk = source.readChunk();
    if (chunk === undefined) break;
    moved += stream.write(chunk);
  }
  return moved;
}

/** Joins small chunks at the end of a stream. It remembers how many there are, so as not to look at all of them each time. */
export class Tail {
  #last: Uint8Array | undefined = undefined;
  /** The small chunks up to `#last`; fewer when some of them have been read since. */
  #run: Run = { count: 0, bytes: 0 };
  #small: number = 0;

  /** To be called when a chunk was appended; returns whether something was joined. */
  merge(stream: Mergeable, sizes: MergeSizes): boolean {
    const { merge, small } = checked(sizes);
    const last = stream.at(-1);
    if (last === undefined || last.length >= small) {
      this.#remember(last, { count: 0, bytes: 0 }, small);
      return false;
    }
    let run = this.#longer(stream, last, small) ?? runOf(stream, merge, small);
    if (run.bytes >= small) run = runOf(stream, merge, small);
    const joined = run.bytes >= small && run.count > 1 ? stream.unwrite(run.bytes) : undefined;
    if (joined === undefined) {
      this.#remember(last, run, small);
      return false;
    }
    stream.write(joined);
    this.#remember(joined, { count: 0, bytes: 0 }, small);
    return true;
  }

  /** The run that was remembered and `last` behind it; undefined if it is another one now. */
  #longer(stream: Mergeable, last: Uint8Array, small: number): Run | undefined {
    if (this.#small !== small || this.#last === undefined) return undefined;
    if (this.#last !== stream.at(-2)) return undefined;
    const count = this.#run.count + 1;
    // What the run began behind is small as well once enough of it has been read.
    const before = stream.at(-count - 1);
    if (before !== undefined && before.length < small) return undefined;
    return { count, bytes: this.#run.bytes + last.length };
  }

  #remember(last: Uint8Array | undefined, run: Run, small: number): void {
    this.#last = last;
    this.#run = run;
    this.#small = small;
  }
}

interface Run {
  readonly count: number;
  readonly bytes: number;
}

/** The small chunks at the end, until there are `enough` bytes. */
function runOf(stream: Mergeable, enough: number, small: number): Run {
  let bytes = 0;
  let count = 0;
  while (bytes < enough) {
    const chunk = stream.at(-count - 1);
    if (chunk === undefined || chunk.length >= small) break;
    bytes += chunk.length;
    count += 1;
  }
  return { count, bytes };
}

function checked(sizes: MergeSizes): { max: number; merge: number; small: number } {
  const max = size('maxSize', sizes.maxSize, 4 << 20);
  const merge = size('mergeSize', sizes.mergeSize, max);
  const efficient = size('efficientSize', sizes.efficientSize, Math.max(1, Math.floor(max / 64)));
  return { max, merge, small: Math.min(merge, efficient) };
}

function size(name: string, value: unknown, fallback: number): number {
  if (value === undefined || value === 0) return fallback;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(name, value, 'a whole number of bytes, or 0');
}
