// @ts-check
// The consumers of a run, one after the other: the first, and with --crash those that take the place of one that was killed. Each
// opens the log that the one before has left, listens at the same place under the same id, and goes on.

import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {import('./child.mjs').Child} Child */
/** @typedef {import('chaski/net-queue').Address} Address */

/**
 * @typedef {object} Listening what a consumer says when it is ready
 * @property {Address} address
 * @property {number[]} starts the offset behind the last record of each producer
 */

/** @typedef {{ records: number, bytes: number, again: number, delayMs: number, memory: number }} Report */

/** One that is to be killed works at least and at most so long before. */
const LEAST_MS = 100;
const MOST_MS = 500;

export class Consumers {
  #start;
  #onReport;
  #current;
  #killed = false;
  /** Those that are meant to fail. @type {WeakSet<Child>} */
  #unwatched = new WeakSet();
  /** What those before the current one have stored. */
  #before = { records: 0, bytes: 0, again: 0 };
  /** @type {Report} */
  #report = { records: 0, bytes: 0, again: 0, delayMs: 0, memory: 0 };
  /** @type {Listening | undefined} */
  #first;
  /** @type {(error: unknown) => void} */
  #fail = () => {};
  /** Rejects when a consumer fails that nobody killed. @type {Promise<never>} */
  failure;

  /**
   * Starts the first one.
   * @param {Address} place
   * @param {(place: Address) => Child} start
   * @param {(report: Report) => void} onReport what all of them have stored, several times a second
   */
  constructor(place, start, onReport) {
    this.#start = start;
    this.#onReport = onReport;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => {}); // whoever waits for something else hears of it
    this.#current = this.#watched(start(place));
  }

  get current() {
    return this.#current;
  }

  /** Records that all of them have stored, as far as they have told. */
  get records() {
    return this.#before.records + this.#report.records;
  }

  /** Records that came again after a crash, and were there already. */
  get again() {
    return this.#before.again + this.#report.again;
  }

  /** @returns {Promise<Listening>} */
  async listening() {
    return (this.#first = await this.#current.next('listening'));
  }

  /**
   * Kills one after the other, until it is told to stop.
   * @param {number} times
   * @param {AbortSignal} enough
   * @returns {Promise<number>} how often it came to that
   */
  async crash(times, enough) {
    for (let done = 0; done < times; done++) {
      const ms = LEAST_MS + Math.random() * (MOST_MS - LEAST_MS);
      await sleep(ms, undefined, { signal: enough }).catch(() => {});
      if (enough.aborted || this.#killed) return done;
      await this.#replace();
    }
    return times;
  }

  /** Has the last one end in order. @returns {Promise<import('./consumer.mjs').Stored>} */
  finish() {
    this.#current.send({ type: 'finish' });
    return this.#current.result;
  }

  /** Ends the current one now. No other takes its place. */
  async kill() {
    this.#killed = true;
    await this.#current.kill();
  }

  async #replace() {
    const { address, starts } = /** @type {Listening} */ (this.#first);
    const old = this.#current;
    this.#unwatched.add(old);
    await old.kill();
    const told = this.records;
    this.#before.bytes += this.#report.bytes;
    this.#before.again += this.#report.again;
    this.#report = { ...this.#report, records: 0, bytes: 0, again: 0 };
    if (this.#killed) return;
    this.#current = this.#watched(this.#start(address));
    const next = await this.#current.next('listening');
    // The one that was killed could not say what it had stored last; the log knows how many records. They are shown as if
    // they were as long as the others.
    const records = difference(next.starts, starts);
    if (told > 0) this.#before.bytes = Math.round(this.#before.bytes * (records / told));
    this.#before.records = records;
  }

  /** @param {Child} consumer */
  #watched(consumer) {
    consumer.on('progress', (/** @type {Report} */ report) => {
      this.#report = report;
      const { records, again } = this;
      this.#onReport({ ...report, records, again, bytes: this.#before.bytes + report.bytes });
    });
    consumer.result.catch((error) => {
      if (!this.#unwatched.has(consumer)) this.#fail(error);
    });
    return consumer;
  }
}

/**
 * Records from the offsets `starts` to the offsets `ends`.
 * @param {readonly number[]} ends
 * @param {readonly number[]} starts
 */
export function difference(ends, starts) {
  return ends.reduce((sum, end, share) => sum + end - (starts[share] ?? 0), 0);
}
