// Native's readers that have nothing to read now, and who waits for them.
import type { Hold } from './hold.ts';
import type { NativeLog } from './native-log.ts';

/** Is told when its reader has something, and when the log is closed. */
export interface Sleeper {
  wake(): void;
  end(): void;
}

interface Asleep {
  readonly sleeper: Sleeper;
  /** Something is on its way from the disk: it will not be long. */
  readonly reads: boolean;
}

export class Readers {
  readonly #log: NativeLog;
  readonly #hold: Hold;
  readonly #asleep: Map<number, Asleep> = new Map();
  readonly #ready: Uint32Array = new Uint32Array(256);

  constructor(log: NativeLog, hold: Hold) {
    this.#log = log;
    this.#hold = hold;
  }

  /** Nothing is there for `reader` now; `reads`: because it is being read from the disk. */
  sleep(reader: number, sleeper: Sleeper, reads: boolean): void {
    if (reads) this.#hold.begin();
    this.#asleep.set(reader, { sleeper, reads });
  }

  /** It is waited for no more, whatever may come. */
  forget(reader: number): void {
    this.#take(reader);
  }

  /** Some have something. */
  wake(): void {
    const ready = this.#ready;
    for (;;) {
      const n = this.#log.native.kaskaReady(this.#log.handle, ready);
      // Others may be ready by the time that these have been served.
      const numbers = ready.slice(0, Math.max(0, n));
      for (const number of numbers) this.#take(number)?.wake();
      if (n < ready.length) return;
    }
  }

  /** Nothing will come any more. */
  end(): void {
    const readers = [...this.#asleep.keys()];
    for (const reader of readers) this.#take(reader)?.end();
  }

  #take(reader: number): Sleeper | undefined {
    const asleep = this.#asleep.get(reader);
    this.#asleep.delete(reader);
    if (asleep?.reads === true) this.#hold.end();
    return asleep?.sleeper;
  }
}
