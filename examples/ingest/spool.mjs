// @ts-check
// Standard input can be read once, but each producer and the verification read the source by themselves. So it is copied to a
// file, and whoever reads that file is told how far it has come: ingestion goes on while standard input is still open.

import { open } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { explain } from './failure.mjs';

const TELL_MS = 20;

export class Spool {
  size = 0;
  ended = false;

  #stop = new AbortController();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #file;
  #onGrowth;

  /**
   * Makes the file, still empty.
   * @param {string} path
   * @param {(spool: Spool) => void} onGrowth called now and then, and at the end
   */
  static async create(path, onGrowth) {
    return new Spool(await open(path, 'wx'), onGrowth);
  }

  /**
   * @param {import('node:fs/promises').FileHandle} file
   * @param {(spool: Spool) => void} onGrowth
   */
  constructor(file, onGrowth) {
    this.#file = file;
    this.#onGrowth = onGrowth;
  }

  /**
   * Copies until the input ends, or until stop().
   * @param {import('node:stream').Readable} input
   */
  async copy(input) {
    try {
      for await (const chunk of addAbortSignal(this.#stop.signal, input)) {
        await this.#file.writeFile(chunk);
        this.size += chunk.length;
        this.#timer ??= setTimeout(() => this.#tell(), TELL_MS);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw explain('cannot copy standard input', error);
    } finally {
      await this.#file.close();
      this.ended = true;
      this.#tell();
    }
  }

  stop() {
    this.#stop.abort();
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#onGrowth(this);
  }
}
