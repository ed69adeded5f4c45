// @ts-check
// A run must end, whatever hangs: a disk, a process, a bug. The watchdog looks at what moves (processes that start and end,
// records put, records on disk), and gives up when nothing has moved for too long, saying how far everything was.

import { Failure } from './failure.mjs';
import { count, duration, plural } from './format.mjs';

/**
 * How far a run is. Two that are equal mean that nothing has moved.
 * @typedef {object} Position
 * @property {number} put records put by all producers
 * @property {number} stored records on disk
 * @property {number} read bytes of standard input
 * @property {boolean} idle whether it is right that nothing moves: all is done, and standard input may bring more
 * @property {{ name: string, stage: import('./child.mjs').Stage }[]} processes
 */

/** It is looked so many times before it gives up. A program that was suspended misses looks, and is not blamed. */
const LOOKS = 20;

export class Watchdog {
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #patienceMs;
  #last = '';
  #unmoved = 0;

  /**
   * @param {number} patienceMs
   * @param {() => Position} position
   */
  constructor(patienceMs, position) {
    this.#patienceMs = patienceMs;
    /** Never fulfils; rejects with a Failure when nothing has moved for `patienceMs`. */
    this.stall = new Promise((_resolve, /** @type {(error: Failure) => void} */ reject) => {
      this.#timer = setInterval(() => this.#look(position(), reject), patienceMs / LOOKS);
    });
    this.stall.catch(() => {}); // whoever races with it will see it
  }

  stop() {
    clearInterval(this.#timer);
  }

  /**
   * @param {Position} position
   * @param {(error: Failure) => void} giveUp
   */
  #look(position, giveUp) {
    const now = JSON.stringify(position);
    this.#unmoved = now === this.#last && !position.idle ? this.#unmoved + 1 : 0;
    this.#last = now;
    if (this.#unmoved < LOOKS) return;
    this.stop();
    giveUp(new Failure(describe(position, this.#patienceMs)));
  }
}

/**
 * @param {Position} position
 * @param {number} patienceMs
 */
function describe({ put, stored, processes }, patienceMs) {
  const running = processes.filter(({ stage }) => stage !== 'ended');
  const shown = running.slice(0, 8).map(({ name, stage }) => `${name} (${stage})`);
  const more = running.length > shown.length ? [`and ${running.length - shown.length} more`] : [];
  return (
    `nothing has moved for ${duration(patienceMs)}: ${plural(put, 'record')} put, ${count(stored)} on disk; ` +
    `still running: ${[...shown, ...more].join(', ') || 'nothing'}`
  );
}
