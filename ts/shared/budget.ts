// How long a consumer may go on before the event loop must turn.
import { now } from './timers.ts';

/** Counts messages, and looks at the clock now and then. */
export class Budget {
  #messages = 0;
  /** 0 until somebody asks; the first turn begins then. */
  #until = 0;

  /** A new turn has begun. */
  start(): void {
    this.#messages = 0;
    this.#until = now() + turnMs;
  }

  /** How many messages may be given until the next grant; 0 when the loop must turn. */
  grant(): number {
    if (this.spendMany(0)) return 0;
    this.#messages += stretch;
    return stretch;
  }

  /** Counts one message; true when the loop must turn. */
  spend(): boolean {
    this.#messages += 1;
    return this.#messages % stretch === 0 && this.spendMany(0);
  }

  /** Counts so many messages; true when the loop must turn. */
  spendMany(count: number): boolean {
    this.#messages += count;
    if (this.#until === 0) this.start();
    return this.#messages >= turnMessages || now() >= this.#until;
  }
}

const turnMs = 5;
const turnMessages = 4096;
/** Messages between two looks at the clock. */
const stretch = 64;
