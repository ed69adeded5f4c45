// `for await` over messages and over batches. Steps are answered at once while something is there.
import type { ChaskiError } from '../errors.ts';
import { showAs } from '../shared/shown.ts';
import { setImmediate } from '../shared/timers.ts';
import { Budget } from './budget.ts';
import type { Delivery } from './arena.ts';
import type { ReceivedBatch } from './batch.ts';
import { busy } from './failures.ts';
import type { Inbox } from './inbox.ts';
import { ReceivedMessage } from './message.ts';
import type { GivenMessage } from './message.ts';
import type { Want } from './wants.ts';

/** What an iterator gives: messages, or batches. */
interface Step {
  ack(): void;
  /** What of it can be delivered again. */
  delivery(): Delivery;
}

/** What messages and batches do alike: waiting, yielding to the loop, ending, acknowledging what was processed. */
abstract class Steps<T, S extends Step> implements AsyncIterableIterator<S> {
  protected readonly inbox: Inbox<T>;
  protected readonly budget: Budget = new Budget();
  protected readonly ackProcessed: boolean;
  /** With ack 'processed': given last, and acknowledged when the next one is asked for: then its body has ended. */
  protected last: S | undefined = undefined;
  /** The latest step that has not been answered; those after it wait in line. */
  protected tail: Promise<IteratorResult<S>> | undefined = undefined;
  #waiting: Want<T> | undefined = undefined;
  #finish: ((result: IteratorResult<S>) => void) | undefined = undefined;
  protected over: boolean = false;

  static {
    showAs(this, 'Iteration', ({ over }) => ({ over }));
  }

  constructor(inbox: Inbox<T>, ackProcessed: boolean) {
    this.inbox = inbox;
    this.ackProcessed = ackProcessed;
    this.budget.start();
  }

  next(): Promise<IteratorResult<S>> {
    return this.tail === undefined ? this.step() : this.#queue(this.tail);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends this iteration only. What it had not given stays for others, and so does what it gave last, unless it is settled. */
  return(): Promise<IteratorResult<S>> {
    this.over = true;
    const { last } = this;
    this.last = undefined;
    if (last !== undefined) this.inbox.giveBack(last.delivery());
    if (this.#waiting !== undefined) this.inbox.giveUp(this.#waiting);
    this.#finish?.(finished);
    return Promise.resolve(finished);
  }

  /** The same as `return()`, but rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<S>> {
    void this.return();
    return Promise.reject(error);
  }

  protected abstract step(): Promise<IteratorResult<S>>;
  /** Messages of a batch; 0 for single messages. */
  protected abstract readonly max: number;

  /** Acknowledges the step before. */
  protected passed(): void {
    this.last?.ack();
    this.last = undefined;
  }

  /** Answers a step that cannot be answered at once. */
  protected later(turn: boolean): Promise<IteratorResult<S>> {
    const promise = new Promise<IteratorResult<S>>((resolve, reject) => {
      const answer = (result: IteratorResult<S>): void => {
        this.#finish = undefined;
        this.#waiting = undefined;
        this.budget.start();
        if (result.done !== true && this.ackProcessed) this.last = result.value;
        resolve(result);
      };
      this.#finish = answer;
      const wait = (): void => {
        const give = (step: unknown): void => {
          answer({ value: step as S, done: false });
        };
        const want: Want<T> = {
          peer: undefined,
          max: this.max,
          over: false,
          place: 0,
          onMessage: give,
          onBatch: give,
          onEnd: (error: ChaskiError | undefined) => {
            this.over = true;
            if (error === undefined) {
              answer(finished);
              return;
            }
            this.#finish = undefined;
            this.#waiting = undefined;
            reject(error);
          },
        };
        this.#waiting = want;
        this.inbox.want(want);
      };
      if (turn) {
        setImmediate(() => {
          if (this.over) return;
          if (this.inbox.reserved) {
            this.#finish = undefined;
            reject(taken());
          } else {
            wait();
          }
        });
      } else {
        wait();
      }
    });
    if (this.tail === undefined) this.#line(promise);
    return promise;
  }

  #queue(tail: Promise<unknown>): Promise<IteratorResult<S>> {
    const step = (): Promise<IteratorResult<S>> => this.step();
    const promise = tail.then(step, step);
    this.#line(promise);
    return promise;
  }

  #line(promise: Promise<IteratorResult<S>>): void {
    this.tail = promise;
    const leave = (): void => {
      if (this.tail === promise) this.tail = undefined;
    };
    promise.then(leave, leave);
  }
}

export class MessageIterator<T> extends Steps<T, GivenMessage<T>> {
  protected override readonly max: number = 0;
  /** Steps before the next look at the budget. */
  #granted = 0;

  override next(): Promise<IteratorResult<GivenMessage<T>>> {
    const { inbox } = this;
    const at = inbox.cursor;
    // Nobody waits in line, the loop need not turn, and there is something: nothing else to do for most messages.
    if (at < inbox.sharing && this.#granted > 0 && this.tail === undefined) {
      if (this.last !== undefined) this.passed();
      this.#granted -= 1;
      inbox.cursor = at + 1;
      const value = new ReceivedMessage<T>(inbox.batch as ReceivedBatch<T>, at);
      if (this.ackProcessed) this.last = value;
      return Promise.resolve({ value, done: false });
    }
    return super.next();
  }

  override return(): Promise<IteratorResult<GivenMessage<T>>> {
    this.#granted = 0;
    return super.return();
  }

  protected step(): Promise<IteratorResult<GivenMessage<T>>> {
    if (this.last !== undefined) this.passed();
    if (this.over) return Promise.resolve(finished);
    if (this.inbox.reserved) return Promise.reject(taken());
    if (this.#granted === 0) {
      this.#granted = this.budget.grant();
      if (this.#granted === 0) return this.later(true);
    }
    const message = this.inbox.take();
    if (message === undefined) return this.later(false);
    this.#granted -= 1;
    if (this.ackProcessed) this.last = message;
    return Promise.resolve({ value: message, done: false });
  }
}

export class BatchIterator<T> extends Steps<T, ReceivedBatch<T>> {
  protected override readonly max: number;

  constructor(inbox: Inbox<T>, ackProcessed: boolean, max: number) {
    super(inbox, ackProcessed);
    this.max = max;
  }

  protected step(): Promise<IteratorResult<ReceivedBatch<T>>> {
    if (this.last !== undefined) this.passed();
    if (this.over) return Promise.resolve(finished);
    if (this.inbox.reserved) return Promise.reject(taken());
    if (this.budget.spendMany(0)) return this.later(true);
    const batch = this.inbox.takeBatch(this.max);
    if (batch === undefined) return this.later(false);
    this.budget.spendMany(batch.length);
    if (this.ackProcessed) this.last = batch;
    return Promise.resolve({ value: batch, done: false });
  }
}

function taken(): ChaskiError {
  return busy('Iteration', 'a subscription');
}

const finished: IteratorReturnResult<undefined> = { value: undefined, done: true };
