// @ts-check
// The proof. Reads the source again and, beside it, what the journal has on disk, and compares them: each record of the source
// must be the next one of its producer's file, equal in length and in every byte, and behind the last there must be nothing. So
// every record is there exactly once and in order. No count of any process is trusted, except where a producer was stopped before
// the end of the source: then its own count says how many of its records to expect. Both sides are streamed.

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { explain } from './failure.mjs';
import { fileNames } from './journal.mjs';
import { blocks } from './records.mjs';

/**
 * @typedef {object} Expected what a producer says that it put
 * @property {number} records
 * @property {boolean} complete whether it reached the end of the source
 */

/**
 * @typedef {object} Verdict
 * @property {number} records compared and equal
 * @property {number} bytes
 * @property {{ file: string, sha256: string }[]} files digests of what is on disk
 * @property {string[]} differences empty when all is well; the first one of each file
 */

/** Expected records are gathered in pieces of so many bytes or records, then compared at once. */
const PIECE_BYTES = 2 ** 20;
const PIECE_RECORDS = 2 ** 16;

/**
 * @param {object} work
 * @param {import('./records.mjs').Source} work.source
 * @param {string} work.folder
 * @param {readonly Expected[]} work.expected by share
 * @param {(bytes: number) => void} [work.onProgress] bytes compared so far
 * @param {AbortSignal} [work.signal]
 * @returns {Promise<Verdict>}
 */
export async function verify({ source, folder, expected, onProgress, signal }) {
  /** @type {Comparison[]} */
  const comparisons = [];
  try {
    for (const [share, { records, complete }] of expected.entries()) {
      comparisons.push(await Comparison.open(folder, share, complete ? Infinity : records));
    }
    await compareAll(source, comparisons, onProgress, signal);
    for (const [share, comparison] of comparisons.entries()) {
      await comparison.finish(/** @type {Expected} */ (expected[share]).records);
    }
    return {
      records: comparisons.reduce((sum, { records }) => sum + records, 0),
      bytes: comparisons.reduce((sum, { bytes }) => sum + bytes, 0),
      files: comparisons.map(({ file, sha256 }) => ({ file, sha256 })),
      differences: comparisons.flatMap(({ difference }) => difference ?? []),
    };
  } finally {
    for (const comparison of comparisons) await comparison.close();
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

/** One producer's files against the records that they should hold. */
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
  #recordsFile;
  #lengthsFile;

  /**
   * @param {string} folder
   * @param {number} share
   * @param {number} records how many to expect; Infinity: as many as the source has
   */
  static async open(folder, share, records) {
    const names = fileNames(share);
    const recordsFile = await Reader.open(folder, names.records);
    return new Comparison(
      names.records,
      records,
      recordsFile,
      await Reader.open(folder, names.lengths),
    );
  }

  /**
   * @param {string} file
   * @param {number} records
   * @param {Reader} recordsFile
   * @param {Reader} lengthsFile
   */
  constructor(file, records, recordsFile, lengthsFile) {
    this.file = file;
    this.#left = records;
    this.#recordsFile = recordsFile;
    this.#lengthsFile = lengthsFile;
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

  /** Compares what is expected with what comes next in the files. */
  async compare() {
    const lengths = this.#expectedLengths.subarray(0, this.#count);
    const bytes = this.#expectedBytes.subarray(0, this.#filled);
    this.#filled = this.#count = 0;
    const foundLengths = await this.#lengthsFile.read(lengths.byteLength);
    const foundBytes = await this.#recordsFile.read(bytes.length);
    this.#hash.update(foundBytes);
    const sameLengths = Buffer.from(lengths.buffer, 0, lengths.byteLength).equals(foundLengths);
    const equal = sameLengths && bytes.equals(foundBytes) ? lengths.length : undefined;
    this.#advance(lengths, equal ?? this.#findDifference(lengths, bytes, foundLengths, foundBytes));
  }

  /**
   * The source has ended: compares the rest, and sees that the files end too.
   * @param {number} put how many records the producer says that it put
   */
  async finish(put) {
    if (this.difference === undefined) await this.compare();
    const extra = (await this.#recordsFile.drain(this.#hash)) + (await this.#lengthsFile.drain());
    this.sha256 = this.#hash.digest('hex');
    if (extra > 0)
      this.difference ??= `${this.file}: more is on disk than the source has, behind record ${this.records}`;
    if (this.records !== put)
      this.difference ??= `${this.file}: ${this.records} records of the source, but ${put} were put`;
  }

  async close() {
    await this.#recordsFile.close();
    await this.#lengthsFile.close();
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
   * @param {Buffer} foundLengths
   * @param {Buffer} foundBytes
   */
  #findDifference(lengths, bytes, foundLengths, foundBytes) {
    let end = 0;
    for (const [i, length] of lengths.entries()) {
      const start = end;
      end += length;
      const found = lengthAt(foundLengths, i);
      const what =
        found === undefined
          ? 'is missing, and all behind it'
          : found !== length
            ? `has ${found} bytes on disk, ${length} in the source`
            : differentByte(bytes.subarray(start, end), foundBytes.subarray(start, end));
      if (what === undefined) continue;
      this.difference = `${this.file}: record ${this.records + i + 1} ${what}`;
      return i;
    }
    throw new Error('unequal pieces of equal records');
  }
}

/**
 * @param {Buffer} lengths
 * @param {number} i
 */
function lengthAt(lengths, i) {
  if (lengths.length < 4 * (i + 1)) return undefined;
  return endianness() === 'LE' ? lengths.readUInt32LE(4 * i) : lengths.readUInt32BE(4 * i);
}

/**
 * @param {Buffer} record
 * @param {Buffer} found
 */
function differentByte(record, found) {
  if (record.equals(found)) return undefined;
  const at = record.findIndex((byte, i) => byte !== found[i]);
  return at < found.length
    ? `differs from the source at its byte ${at + 1}`
    : `is cut off on disk after ${found.length} of ${record.length} bytes`;
}

/** Reads a file from its start to its end, in pieces of any size. */
class Reader {
  #file;
  #buffer = Buffer.allocUnsafe(PIECE_BYTES);

  /**
   * @param {string} folder
   * @param {string} name
   */
  static async open(folder, name) {
    try {
      return new Reader(await open(join(folder, name)));
    } catch (error) {
      throw explain(`cannot read ${name} again`, error);
    }
  }

  /** @param {import('node:fs/promises').FileHandle} file */
  constructor(file) {
    this.#file = file;
  }

  /**
   * The next `length` bytes, or what there is before the end. Valid until the next call.
   * @param {number} length
   */
  async read(length) {
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#file.read(this.#buffer, filled, length - filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return this.#buffer.subarray(0, filled);
  }

  /**
   * Reads to the end; returns how many bytes there were.
   * @param {import('node:crypto').Hash} [hash]
   */
  async drain(hash) {
    let total = 0;
    for (;;) {
      const piece = await this.read(PIECE_BYTES);
      if (piece.length === 0) return total;
      hash?.update(piece);
      total += piece.length;
    }
  }

  close() {
    return this.#file.close();
  }
}
