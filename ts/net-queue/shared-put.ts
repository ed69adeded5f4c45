// The promise that the puts of one slab share. A slab is one frame, and a peer that acknowledges what it received does so
// frame by frame: all of a slab settles at the same instant. So one native promise does for all, and awaiting it costs what
// awaiting a native promise costs, where any other thenable takes a job of its own each time.
import type { ChaskiError } from '../errors.ts';
import { later } from './reactions.ts';
import type { Reaction } from './reactions.ts';
import type { PutResult } from './types.ts';
import type { Waiting } from './waiters.ts';

export class SharedPut implements Waiting, Reaction {
  readonly first: number;
  /** The last message of the slab; known when the slab is handed over. */
  seq: number = Infinity;
  over: boolean = false;
  readonly result: PutResult;
  readonly #settled: { acked: boolean };
  #error: ChaskiError | undefined = undefined;
  #resolve: () => void = ignore;
  #reject: (error: ChaskiError) => void = ignore;

  /** `first` is the first message that it speaks for. */
  constructor(peer: string, first: number) {
    this.first = first;
    const promise = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Own properties, not a subclass: `await` takes the short way for what inherits from Promise.prototype directly.
    const futures = new Map([[peer, promise]]);
    const result = Object.assign(promise, { acked: false, futures, cancel: cannotCancel });
    this.result = result;
    this.#settled = result;
    // Nobody need look at it.
    promise.catch(ignore);
  }

  fulfil(): void {
    this.over = true;
    this.#settled.acked = true;
    later(this);
  }

  fail(error: ChaskiError): void {
    this.over = true;
    this.#error = error;
    later(this);
  }

  /** Not earlier: the puts before these have reactions to come. */
  react(): void {
    if (this.#error === undefined) this.#resolve();
    else this.#reject(this.#error);
  }
}

/** Nobody knows whose put it stands for, and others' must not be cancelled. */
function cannotCancel(): boolean {
  return false;
}

function ignore(): void {}
