// Native's readers that have nothing to read now, and who waits for them.
import type { NativeLog } from './native-log.ts';

/** Is told when its reader has something, and when the log is closed. */
export interface Sleeper {
  wake(): void;
  end(): void;
}

export class Readers {
  readonly #log: NativeLog;
  readonly #asleep: Map<number, Sleeper> = new Map();
  readonly #ready: Uint32Array = new Uint32Array(256);

  constructor(log: NativeLog) {
    this.#log = log;
  }

  /** Nothing is there for `reader` now. */
  sleep(reader: number, sleeper: Sleeper): void {
    this.#asleep.set(reader, sleeper);
  }

  /** It is waited for no more, whatever may come. */
  forget(reader: number): void {
    this.#asleep.delete(reader);
  }

  /** Some have something. */
  wake(): void {
    const ready = this.#ready;
    for (;;) {
      const n = this.#log.native.kaskaReady(this.#log.handle, ready);
      // Others may be ready by the time that these have been served.
      const numbers = ready.slice(0, Math.max(0, n));
      for (const number of numbers) {
        const sleeper = this.#asleep.get(number);
        this.#asleep.delete(number);
        sleeper?.wake();
      }
      if (n < ready.length) return;
    }
  }

  /** Nothing will come any more. */
  end(): void {
    const sleepers = [...this.#asleep.values()];
    this.#asleep.clear();
    for (const sleeper of sleepers) sleeper.end();
  }
}
