// What takes disk is asked for under a number, and answered by an event.
import type { NativeKaskaEvent } from '../binding/index.ts';
import type { ChaskiError } from '../errors.ts';
import { fromNative } from './failures.ts';
import type { Hold } from './hold.ts';
import type { NativeLog } from './native-log.ts';

interface Asker {
  readonly resolve: (answer: NativeKaskaEvent) => void;
  readonly reject: (error: ChaskiError) => void;
}

export class Requests {
  readonly #log: NativeLog;
  readonly #hold: Hold;
  readonly #askers: Map<number, Asker> = new Map();
  #latest = 0;

  constructor(log: NativeLog, hold: Hold) {
    this.#log = log;
    this.#hold = hold;
  }

  /** Has `call` ask under a number that it is given; resolves with the answer. */
  ask(call: (request: number) => number): Promise<NativeKaskaEvent> {
    return new Promise((resolve, reject) => {
      this.#latest += 1;
      const request = this.#latest;
      this.#askers.set(request, { resolve, reject });
      this.#hold.begin();
      try {
        const code = call(request);
        if (code < 0) this.#take(request)?.reject(this.#log.failure(code));
      } catch (error) {
        this.#take(request);
        throw error;
      }
    });
  }

  answer(event: NativeKaskaEvent): void {
    const asker = this.#take(event.request ?? 0);
    if (event.code === undefined) asker?.resolve(event);
    else asker?.reject(fromNative(event));
  }

  /** Nobody will answer. */
  lose(error: ChaskiError): void {
    for (const request of this.#askers.keys()) this.#take(request)?.reject(error);
  }

  #take(request: number): Asker | undefined {
    const asker = this.#askers.get(request);
    if (this.#askers.delete(request)) this.#hold.end();
    return asker;
  }
}
