// @ts-check
// What a log is asked to do, one process a run: `log-append` and `log-single` store records, `log-read` reads them again,
// `log-open` opens what a killed process, or a clean close, has left.

/** @typedef {{ data: Uint8Array, lengths: Uint32Array | number }} Records records of one append, behind each other */

/**
 * What one run does, beside its size.
 * @typedef {object} LogLoad
 * @property {number} batch records of one append
 * @property {number} inFlight appends that wait at once
 * @property {boolean} durable an append is done when a power cut cannot take it back
 * @property {boolean} [views] a view is made of each record that is read
 * @property {number} [bytes] how much is there to be read or opened
 * @property {'killed' | 'clean'} [left] how the one before has ended
 * @property {number} [group] appends that share a sync, for those who take no decision of their own
 */

/**
 * An opened log of a peer. Only what its modes need is there.
 * @typedef {object} Log
 * @property {(records: Records) => PromiseLike<unknown>} [append] settles when the records are stored as `durable` says
 * @property {(records: Records, times: number) => PromiseLike<unknown>} [appendTogether] several appends as one unit, for those who have no other way to have several in flight
 * @property {(onRecords: (count: number) => void) => Promise<number>} [read] reads all that is there; the number of records
 * @property {() => number} [syncs] how many syncs there were so far
 * @property {() => Promise<unknown> | void} close
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DATA = fileURLToPath(new URL('../.data/', import.meta.url));

/** A new folder on the disk of the checkout: the system's own for temporary files may lie in memory. @param {string} name */
export function dataFolder(name) {
  mkdirSync(DATA, { recursive: true });
  return mkdtempSync(join(DATA, `${name}-`));
}

/** All that benchmarks have left on the disk. */
export function removeData() {
  rmSync(DATA, { recursive: true, force: true });
}

/** @param {number} count @param {number} size @returns {Records} */
export function makeRecords(count, size) {
  const data = new Uint8Array(count * size);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31) & 0x7f;
  return { data, lengths: new Uint32Array(count).fill(size) };
}

/** One record after the other, for those who take them singly. @param {Records} records @returns {Buffer[]} */
export function split({ data, lengths }) {
  const size = typeof lengths === 'number' ? lengths : lengths[0];
  const all = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: all.length / size }, (_, i) =>
    all.subarray(i * size, (i + 1) * size),
  );
}
