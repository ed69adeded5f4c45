import { ChaskiError } from '../../errors.ts';
import { failed } from '../failed.ts';
import type { Budget } from './budget.ts';
import type { Global } from './globals.ts';

/** An object that a pickle has begun: its decoder is asked when nothing more can come to it. */
export class Pending {
  readonly items: unknown[] = [];
  readonly entries: unknown[] = [];
  readonly #global: Global;
  readonly #args: readonly unknown[];
  readonly #budget: Budget;
  #done: boolean = false;
  #value: unknown = undefined;

  constructor(global: Global, args: readonly unknown[], budget: Budget) {
    this.#global = global;
    this.#args = args;
    this.#budget = budget;
  }

  get done(): boolean {
    return this.#done;
  }

  /** @throws ChaskiError `ERR_CHASKI_CODEC`. */
  value(state?: unknown): unknown {
    if (this.#done) return this.#value;
    const { decode, name } = this.#global;
    const { items, entries } = this;
    try {
      this.#value = decode({ args: this.#args, state, items, entries, budget: this.#budget });
    } catch (error) {
      if (ChaskiError.is(error)) throw error;
      throw failed('decode', `the decoder of '${name}' threw`, error);
    }
    this.#done = true;
    return this.#value;
  }
}
