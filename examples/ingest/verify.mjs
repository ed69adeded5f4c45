// @ts-check
// The proof. Reads the source again and, beside it, what the log has on disk, and compares them: each record of the source
// must be the next one of its producer's topic, equal in length and in every byte, and behind the last there must be nothing. So
// every record is there exactly once and in order. No count of any process is trusted, except where a producer was stopped before
// the end of the source: then its own count says how many of its records to expect. Both sides are streamed.

import { createHash } from 'node:crypto';
import { Failure } from './failure.mjs';
import { blocks } from './records.mjs';
import { openLog, topicName } from './store.mjs';

/**
 * @typedef {object} Expected what a producer says that it put
 * @property {number} records
 * @property {boolean} complete whether it reached the end of the source
 */

/**
 * @typedef {object} Verdict
 * @property {number} records compared and equal
 * @property {number} bytes
 * @property {{ topic: string, from: number, to: number, sha256: string }[]} topics offsets of this run, and digests of what is there
 * @property {string[]} differences empty when all is well; the first one of each topic
 */

/** Expected records are gathered in pieces of so many bytes or records, then compared at once. */
const PIECE_BYTES = 2 ** 20;
const PIECE_RECORDS = 2 ** 16;

/**
 * @param {object} work
 * @param {import('./records.mjs').Source} work.source
 * @param {string} work.folder
 * @param {readonly number[]} work.starts the first offset of this run, by share
 * @param {readonly Expected[]} work.expected by share
 * @param {(bytes: number) => void} [work.onProgress] bytes compared so far
 * @param {AbortSignal} [work.signal]
 * @returns {Promise<Verdict>}
 */
export async function verify({ source, folder, starts, expected, onProgress, signal }) {
  const kaska = await openLog(folder);
  /** @type {Comparison[]} */
  const comparisons = [];
  try {
    for (const [share, { records, complete }] of expected.entries()) {
      comparisons.push(
        new Comparison(kaska, topicName(share), starts[share] ?? 0, complete ? Infinity : records),
      );
    }
    await compareAll(source, comparisons, onProgress, signal);
    for (const [share, comparison] of comparisons.entries()) {
      await comparison.finish(/** @type {Expected} */ (expected[share]).records);
    }
    return {
      records: comparisons.reduce((sum, { records }) => sum + records, 0),
      bytes: comparisons.reduce((sum, { bytes }) => sum + bytes, 0),
      topics: comparisons.map(({ topic, from, to, sha256 }) => ({ topic, from, to, sha256 })),
      differences: comparisons.flatMap(({ difference }) => difference ?? []),
    };
  } finally {
    for (const comparison of comparisons) await comparison.close();
    await kaska.close();
  }
}

/**
 * Deals the records of the source out to the comparisons, as the producers dealt them to themselves.
 * @param {import('./records.mjs').Source} source
 * @param {Comparison[]} comparisons
 * @param {((bytes: number) => void) | undefined} onProgress
 * @param {AbortSignal | undefined} signal
 */
async function compareAll(source, comparisons, onProgress, signal) {
  let share = 0;
  for await (const { data, ends } of await blocks(source)) {
    signal?.throwIfAborted();
    let start = 0;
    for (const end of ends) {
      const comparison = /** @type {Comparison} */ (comparisons[share]);
      if (comparison.open) {
        if (!comparison.fits(end - start)) await comparison.compare();
        comparison.expect(data, start, end);
      }
      start = end;
      share = share + 1 === comparisons.length ? 0 : share + 1;
    }
    if (!comparisons.some((comparison) => comparison.open)) return;
    onProgress?.(comparisons.reduce((sum, { bytes }) => sum + bytes, 0));
  }
}

/** One producer's topic against the records that it should hold. */
class Comparison {
  /** Records and bytes found equal. */
  records = 0;
  bytes = 0;
  /** @type {string | undefined} the first one */
  difference;
  sha256 = '';

  #expectedBytes = Buffer.allocUnsafe(PIECE_BYTES);
  #expectedLengths = new Uint32Array(PIECE_RECORDS);
  #filled = 0;
  #count = 0;
  #hash = createHash('sha256');
  #left;
  #found;

  /**
   * @param {import('chaski/kaska').Kaska} kaska
   * @param {string} topic
   * @param {number} from the offset of the first record
   * @param {number} records how many to expect; Infinity: as many as the source has
   */
  constructor(kaska, topic, from, records) {
    this.topic = topic;
    this.from = from;
    this.#left = records;
    this.#found = new Found(kaska, topic, from);
  }

  /** The offset behind the last record that was read. */
  get to() {
    return this.#found.next;
  }

  /** Whether further records are expected. */
  get open() {
    return this.#left > 0 && this.difference === undefined;
  }

  /** @param {number} length */
  fits(length) {
    return this.#count < PIECE_RECORDS && this.#filled + length <= this.#expectedBytes.length;
  }

