// @ts-check
// The folders of a run: a temporary one that is removed at the end, whatever happens, and the one that the records go to, which
// is inside it unless the user named another to keep.

import { mkdir, mkdtemp, realpath, rm, statfs } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure, explain, printable } from './failure.mjs';
import { bytes } from './format.mjs';

/** Space that is left alone, and what lengths and standard input's copy take beside the records. */
const SPARE_BYTES = 64 * 2 ** 20;
const OVERHEAD = 1.1;

export class Workspace {
  #removeNow = () => rmSync(this.temporary, { recursive: true, force: true });

  /** @param {string} [out] the folder to keep */
  static async create(out) {
    const temporary = await mkdtemp(join(await realpath(tmpdir()), 'chaski-ingest-')).catch(
      (error) => {
        throw explain(`cannot make a folder in ${tmpdir()}`, error);
      },
    );
    const workspace = new Workspace(temporary, out ?? temporary, out !== undefined);
    await mkdir(workspace.folder, { recursive: true }).catch(async (error) => {
      await workspace.remove();
      throw explain(`cannot make the folder ${printable(workspace.folder)}`, error);
    });
    return workspace;
  }

  /**
   * @param {string} temporary
   * @param {string} folder
   * @param {boolean} kept
   */
  constructor(temporary, folder, kept) {
    this.temporary = temporary;
    /** Where the records go. */
    this.folder = folder;
    /** Whether they stay there. */
    this.kept = kept;
    process.on('exit', this.#removeNow); // should the program end without coming to remove()
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
