// How long a consumer may go on before the event loop must turn.
import { performance } from 'node:perf_hooks';

/** Counts messages, and looks at the clock now and then. */
export class Budget {
  #messages = 0;
  #until = 0;

  /** A new turn has begun. */
  start(): void {
    this.#messages = 0;
    this.#until = performance.now() + turnMs;
  }

  /** Counts one message; true when the loop must turn. */
  spend(): boolean {
    const messages = (this.#messages += 1);
    return (messages & clockEvery) === 0 && this.#look(messages);
  }

  /** Counts so many messages; true when the loop must turn. */
  spendMany(count: number): boolean {
    return this.#look((this.#messages += count));
  }

  #look(messages: number): boolean {
    return messages >= turnMessages || performance.now() >= this.#until;
  }
}

const turnMs = 5;
const turnMessages = 4096;
/** The clock is looked at every 64 messages. */
const clockEvery = 63;