  /**
   * @param {Buffer} data
   * @param {number} start
   * @param {number} end
   */
  expect(data, start, end) {
    if (end - start > this.#expectedBytes.length)
      this.#expectedBytes = Buffer.allocUnsafe(end - start);
    data.copy(this.#expectedBytes, this.#filled, start, end);
    this.#filled += end - start;
    this.#expectedLengths[this.#count++] = end - start;
    this.#left -= 1;
  }

  /** Compares what is expected with what comes next in the topic. */
  async compare() {
    const lengths = this.#expectedLengths.subarray(0, this.#count);
    const bytes = this.#expectedBytes.subarray(0, this.#filled);
    this.#filled = this.#count = 0;
    const found = await this.#found.read(lengths.length);
    this.#hash.update(found.bytes);
    const same = found.lengths.length === lengths.length && lengths.every(isIn(found.lengths));
    const equal = same && bytes.equals(found.bytes) ? lengths.length : undefined;
    this.#advance(lengths, equal ?? this.#findDifference(lengths, bytes, found));
  }

  /**
   * The source has ended: compares the rest, and sees that the topic ends too.
   * @param {number} put how many records the producer says that it put
   */
  async finish(put) {
    if (this.difference === undefined) await this.compare();
    const extra = await this.#found.drain(this.#hash);
    this.sha256 = this.#hash.digest('hex');
    if (extra > 0)
      this.difference ??= `${this.topic}: more is on disk than the source has, behind record ${this.records}`;
    if (this.records !== put)
      this.difference ??= `${this.topic}: ${this.records} records of the source, but ${put} were put`;
  }

  async close() {
    await this.#found.close();
  }

  /**
   * @param {Uint32Array} lengths
   * @param {number} equal how many of them were found equal
   */
  #advance(lengths, equal) {
    this.records += equal;
    for (const length of lengths.subarray(0, equal)) this.bytes += length;
  }

  /**
   * Says what the difference is; returns how many records are equal before it.
   * @param {Uint32Array} lengths
   * @param {Buffer} bytes
   * @param {Piece} found
   */
  #findDifference(lengths, bytes, found) {
    let end = 0;
    for (const [i, length] of lengths.entries()) {
      const start = end;
      end += length;
      const there = found.lengths[i];
      const what =
        there === undefined
          ? 'is missing, and all behind it'
          : there !== length
            ? `has ${there} bytes on disk, ${length} in the source`
            : differentByte(bytes.subarray(start, end), found.bytes.subarray(start, end));
      if (what === undefined) continue;
      this.difference = `${this.topic}: record ${this.records + i + 1} ${what}`;
      return i;
    }
    throw new Error('unequal pieces of equal records');
  }
}

/** For every(): whether an element is the same as that in `other`. @param {Uint32Array} other */
const isIn = (other) => (/** @type {number} */ length, /** @type {number} */ i) =>
  other[i] === length;

/**
 * @param {Buffer} record
 * @param {Buffer} found of the same length
 */
function differentByte(record, found) {
  if (record.equals(found)) return undefined;
  return `differs from the source at its byte ${record.findIndex((byte, i) => byte !== found[i]) + 1}`;
}

/** @typedef {{ lengths: Uint32Array, bytes: Buffer }} Piece records, one behind the other */

/** Reads a topic from an offset to its end, any number of records at a time. */
class Found {
  #batches;
  /** @type {import('chaski/kaska').Batch | undefined} */
  #batch;
  #place = 0;
  #lengths = new Uint32Array(PIECE_RECORDS);
  #bytes = Buffer.allocUnsafe(PIECE_BYTES);
  /** The offset behind the last record that was read. */
  next;

  /**
   * @param {import('chaski/kaska').Kaska} kaska
   * @param {string} topic
   * @param {number} from
   */
  constructor(kaska, topic, from) {
    const log = kaska.topics.get(topic);
    if (log === undefined) throw new Failure(`cannot read ${topic} again: it is not in the log`);
    this.#batches = log.batches({ from, until: 'end' })[Symbol.asyncIterator]();
    this.next = from;
  }

  /**
   * The next `count` records, or what there is before the end. Valid until the next call.
   * @param {number} count at most PIECE_RECORDS
   * @returns {Promise<Piece>}
   */
  async read(count) {
    let records = 0;
    let filled = 0;
    while (records < count) {
      const batch = await this.#current();
      if (batch === undefined) break;
      const { memory } = batch;
      const last = Math.min(batch.length, this.#place + count - records);
      for (; this.#place < last; this.#place += 1) {
        const length = Math.max(0, batch.valueLength(this.#place));
        const start = batch.valueStart(this.#place);
        this.#reserve(filled, length);
        this.#bytes.set(memory.subarray(start, start + length), filled);
        this.#lengths[records] = length;
        records += 1;
        filled += length;
      }
    }
    this.next += records;
    return {
      lengths: this.#lengths.subarray(0, records),
      bytes: this.#bytes.subarray(0, filled),
    };
  }

  /**
   * Reads to the end; returns how many records there were.
   * @param {import('node:crypto').Hash} hash
   */
  async drain(hash) {
    let total = 0;
    for (;;) {
      const { lengths, bytes } = await this.read(PIECE_RECORDS);
      if (lengths.length === 0) return total;
      hash.update(bytes);
      total += lengths.length;
    }
  }

  async close() {
    await this.#batches.return?.();
  }

  /** The batch with the next record; undefined at the end. */
  async #current() {
    while (this.#batch === undefined || this.#place === this.#batch.length) {
      const { done, value } = await this.#batches.next();
      if (done) return undefined;
      this.#batch = value;
      this.#place = 0;
    }
    return this.#batch;
  }

  /**
   * @param {number} filled
   * @param {number} more
   */
  #reserve(filled, more) {
    if (filled + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(filled + more, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, filled);
    this.#bytes = larger;
  }
}
