// @ts-check
// What the screen shows, out of what the processes report several times a second: sums, rates over the last two seconds, and the
// distribution of round trips.

import { createHistogram } from 'node:perf_hooks';

/**
 * @typedef {object} Snapshot
 * @property {number} elapsedMs since the producers were let go
 * @property {number} records on disk and acknowledged
 * @property {number} bytes
 * @property {number} recordsPerSecond lately
 * @property {number} bytesPerSecond
 * @property {number} queued records put and not acknowledged yet
 * @property {number} samples round trips measured
 * @property {number} p50Ms round trip, from put() to the acknowledgement after fsync
 * @property {number} p99Ms
 * @property {number} delayMs 99th percentile of the consumer's event-loop delay, lately
 * @property {number} worstDelayMs the highest that it has been
 * @property {number} memory of the consumer
 * @property {readonly number[]} history records a second, one number a report
 */

/** @typedef {{ at: number, records: number, bytes: number }} Point */

const WINDOW_MS = 2000;
const HISTORY = 200;

export class Meter {
  #start = 0;
  #end = 0;
  /** @type {number[]} by share */
  #queued = [];
  /** @type {Point} */
  #last = { at: 0, records: 0, bytes: 0 };
  /** @type {Point[]} the last two seconds */
  #window = [];
  #delayMs = 0;
  #worstDelayMs = 0;
  #memory = 0;
  /** @type {number[]} */
  #history = [];
  #roundTrips = createHistogram();

  /** @param {() => number} [now] milliseconds */
  constructor(now = () => performance.now()) {
    this.now = now;
  }

  start() {
    this.#start = this.now();
    this.#last = { at: this.#start, records: 0, bytes: 0 };
    this.#window = [this.#last];
  }

  stop() {
    this.#end = this.now();
  }

  /**
   * @param {number} share
   * @param {{ queued: number, roundTrips: number[] }} report
   */
  produced(share, { queued, roundTrips }) {
    this.#queued[share] = queued;
    for (const ms of roundTrips) this.#roundTrips.record(Math.max(1, Math.round(ms * 1000)));
  }

  /** @param {{ records: number, bytes: number, delayMs: number, memory: number }} report */
  consumed({ records, bytes, delayMs, memory }) {
    this.#memory = memory;
    if (this.#start === 0) return;
    this.#delayMs = delayMs;
    this.#worstDelayMs = Math.max(this.#worstDelayMs, delayMs);

    const before = this.#last;
    const at = this.now();
    this.#last = { at, records, bytes };
    this.#window.push(this.#last);
    while (at - (this.#window[0]?.at ?? at) > WINDOW_MS) this.#window.shift();
    this.#history.push(rate(before, this.#last, 'records'));
    if (this.#history.length > HISTORY) this.#history.shift();
  }

  /** @returns {Snapshot} */
  snapshot() {
    const last = this.#last;
    const first = this.#window[0] ?? last;
    const measured = this.#roundTrips.count > 0;
    return {
      elapsedMs: this.#start === 0 ? 0 : (this.#end || this.now()) - this.#start,
      records: last.records,
      bytes: last.bytes,
      recordsPerSecond: rate(first, last, 'records'),
      bytesPerSecond: rate(first, last, 'bytes'),
      queued: this.#queued.reduce((sum, queued) => sum + queued, 0),
      samples: this.#roundTrips.count,
      p50Ms: measured ? this.#roundTrips.percentile(50) / 1000 : 0,
      p99Ms: measured ? this.#roundTrips.percentile(99) / 1000 : 0,
      delayMs: this.#delayMs,
      worstDelayMs: this.#worstDelayMs,
      memory: this.#memory,
      history: this.#history,
    };
  }
}

/**
 * Growth a second.
 * @param {Point} from
 * @param {Point} to
 * @param {'records' | 'bytes'} of
 */
function rate(from, to, of) {
  return ((to[of] - from[of]) * 1000) / Math.max(1, to.at - from.at);
}
