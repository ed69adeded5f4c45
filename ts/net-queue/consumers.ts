// Who takes the messages: get, iteration and subscriptions, and which of them exclude each other. A subscription has the
// messages to itself; all others share them, first come first served.
import type { ChaskiError } from '../errors.ts';
import { bound } from '../shared/wait.ts';
import { Budget } from './budget.ts';
import { busy, closed, handlerFailed, invalid } from './failures.ts';
import type { Inbox, Want } from './inbox.ts';
import { BatchIterator, MessageIterator } from './iterator.ts';
import { BatchPump, MessagePump } from './subscription.ts';
import type {
  Batch,
  BatchesOptions,
  GetBatchOptions,
  GetOptions,
  Message,
  MessageHandler,
  Subscription,
} from './types.ts';

export class Consumers<T> {
  readonly #inbox: Inbox<T>;
  readonly #ackProcessed: boolean;
  readonly #warn: (error: ChaskiError) => void;
  /** Of get() and getBatch(). */
  readonly #gets: Budget = new Budget();
  #subscription: Subscription | undefined = undefined;

  /** `warn` is told what a handler failed with. */
  constructor(inbox: Inbox<T>, ackProcessed: boolean, warn: (error: ChaskiError) => void) {
    this.#inbox = inbox;
    this.#ackProcessed = ackProcessed;
    this.#warn = warn;
  }

  get(options: GetOptions | undefined): Promise<Message<T>> {
    return this.#wanted(options, 0);
  }

  getBatch(options: GetBatchOptions | undefined): Promise<Batch<T>> {
    let max: number;
    try {
      max = maxOf(options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#wanted(options, max);
  }

  tryGet(peer: string | undefined): Message<T> | undefined {
    this.#checkFree('tryGet()');
    return peer === undefined ? this.#inbox.take() : this.#inbox.takeFrom(peer);
  }

  messages(): AsyncIterableIterator<Message<T>> {
    this.#checkFree('Iteration');
    return new MessageIterator<T>(this.#inbox, this.#ackProcessed);
  }

  batches(options: BatchesOptions | undefined): AsyncIterableIterator<Batch<T>> {
    this.#checkFree('batches()');
    const autoAck = this.#ackProcessed && options?.autoAck !== false;
    return new BatchIterator<T>(this.#inbox, autoAck, maxOf(options));
  }

  subscribe(handler: MessageHandler<T>): Subscription {
    this.#checkHandler(handler);
    return this.#begin(new MessagePump<T>(this.#inbox, this.#ackProcessed, this.#host, handler));
  }

  subscribeBatches(handler: (batch: Batch<T>) => unknown): Subscription {
    this.#checkHandler(handler);
    return this.#begin(new BatchPump<T>(this.#inbox, this.#ackProcessed, this.#host, handler));
  }

  #begin(pump: MessagePump<T> | BatchPump<T>): Subscription {
    this.#subscription = pump;
    pump.start();
    return pump;
  }

  #wanted(options: GetOptions | undefined, max: 0): Promise<Message<T>>;
  #wanted(options: GetOptions | undefined, max: number): Promise<Batch<T>>;
  #wanted(options: GetOptions | undefined, max: number): Promise<Message<T> | Batch<T>> {
    const inbox = this.#inbox;
    const peer = options?.peer;
    if (this.#subscription !== undefined) {
      return Promise.reject(busyWith(max > 0 ? 'getBatch()' : 'get()'));
    }
    // Who came first is served first.
    if (!inbox.hasWants && options?.signal?.aborted !== true) {
      const there =
        max > 0
          ? inbox.takeBatch(max, peer)
          : peer === undefined
            ? inbox.take()
            : inbox.takeFrom(peer);
      if (there !== undefined) {
        const spent = 'length' in there ? this.#gets.spendMany(there.length) : this.#gets.spend();
        return spent ? this.#afterTurn(there) : Promise.resolve(there);
      }
    }
    return new Promise((resolve, reject) => {
      const settle = (value: Message<T> | Batch<T>): void => {
        disarm();
        this.#gets.start();
        resolve(value);
      };
      const want: Want<T> = {
        peer,
        max,
        over: false,
        onMessage: settle,
        onBatch: settle,
        onEnd: (error) => {
          disarm();
          reject(error ?? closed());
        },
      };
      const disarm = bound('Getting a message', options, (error) => {
        want.over = true;
        reject(error);
      });
      if (!want.over) inbox.want(want);
    });
  }

  /** A loop around get() leaves others their time too: promises alone would never let the event loop turn. */
  #afterTurn<V>(value: V): Promise<V> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#gets.start();
        resolve(value);
      });
    });
  }

  #checkFree(wanted: string): void {
    if (this.#subscription !== undefined) throw busyWith(wanted);
  }

  #checkHandler(handler: unknown): void {
    if (typeof handler !== 'function') throw invalid('handler', handler, 'a function');
    this.#checkFree('A subscription');
    if (this.#inbox.hasWants) throw busy('A subscription', 'a waiting get() or iteration');
  }

  readonly #host = {
    onHandlerError: (cause: unknown): void => {
      this.#warn(handlerFailed('A message handler', cause));
    },
    onUnsubscribed: (): void => {
      this.#subscription = undefined;
    },
  };
}

function busyWith(wanted: string): ChaskiError {
  return busy(wanted, 'a subscription');
}

function maxOf(options: { max?: number } | undefined): number {
  const max = options?.max;
  if (max === undefined) return Infinity;
  if (Number.isInteger(max) && max >= 1) return max;
  throw invalid('max', max, 'an integer of at least 1');
}
