// @ts-check
// What one process used: time, CPU of the process, CPU of its JavaScript thread, memory, event-loop delay.
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** @typedef {{ at: number, count: number, cpu: number, jsCpu: number }} Mark seconds, messages, seconds, seconds */

/** CPU seconds of the thread that calls, or NaN where the system does not tell. */
export function threadCpu() {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 1)[0]) / 1e9;
  } catch {
    return Number.NaN;
  }
}

/** @param {number} count @returns {Mark} */
export function mark(count) {
  const { user, system } = process.cpuUsage();
  const jsCpu = threadCpu();
  // Two halves in one process: each counts its own thread.
  return {
    at: performance.now() / 1e3,
    count,
    cpu: isMainThread ? (user + system) / 1e6 : jsCpu,
    jsCpu,
  };
}

/** @param {Mark} from @param {Mark} to */
export function difference(from, to) {
  return {
    seconds: to.at - from.at,
    count: to.count - from.count,
    cpu: to.cpu - from.cpu,
    jsCpu: to.jsCpu - from.jsCpu,
  };
}

/** Event-loop delay at a resolution of 1 ms, in milliseconds. An idle process shows about 1: the timer itself. */
export class LoopDelay {
  #histogram = monitorEventLoopDelay({ resolution: 1 });

  start() {
    this.#histogram.enable();
    this.#histogram.reset();
  }

  stop() {
    this.#histogram.disable();
    const ms = (/** @type {number} */ ns) => Math.round(ns / 1e4) / 100;
    return {
      p50: ms(this.#histogram.percentile(50)),
      p99: ms(this.#histogram.percentile(99)),
      max: ms(this.#histogram.max),
    };
  }
}
