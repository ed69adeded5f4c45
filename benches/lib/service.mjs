// @ts-check
// A server that a peer needs, run by the bench itself and ended with it.
import { spawn } from 'node:child_process';

const START_MS = 10_000;
/** @type {Set<Service>} */
const running = new Set();
process.on('exit', () => running.forEach((service) => service.stop()));

export class Service {
  #text = '';
  /** @type {(() => void) | undefined} */ #heard;

  /** @param {string} file @param {string[]} args @param {() => void} clean */
  constructor(file, args, clean) {
    this.clean = clean;
    this.file = file;
    this.process = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this);
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => this.#hear(text));
    this.process.on('error', () => {});
  }

  /** Settles once the server has printed `pattern`. @param {RegExp} pattern @returns {Promise<void>} */
  output(pattern) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.file} did not start: ${this.#text.slice(-500)}`)), START_MS);
      this.#heard = () => {
        if (!pattern.test(this.#text)) return;
        clearTimeout(timer);
        this.#heard = undefined;
        resolve();
      };
      this.#heard();
    });
  }

  stop() {
    if (!running.delete(this)) return;
    this.process.kill('SIGKILL');
    this.clean();
  }

  /** @param {Buffer} text */
  #hear(text) {
    this.#text = (this.#text + text).slice(-10_000);
    this.#heard?.();
  }
}
