// What put() returns. It is a promise in all but cost: two fields until somebody looks.
import { ChaskiError } from '../errors.ts';
import { cancelled, cancelledInPart, ofPart } from './failures.ts';
import type { Peer } from './peer.ts';
import type { PutResult } from './types.ts';
import { Waiter } from './waiters.ts';

/** Where a result learns of acknowledgements. */
export interface Watch {
  /** Makes sure that an acknowledgement wakes those who wait. */
  watch(peer: Peer): void;
  /** Asks what has been acknowledged by now. */
  refresh(peer: Peer): void;
  /** Takes back those of the messages first to last that were not sent: the last ones. How many. */
  cancel(peer: Peer, first: number, last: number): number;
}

/** A result that can be a part of another. */
export interface PartResult extends PutResult {
  /** Whether any of its messages has arrived, or may arrive yet, as far as is known. */
  readonly mayArrive: boolean;
}

/** A message, or some in a row, put to one peer. */
export class SentResult implements PartResult {
  readonly #watch: Watch;
  readonly #peer: Peer;
  readonly #first: number;
  readonly #last: number;
  /** Why not all of it will be acknowledged, if it was cancelled. */
  #cancelled: ChaskiError | undefined = undefined;

  constructor(watch: Watch, peer: Peer, first: number, last: number) {
    this.#watch = watch;
    this.#peer = peer;
    this.#first = first;
    this.#last = last;
  }

  get [Symbol.toStringTag](): string {
    return 'Promise';
  }

  get acked(): boolean {
    let outcome = this.#outcome;
    if (outcome === 'pending') {
      // Nobody may be watching, and then acknowledgements are counted by native alone.
      this.#watch.refresh(this.#peer);
      outcome = this.#outcome;
    }
    return outcome === undefined;
  }

  get mayArrive(): boolean {
    const outcome = this.#outcome;
    return outcome === undefined || outcome === 'pending' || outcome.delivered !== 'no';
  }

  get futures(): ReadonlyMap<string, Promise<void>> {
    return new Map([[this.#peer.id, this]]);
  }

  cancel(): boolean {
    const peer = this.#peer;
    const first = this.#first;
    const last = this.#last;
    if (this.#outcome === 'pending') {
      const count = this.#watch.cancel(peer, first, last);
      if (count > 0) {
        const all = count > last - first;
        const reason = all ? cancelled(peer.id) : cancelledInPart(peer.id);
        this.#cancelled = reason;
        // Before others learn that nothing more is waited for.
        peer.waiters.withdraw(first, last, (waiter) => {
          waiter.fail(reason);
        });
        peer.settle();
      }
    }
    return this.#cancelled?.delivered === 'no';
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise.
  then<A = void, B = never>(
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const outcome = this.#outcome;
    if (outcome === 'pending') {
      const waiter = new Waiter<A | B>(this.#first, this.#last, onFulfilled, onRejected);
      this.#peer.waiters.add(waiter);
      this.#watch.watch(this.#peer);
      return waiter;
    }
    if (outcome === undefined) return fulfilled.then(onFulfilled, onRejected);
    return Promise.reject<void>(outcome).then(onFulfilled, onRejected);
  }

  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<void | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<void> {
    return this.then(undefined, undefined).finally(onFinally);
  }

  get #outcome(): 'pending' | ChaskiError | undefined {
    return this.#cancelled ?? this.#peer.outcome(this.#first, this.#last);
  }
}

/** Messages in a row, among which are those of somebody else. */
export class JointResult extends SentResult {
  override cancel(): boolean {
    return false;
  }
}

/** A message that was not sent. Its error is made when somebody looks. */
export class RefusedResult implements PartResult {
  readonly #peer: string;
  readonly #reason: () => ChaskiError;

  constructor(peer: string, reason: () => ChaskiError) {
    this.#peer = peer;
    this.#reason = reason;
  }

  get [Symbol.toStringTag](): string {
    return 'Promise';
  }

  get acked(): boolean {
    return false;
  }

  get mayArrive(): boolean {
    return this.#reason().delivered !== 'no';
  }

  get futures(): ReadonlyMap<string, Promise<void>> {
    return this.#peer === '' ? new Map() : new Map([[this.#peer, this]]);
  }

  cancel(): boolean {
    return false;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise.
  then<A = void, B = never>(
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return Promise.reject<void>(this.#reason()).then(onFulfilled, onRejected);
  }

  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<void | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<void> {
    return this.then(undefined, undefined).finally(onFinally);
  }
}

/** A message put to many peers. What refused one of them says little of the others, so the whole may have arrived. */
export class ManyResult implements PartResult {
  readonly #ids: readonly string[];
  readonly #parts: readonly PartResult[];

  /** `parts[i]` is the result towards `ids[i]`. */
  constructor(ids: readonly string[], parts: readonly PartResult[]) {
    this.#ids = ids;
    this.#parts = parts;
  }

  get [Symbol.toStringTag](): string {
    return 'Promise';
  }

  get acked(): boolean {
    return this.#parts.every((part) => part.acked);
  }

  get mayArrive(): boolean {
    return this.#parts.some((part) => part.mayArrive);
  }

  get futures(): ReadonlyMap<string, Promise<void>> {
    return new Map(this.#ids.map((id, i) => [id, this.#parts[i] as Promise<void>]));
  }

  cancel(): boolean {
    let any = false;
    for (const part of this.#parts) if (part.cancel()) any = true;
    return any && !this.mayArrive;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise.
  then<A = void, B = never>(
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#all().then(onFulfilled, onRejected);
  }

  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<void | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<void> {
    return this.#all().finally(onFinally);
  }

  async #all(): Promise<void> {
    try {
      await Promise.all(this.#parts);
    } catch (error) {
      throw ChaskiError.is(error) && this.mayArrive ? ofPart(error) : error;
    }
  }
}

const fulfilled: Promise<void> = Promise.resolve();
