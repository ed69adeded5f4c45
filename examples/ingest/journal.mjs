// @ts-check
// The files that records are written to: for each producer `producer-N.records`, the records one after the
// other, and `producer-N.lengths`, the length of each (u32, byte order of the machine), so that their borders
// can be checked too. One fsync costs as much as writing megabytes, so batches share it: what comes while one
// commit goes on makes up the next (group commit).

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { explain, printable } from './failure.mjs';

/** @typedef {import('chaski/net-queue').Batch<unknown>} Batch */
/** @typedef {import('node:fs/promises').FileHandle} FileHandle */

/** A commit begins when so much waits for it ... */
const COMMIT_BYTES = 4 * 2 ** 20;
/** ... or so long after the one before. */
const COMMIT_MS = 10;
/** Views that one writev takes (IOV_MAX). */
const MOST_VIEWS = 1024;

/** The names of a producer's two files. */
export const fileNames = (/** @type {number} */ share) => ({
  records: `producer-${share}.records`,
  lengths: `producer-${share}.lengths`,
});

export class Journal {
  /** Records, bytes and commits that are safe on disk. */
  records = 0;
  bytes = 0;
  commits = 0;

  #tapes;
  #waiting = 0;
  /** @type {Promise<void> | undefined} the commit that batches can still join */
  #next;
  /** @type {Promise<void> | undefined} the commit that was planned last */
  #last;
  /** @type {() => void} */
  #enough = () => {};

  /**
   * Creates the files in `folder`; fails if there are such files already.
   * @param {string} folder
   * @param {number} producers
   */
  static async create(folder, producers) {
    const tapes = [];
    for (let share = 0; share < producers; share++) tapes.push(await Tape.create(folder, share));
    await syncFolder(folder);
    return new Journal(tapes);
  }

  /** @param {Tape[]} tapes */
  constructor(tapes) {
    this.#tapes = tapes;
  }

  /**
   * Writes a batch; settled when it is safe on disk. The batches that come between two commits share one.
   * @param {number} share
   * @param {Batch} batch
   * @returns {Promise<void>} rejects when a commit has failed, this one or one before
   */
  write(share, batch) {
    const tape = this.#tapes[share];
    if (!tape) throw new Error(`there is no producer ${share}`);
    this.#waiting += tape.add(batch);
    if (this.#waiting >= COMMIT_BYTES) this.#enough();
    this.#next ??= this.#last = this.#commit(this.#last);
    return this.#next;
  }

  /** Waits for the last commit and closes the files. */
  async close() {
    await this.#last;
    for (const tape of this.#tapes) await tape.close();
  }

  /** @param {Promise<void> | undefined} before */
  async #commit(before) {
    await before;
    await this.#untilEnough();
    this.#next = undefined;
    this.#waiting = 0;
    const written = await Promise.all(this.#tapes.map((tape) => tape.commit()));
    for (const { records, bytes } of written) {
      this.records += records;
      this.bytes += bytes;
    }
    this.commits += 1;
  }

  /** @returns {Promise<void>} */
  #untilEnough() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, COMMIT_MS);
      this.#enough = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#waiting >= COMMIT_BYTES) this.#enough();
    });
  }
}

/** What a tape writes in one commit. */
class Group {
  /** @type {Uint8Array[]} */
  payloads = [];
  /** @type {Uint32Array[]} */
  lengths = [];
  records = 0;
  bytes = 0;
}

/** The two files of one producer. */
class Tape {
  #name;
  #recordsFile;
  #lengthsFile;
  #group = new Group();

  /**
   * @param {string} folder
   * @param {number} share
   */
  static async create(folder, share) {
    const { records, lengths } = fileNames(share);
    try {
      const recordsFile = await open(join(folder, records), 'wx');
      return new Tape(records, recordsFile, await open(join(folder, lengths), 'wx'));
    } catch (error) {
      throw explain(`cannot create ${records} in ${printable(folder)}`, error);
    }
  }

  /**
   * @param {string} name
   * @param {FileHandle} recordsFile
   * @param {FileHandle} lengthsFile
   */
  constructor(name, recordsFile, lengthsFile) {
    this.#name = name;
    this.#recordsFile = recordsFile;
    this.#lengthsFile = lengthsFile;
  }

  /**
   * Takes a batch into the next commit, without a copy: payloads usually lie one behind the other, so one view
   * holds them all.
   * @param {Batch} batch
   * @returns {number} its bytes
   */
  add(batch) {
    const group = this.#group;
    const lengths = new Uint32Array(batch.length);
    let bytes = 0;
    let start = batch.offset(0);
    let end = start;
    for (let i = 0; i < batch.length; i++) {
      const offset = batch.offset(i);
      const length = batch.byteLengthAt(i);
      if (offset !== end) {
        group.payloads.push(batch.memory.subarray(start, end));
        start = offset;
      }
      end = offset + length;
      lengths[i] = length;
      bytes += length;
    }
    group.payloads.push(batch.memory.subarray(start, end));
    group.lengths.push(lengths);
    group.records += batch.length;
    group.bytes += bytes;
    return bytes;
  }

  /** Writes what was added and makes it safe. */
  async commit() {
    const group = this.#group;
    this.#group = new Group();
    if (group.records === 0) return group;
    try {
      await Promise.all([
        writeAll(this.#recordsFile, group.payloads),
        writeAll(this.#lengthsFile, group.lengths),
      ]);
      await Promise.all([this.#recordsFile.sync(), this.#lengthsFile.sync()]);
    } catch (error) {
      throw explain(`cannot write ${this.#name}`, error);
    }
    return group;
  }

  async close() {
    await this.#recordsFile.close();
    await this.#lengthsFile.close();
  }
}

/**
 * Writes all of `views`; the system may take less at a time.
 * @param {FileHandle} file
 * @param {NodeJS.ArrayBufferView[]} views
 */
async function writeAll(file, views) {
  for (let first = 0; first < views.length;) {
    let { bytesWritten } = await file.writev(views.slice(first, first + MOST_VIEWS));
    for (; first < views.length; first++) {
      const view = /** @type {NodeJS.ArrayBufferView} */ (views[first]);
      if (bytesWritten < view.byteLength) {
        views[first] = new Uint8Array(
          view.buffer,
          view.byteOffset + bytesWritten,
          view.byteLength - bytesWritten,
        );
        break;
      }
      bytesWritten -= view.byteLength;
    }
  }
}

/**
 * Makes the names of new files safe too.
 * @param {string} folder
 */
async function syncFolder(folder) {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
