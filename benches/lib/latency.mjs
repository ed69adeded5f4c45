// @ts-check
// Latencies in an HdrHistogram (the one built into Node), in nanoseconds, and the stamp that a paced message carries.
import { createHistogram } from 'node:perf_hooks';

/** Where the stamp lies in a message. */
const STAMP = 1;
/** `performance.now()` counts from another origin in every process; the monotonic clock below it is one for the machine. */
const ORIGIN = Math.min(
  ...Array.from({ length: 50 }, () => -(performance.now() - Number(process.hrtime.bigint()) / 1e6)),
);

/** Milliseconds of the machine's monotonic clock. */
export function now() {
  return performance.now() + ORIGIN;
}

/** @param {Uint8Array} message @param {number} intended */
export function stamp(message, intended) {
  new DataView(message.buffer, message.byteOffset).setFloat64(STAMP, intended, true);
}

export class Latencies {
  #histogram = createHistogram({ lowest: 1, highest: 60e9, figures: 3 });

  /** @param {number} ms */
  record(ms) {
    this.#histogram.record(Math.max(1, Math.round(ms * 1e6)));
  }

  /** @param {Uint8Array} view @param {boolean} timed */
  arrived(view, timed) {
    if (!timed) return;
    this.record(
      now() - new DataView(view.buffer, view.byteOffset, view.byteLength).getFloat64(STAMP, true),
    );
  }

  /** In microseconds. */
  summary() {
    if (this.#histogram.count === 0) return undefined;
    const us = (/** @type {number} */ q) => Math.round(this.#histogram.percentile(q) / 100) / 10;
    return {
      count: this.#histogram.count,
      p50: us(50),
      p90: us(90),
      p99: us(99),
      p999: us(99.9),
      max: Math.round(this.#histogram.max / 100) / 10,
    };
  }
}
