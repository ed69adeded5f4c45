// Chance that can be repeated: everything follows from one seed, which `npm run test:faults` prints. The same seed makes the
// same choices again; what the system does between them is its own affair.

/** CHASKI_SEED, or one of this run. */
const seed: number = Number(process.env['CHASKI_SEED'] || Date.now() % 1_000_000);

export class Chance {
  #state: number;

  /** The same `name` has the same chances under the same seed, that of the run unless another is given. */
  constructor(name: string, from: number = seed) {
    this.#state = from;
    for (let i = 0; i < name.length; i += 1) {
      this.#state = Math.imul(this.#state ^ name.charCodeAt(i), 0x0100_0193);
    }
  }

  /** A number from 0 up to 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }
}
