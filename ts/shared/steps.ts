// `for await` over what comes in its time. Steps are answered at once while something is there.
import { Budget } from './budget.ts';
import { setImmediate } from './timers.ts';

/** Who waits for a step is told by these, at most once. */
export interface Waiter<S> {
  readonly give: (step: S) => void;
  /** Nothing more will come; with an error, because of that. */
  readonly end: (error?: Error) => void;
}

/** What iterations do alike: waiting, yielding to the loop, ending. */
export abstract class Steps<S> implements AsyncIterableIterator<S> {
  protected readonly budget: Budget = new Budget();
  /** The latest step that has not been answered; those after it wait in line. */
  protected tail: Promise<IteratorResult<S>> | undefined = undefined;
  protected over: boolean = false;
  #giveUp: (() => void) | undefined = undefined;
  #finish: ((result: IteratorResult<S>) => void) | undefined = undefined;

  constructor() {
    this.budget.start();
  }

  next(): Promise<IteratorResult<S>> {
    return this.tail === undefined ? this.step() : this.#queue(this.tail);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends this iteration only. */
  return(): Promise<IteratorResult<S>> {
    this.over = true;
    this.left();
    this.#giveUp?.();
    this.#finish?.(finished);
    return Promise.resolve(finished);
  }

  /** The same as `return()`, but rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<S>> {
    void this.return();
    return Promise.reject(error);
  }

  protected abstract step(): Promise<IteratorResult<S>>;

  /** Has `waiter` told of the next step, now or later; returns what ends the waiting. */
  protected abstract await(waiter: Waiter<S>): () => void;

  /** It was ended by whoever iterates. */
  protected abstract left(): void;

  /** A step that had to wait is given. */
  protected gave(_step: S): void {}

  /** Why a step can be waited for no more, after the loop has turned. */
  protected refused(): Error | undefined {
    return undefined;
  }

  /** Answers a step that cannot be answered at once; `turn`: because the loop must turn first. */
  protected later(turn: boolean): Promise<IteratorResult<S>> {
    const promise = new Promise<IteratorResult<S>>((resolve, reject) => {
      const settle = (): void => {
        this.#finish = undefined;
        this.#giveUp = undefined;
      };
      const answer = (result: IteratorResult<S>): void => {
        settle();
        this.budget.start();
        if (result.done !== true) this.gave(result.value);
        resolve(result);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      this.#finish = answer;
      const wait = (): void => {
        let over = false;
        const giveUp = this.await({
          give: (value) => {
            over = true;
            answer({ value, done: false });
          },
          end: (error) => {
            over = true;
            this.over = true;
            if (error === undefined) answer(finished);
            else fail(error);
          },
        });
        if (!over) this.#giveUp = giveUp;
      };
      if (turn) {
        setImmediate(() => {
          if (this.over) return;
          const error = this.refused();
          if (error === undefined) wait();
          else fail(error);
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

export const finished: IteratorReturnResult<undefined> = { value: undefined, done: true };
