// @ts-check
// A server that a peer needs, run by the bench itself and ended with it: a shell waits on our pipe and ends the server when the pipe
// closes, whatever became of us, and removes the server's folder.
import { spawn } from 'node:child_process';

const START_MS = 10_000;
const SCRIPT = '"$@" & cat >/dev/null; kill -9 $!; wait; rm -rf -- "$FOLDER"';

export class Service {
  #text = '';
  /** @type {(() => void) | undefined} */ #heard;

  /** @param {string} file @param {string[]} args @param {string} folder what the server may write to, removed with it */
  constructor(file, args, folder) {
    this.file = file;
    this.process = spawn('/bin/sh', ['-c', SCRIPT, 'sh', file, ...args], {
      env: { ...process.env, FOLDER: folder },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.on('data', (text) => this.#hear(text));
    this.process.on('error', () => {});
  }

  /** Settles once the server has printed `pattern`. @param {RegExp} pattern @returns {Promise<void>} */
  output(pattern) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.file} did not start: ${this.#text.slice(-500)}`)),
        START_MS,
      );
      this.#heard = () => {
        if (!pattern.test(this.#text)) return;
        clearTimeout(timer);
        this.#heard = undefined;
        resolve();
      };
      this.#heard();
    });
  }

  /** @returns {Promise<void>} settles once it is gone */
  stop() {
    return new Promise((resolve) => {
      this.process.once('exit', () => resolve());
      this.process.stdin.end();
    });
  }

  /** @param {Buffer} text */
  #hear(text) {
    this.#text = (this.#text + text).slice(-10_000);
    this.#heard?.();
  }
}
