// @ts-check
// Child processes with a limit on memory and time. None outlives the runner.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const SAMPLE_MS = 50;
const PAGE = 4_096;
const RSS_LIMIT = 2 * 1024 ** 3;

/** @type {Set<import('node:child_process').ChildProcess>} */
const alive = new Set();
process.on('exit', killAll);
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(signal, () => process.exit(130));

export function killAll() {
  for (const child of alive) child.kill('SIGKILL');
}

/** A child process that speaks JSON lines, and its memory over time. */
export class Child {
  /** Bytes. */
  rssMax = 0;
  rss = 0;
  /** @type {(message: any) => void} */ #listener = () => {};
  #errors = '';

  /** @param {string} file @param {string[]} args @param {Record<string, string>} env */
  constructor(file, args, env) {
    this.process = spawn(file, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    alive.add(this.process);
    this.process.stdin.on('error', () => {});
    this.process.stderr.on('data', (text) => (this.#errors = (this.#errors + text).slice(-4_000)));
    createInterface({ input: this.process.stdout }).on('line', (line) => this.#heard(line));
    this.sampler = setInterval(() => this.sample(), SAMPLE_MS);
    this.process.on('error', (error) => this.#listener({ type: 'failed', message: String(error) }));
    this.process.on('exit', (code, signal) => {
      alive.delete(this.process);
      clearInterval(this.sampler);
      this.#listener({ type: 'exit', code, signal, message: this.#errors });
    });
  }

  /** @param {(message: any) => void} listener */
  listen(listener) {
    this.#listener = listener;
  }

  /** @param {object} message */
  say(message) {
    this.process.stdin.write(`${JSON.stringify(message)}\n`);
  }

  sample() {
    try {
      const pages = Number(readFileSync(`/proc/${this.process.pid}/statm`, 'utf8').split(' ')[1]);
      this.rss = pages * PAGE;
    } catch {
      return; // gone, or not Linux
    }
    this.rssMax = Math.max(this.rssMax, this.rss);
    if (this.rss > RSS_LIMIT) {
      this.#listener({
        type: 'failed',
        message: `more than ${RSS_LIMIT / 1024 ** 3} GiB of memory`,
      });
      this.kill();
    }
  }

  kill() {
    this.process.kill('SIGKILL');
  }

  /** @param {string} line */
  #heard(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      this.#errors += `${line}\n`;
      return;
    }
    this.#listener(message);
  }
}
