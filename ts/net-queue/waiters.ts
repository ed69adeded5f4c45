// Those who look at a put before it is acknowledged. Only looking costs: one small object, no promise unless somebody
// chains on it.
import type { ChaskiError } from '../errors.ts';

type OnFulfilled = ((value: void) => unknown) | null | undefined;
type OnRejected = ((reason: unknown) => unknown) | null | undefined;

/** Somebody who waits until messages first to seq of a peer are acknowledged. */
export interface Waiting {
  /** The first message it speaks for. */
  readonly first: number;
  /** Settles when every message up to this one is acknowledged. */
  readonly seq: number;
  /** It has settled. */
  readonly over: boolean;
  /** They are acknowledged. Never throws. */
  fulfil(): void;
  /** They never will be. Never throws. */
  fail(error: ChaskiError): void;
}

/**
 * What `then()` of a put returns: a promise that becomes a real one when somebody chains on it. `await` and
 * `Promise.all` pass their own callbacks and drop it, so for them it never does.
 */
export class Waiter<R = void> implements Promise<R>, Waiting {
  /** Settles when every message up to this one is acknowledged. */
  readonly seq: number;
  /** The first message it speaks for. */
  readonly first: number;
  readonly #onFulfilled: OnFulfilled;
  readonly #onRejected: OnRejected;
  #state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  #value: unknown = undefined;
  #promise: Promise<unknown> | undefined = undefined;
  #resolve: ((value: unknown) => void) | undefined = undefined;
  #reject: ((reason: unknown) => void) | undefined = undefined;

  constructor(first: number, seq: number, onFulfilled: OnFulfilled, onRejected: OnRejected) {
    this.first = first;
    this.seq = seq;
    this.#onFulfilled = onFulfilled;
    this.#onRejected = onRejected;
  }

  get [Symbol.toStringTag](): string {
    return 'Promise';
  }

  /** It is fulfilled or has failed. */
  get over(): boolean {
    return this.#state !== 'pending';
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise.
  then<A = R, B = never>(
    onFulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return (this.#real() as Promise<R>).then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<R | B> {
    return (this.#real() as Promise<R>).catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<R> {
    return (this.#real() as Promise<R>).finally(onFinally);
  }

  /** Never throws: what a callback throws rejects this promise. */
  fulfil(): void {
    const callback = this.#onFulfilled;
    if (typeof callback !== 'function') {
      this.#settle('fulfilled', undefined);
      return;
    }
    let value: unknown;
    try {
      value = callback(undefined);
    } catch (error) {
      this.#settle('rejected', error);
      return;
    }
    this.#settle('fulfilled', value);
  }

  /** Never throws. */
  fail(error: ChaskiError): void {
    const callback = this.#onRejected;
    if (typeof callback !== 'function') {
      this.#settle('rejected', error);
      return;
    }
    let value: unknown;
    try {
      value = callback(error);
    } catch (error_) {
      this.#settle('rejected', error_);
      return;
    }
    this.#settle('fulfilled', value);
  }

  #settle(state: 'fulfilled' | 'rejected', value: unknown): void {
    this.#state = state;
    this.#value = value;
    if (state === 'fulfilled') this.#resolve?.(value);
    // A rejection that nobody chained on is Node's to report, as with any promise.
    else if (this.#reject === undefined) void this.#real();
    else this.#reject(value);
  }

  #real(): Promise<unknown> {
    if (this.#promise === undefined) {
      if (this.#state === 'fulfilled') this.#promise = Promise.resolve(this.#value);
      else if (this.#state === 'rejected') this.#promise = Promise.reject(this.#value);
      else {
        this.#promise = new Promise((resolve, reject) => {
          this.#resolve = resolve;
          this.#reject = reject;
        });
      }
    }
    return this.#promise;
  }
}

/** The waiters of one peer, by sequence number. What they speak for never overlaps, unless it ends with the same message. */
export class Waiters {
  /** In order; those that were removed stay until they are many. */
  #ring: Waiting[] = [];
  #head = 0;
  #removed = 0;

  /** What the first of them waits for; Infinity when there is none. */
  get first(): number {
    while (this.#ring[this.#head]?.over === true) this.#head += 1;
    return this.#ring[this.#head]?.seq ?? Infinity;
  }

  add(waiter: Waiting): void {
    const ring = this.#ring;
    let at = ring.length;
    while (at > this.#head && (ring[at - 1] as Waiting).seq > waiter.seq) at -= 1;
    if (at === ring.length) ring.push(waiter);
    else ring.splice(at, 0, waiter);
  }

  /** Takes those whose messages are all acknowledged up to `seq` and calls `settle` with each, in order. */
  take(seq: number, settle: (waiter: Waiting) => void): void {
    for (;;) {
      const waiter = this.#ring[this.#head];
      if (waiter === undefined || waiter.seq > seq) break;
      this.#head += 1;
      if (!waiter.over) settle(waiter);
    }
    if (this.#head === this.#ring.length) {
      this.#ring = [];
      this.#head = 0;
      this.#removed = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#ring.length) {
      this.#compact();
    }
  }

  /** Takes those that speak for any message of first to last; what it costs does not depend on how many others there are. */
  remove(first: number, last: number, settle: (waiter: Waiting) => void): void {
    const ring = this.#ring;
    const hit: Waiting[] = [];
    let beyond = Infinity;
    for (let i = this.#from(first); i < ring.length; i += 1) {
      const waiter = ring[i] as Waiting;
      if (waiter.seq > beyond) break;
      if (waiter.first > last) beyond = waiter.seq;
      else if (!waiter.over) hit.push(waiter);
    }
    for (const waiter of hit) settle(waiter);
    this.#removed += hit.length;
    if (this.#removed > 1024 && this.#removed * 2 > this.#ring.length) this.#compact();
  }

  /** Where those begin that wait for `seq` or later. */
  #from(seq: number): number {
    let low = this.#head;
    let high = this.#ring.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ring[middle] as Waiting).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compact(): void {
    this.#ring = this.#ring.slice(this.#head).filter((waiter) => !waiter.over);
    this.#head = 0;
    this.#removed = 0;
  }
}
