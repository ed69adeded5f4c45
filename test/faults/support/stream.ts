// A stream of numbered messages and what became of each, seen from both ends.
import { setImmediate as turn } from 'node:timers/promises';

import type { ChaskiError, Communicator } from 'chaski/net-queue';

import { numbered } from '../../integration/net-queue/support/payloads.ts';
import type { Chance } from './chance.ts';

/** Puts numbered messages until it is told to stop, or until its queue ends, and keeps account of them. */
export class Putting {
  /** Messages put so far; they have the numbers from 0 on. */
  put = 0;
  /** The highest number that was acknowledged; -1: none. Acknowledgements come in order. */
  acknowledged = -1;
  /** The numbers of which the queue says that they surely did not arrive. */
  readonly undelivered: number[] = [];
  /** Codes of the errors that puts were rejected with. */
  readonly codes: Set<string> = new Set();
  /** When every put is settled. */
  readonly done: Promise<void>;
  readonly #queue: Communicator<Uint8Array>;
  readonly #settled: Promise<void>[] = [];
  #stopped = false;

  constructor(queue: Communicator<Uint8Array>, chance: Chance, most = Infinity) {
    this.#queue = queue;
    this.done = this.#run(chance, most);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(chance: Chance, most: number): Promise<void> {
    try {
      while (!this.#stopped && this.put < most && !this.#queue.closed) {
        if (this.#queue.needDrain) await this.#queue.writable();
        this.#putOne(chance);
        if (chance.next() < 0.02) await turn();
      }
    } catch (error) {
      this.codes.add((error as ChaskiError).code);
    }
    await Promise.all(this.#settled);
  }

  #putOne(chance: Chance): void {
    const number = this.put;
    const large = chance.next() < 0.002;
    const length = large ? chance.integer(65_000, 300_000) : chance.integer(8, 500);
    const result = this.#queue.put(numbered(number, length));
    this.put += 1;
    this.#settled.push(
      result.then(
        () => {
          this.acknowledged = Math.max(this.acknowledged, number);
        },
        (error: ChaskiError) => {
          this.codes.add(error.code);
          if (error.delivered === 'no') this.undelivered.push(number);
        },
      ),
    );
  }
}

/** What arrived, of each peer: in order, and once. */
export class Arrivals {
  readonly #next: Map<string, number> = new Map();
  /** Sentences about messages that came out of turn, or changed. */
  readonly wrong: string[] = [];

  take(peer: string, bytes: Uint8Array): void {
    const expected = this.of(peer);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const number = view.getFloat64(0, true);
    const filled = bytes.subarray(8).every((byte) => byte === (number & 0xff));
    if (number !== expected || !filled)
      this.wrong.push(`${peer}: ${number} instead of ${expected}`);
    this.#next.set(peer, expected + 1);
  }

  /** How many messages of a peer arrived. */
  of(peer: string): number {
    return this.#next.get(peer) ?? 0;
  }
}
