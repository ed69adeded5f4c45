// @ts-check
// The folders of a run: a temporary one that is removed at the end, whatever happens, and the one with the log, which stays: the
// next run goes on in it. What runs have left in the default folder is let go of when it is too much.

import { mkdir, mkdtemp, readdir, realpath, rm, stat, statfs } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure, explain, printable } from './failure.mjs';
import { bytes } from './format.mjs';
import { openLog } from './store.mjs';

const DEFAULT_FOLDER = fileURLToPath(new URL('.data', import.meta.url));
/** More than this is not left in the default folder for the next run. */
const MOST_KEPT_BYTES = 8 * 2 ** 30;

/** Space that is left alone, and what batches and standard input's copy take beside the records. */
const SPARE_BYTES = 64 * 2 ** 20;
const OVERHEAD = 1.15;

export class Workspace {
  #removeNow = () => rmSync(this.temporary, { recursive: true, force: true });

  /** @param {Pick<import('./options.mjs').Options, 'out' | 'fresh'>} options */
  static async create({ out, fresh }) {
    const temporary = await mkdtemp(join(await realpath(tmpdir()), 'chaski-ingest-')).catch(
      (error) => {
        throw explain(`cannot make a folder in ${tmpdir()}`, error);
      },
    );
    const workspace = new Workspace(temporary, out ?? DEFAULT_FOLDER);
    try {
      await mkdir(workspace.folder, { recursive: true });
      if (out === undefined && (fresh || (await sizeOf(workspace.folder)) > MOST_KEPT_BYTES)) {
        await workspace.#empty();
      }
    } catch (error) {
      await workspace.remove();
      throw explain(`cannot make the folder ${printable(workspace.folder)}`, error);
    }
    return workspace;
  }

  /**
   * @param {string} temporary
   * @param {string} folder
   */
  constructor(temporary, folder) {
    this.temporary = temporary;
    /** Where the log is. */
    this.folder = folder;
    process.on('exit', this.#removeNow); // should the program end without coming to remove()
  }

  /** Deletes all topics. Not the files: another process may have the log open, which opening it tells. */
  async #empty() {
    const kaska = await openLog(this.folder);
    for (const name of kaska.topics.keys()) await kaska.deleteTopic(name);
    await kaska.close();
  }

  /** @param {number} needed bytes of records */
  async checkSpace(needed) {
    const { bavail, bsize } = await statfs(this.folder);
    const free = bavail * bsize;
    if (free >= needed * OVERHEAD + SPARE_BYTES) return;
    throw new Failure(
      `${printable(this.folder)} has ${bytes(free)} free, too little for ${bytes(needed)} of records; ` +
        'choose another folder with --out, or less with --bytes',
    );
  }

  async remove() {
    await rm(this.temporary, { recursive: true, force: true });
    process.off('exit', this.#removeNow);
  }
}

/** Bytes of all files below a folder. @param {string} folder @returns {Promise<number>} */
async function sizeOf(folder) {
  let total = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    total += found?.size ?? 0;
  }
  return total;
}
