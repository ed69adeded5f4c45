// Those who look at a put before it is acknowledged. Only looking costs: one small object, no promise unless somebody
// chains on it.
import type { ChaskiError } from '../errors.ts';
import { later } from './reactions.ts';
import type { Reaction } from './reactions.ts';

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
  /** They are acknowledged. Calls nobody's callback before the call under way has ended. */
  fulfil(): void;
  /** They never will be; the same. */
  fail(error: ChaskiError): void;
}

/**
 * What `then()` of a put returns: a promise that becomes a real one when somebody chains on it. `await` and
 * `Promise.all` pass their own callbacks and drop it, so for them it never does.
 */
export class Waiter<R = void> implements Promise<R>, Waiting, Reaction {
  /** Settles when every message up to this one is acknowledged. */
  readonly seq: number;
  /** The first message it speaks for. */
  readonly first: number;
  over: boolean = false;
  readonly #onFulfilled: OnFulfilled;
  readonly #onRejected: OnRejected;
  /** Why the messages will not be acknowledged. */
  #error: ChaskiError | undefined = undefined;
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

  fulfil(): void {
    this.over = true;
    later(this);
  }

  fail(error: ChaskiError): void {
    this.over = true;
    this.#error = error;
    later(this);
  }

  /** What a callback throws rejects this promise. */
  react(): void {
    const error = this.#error;
    const callback = error === undefined ? this.#onFulfilled : this.#onRejected;
    if (typeof callback !== 'function') {
      this.#settle(error === undefined ? 'fulfilled' : 'rejected', error);
      return;
    }
    let value: unknown;
    try {
      value = (callback as (value: unknown) => unknown)(error);
    } catch (thrown) {
      this.#settle('rejected', thrown);
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
  /** Those that came out of order, before the last of the ring. They are sorted in when one of them may be due. */
  #late: Waiting[] = [];
  /** What the first of those waits for. */
  #lateFirst = Infinity;

  /** What the first of them waits for; Infinity when there is none. */
  get first(): number {
    while (this.#ring[this.#head]?.over === true) this.#head += 1;
    return Math.min(this.#ring[this.#head]?.seq ?? Infinity, this.#lateFirst);
  }

  add(waiter: Waiting): void {
    const last = this.#ring.at(-1);
    if (last !== undefined && waiter.seq < last.seq && this.#head < this.#ring.length) {
      this.#late.push(waiter);
      this.#lateFirst = Math.min(this.#lateFirst, waiter.seq);
    } else {
      this.#ring.push(waiter);
    }
  }

  /** Takes those whose messages are all acknowledged up to `seq` and calls `settle` with each, in order. */
  take(seq: number, settle: (waiter: Waiting) => void): void {
    if (this.#lateFirst <= seq) this.#sortIn();
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
    if (this.#late.length > 0) this.#sortIn();
    const ring = this.#ring;
    let beyond = Infinity;
    for (let i = this.#from(first); i < ring.length; i += 1) {
      const waiter = ring[i] as Waiting;
      if (waiter.seq > beyond) break;
      if (waiter.first > last) beyond = waiter.seq;
      else if (!waiter.over) {
        settle(waiter);
        this.#removed += 1;
      }
    }
    if (this.#removed > 1024 && this.#removed * 2 > this.#ring.length) this.#compact();
  }

  /** Takes those that speak for first to last and nothing else. */
  withdraw(first: number, last: number, settle: (waiter: Waiting) => void): void {
    if (this.#late.length > 0) this.#sortIn();
    const ring = this.#ring;
    for (let i = this.#from(last); i < ring.length; i += 1) {
      const waiter = ring[i] as Waiting;
      if (waiter.seq > last) break;
      if (waiter.first === first && !waiter.over) {
        settle(waiter);
        this.#removed += 1;
      }
    }
    if (this.#removed > 1024 && this.#removed * 2 > ring.length) this.#compact();
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

  /** Behind those that wait for the same message: they came before. */
  #sortIn(): void {
    const late = this.#late;
    this.#late = [];
    this.#lateFirst = Infinity;
    if (late.length <= 8) {
      for (const waiter of late) this.#ring.splice(this.#from(waiter.seq + 1), 0, waiter);
    } else {
      this.#ring = [...this.#ring.slice(this.#head), ...late].sort((a, b) => a.seq - b.seq);
      this.#head = 0;
    }
  }

  #compact(): void {
    this.#ring = this.#ring.slice(this.#head).filter((waiter) => !waiter.over);
    this.#head = 0;
    this.#removed = 0;
  }
}
