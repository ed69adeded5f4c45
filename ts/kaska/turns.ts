// Lets the event loop turn: what is done at once would otherwise be awaited, and begun again, for ever.
import { now, setImmediate } from '../shared/timers.ts';

export class Turns {
  /** When the loop must turn; 0: nothing was done since it has. */
  #until = 0;

  /** Whether the loop has not turned for too long. */
  get due(): boolean {
    if (this.#until === 0) {
      this.#until = now() + turnMs;
      setImmediate(() => {
        this.#until = 0;
      });
      return false;
    }
    return now() >= this.#until;
  }

  /** Resolves when the loop has turned, if that is due. */
  async pause(): Promise<void> {
    if (!this.due) return;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

const turnMs = 5;
