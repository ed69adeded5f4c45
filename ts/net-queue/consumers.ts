// Who takes the messages: get, iteration and subscriptions, and which of them exclude each other. A subscription has the
// messages to itself; all others share them, first come first served.
import type { ChaskiError } from '../errors.ts';
import { setImmediate } from '../shared/timers.ts';
import { bound } from '../shared/wait.ts';
import { Budget } from '../shared/budget.ts';
import { busy, closed, invalid } from './failures.ts';
import type { Inbox } from './inbox.ts';
import { BatchIterator, MessageIterator } from './iterator.ts';
import { BatchPump, MessagePump } from './subscription.ts';
import type { SubscriptionHost } from './subscription.ts';
import type {
  Batch,
  BatchesOptions,
  GetBatchOptions,
  GetOptions,
  Message,
  MessageHandler,
  SubscribeOptions,
  Subscription,
} from './types.ts';
import {
  batchesOptions,
  getBatchOptions,
  getOptions,
  peerId,
  subscribeOptions,
} from './wait-options.ts';
import type { CheckedGetOptions } from './wait-options.ts';
import type { Want } from './wants.ts';

export class Consumers<T> {
  readonly #inbox: Inbox<T>;
  readonly #ackProcessed: boolean;
  readonly #host: SubscriptionHost;
  /** Of get() and getBatch(). */
  readonly #gets: Budget = new Budget();
  /** Gets that have what they wanted, and are to be answered after the event loop has turned, in order. */
  #delayed: (() => void)[] = [];

  /** `warn` is told what a handler failed with. */
  constructor(inbox: Inbox<T>, ackProcessed: boolean, warn: (error: ChaskiError) => void) {
    this.#inbox = inbox;
    this.#ackProcessed = ackProcessed;
    this.#host = { ackProcessed, warn };
  }

  get(options: GetOptions | undefined): Promise<Message<T>> {
    if (options === undefined) return this.#wanted(undefined, 0);
    let wait: CheckedGetOptions | undefined;
    try {
      wait = getOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#wanted(wait, 0);
  }

  getBatch(options: GetBatchOptions | undefined): Promise<Batch<T>> {
    try {
      const { wait, max } = getBatchOptions(options);
      return this.#wanted(wait, max);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryGet(peer: string | undefined): Message<T> | undefined {
    const id = peerId(peer);
    this.#checkFree('tryGet()');
    return id === undefined ? this.#inbox.take() : this.#inbox.takeFrom(id);
  }

  messages(): AsyncIterableIterator<Message<T>> {
    this.#checkFree('Iteration');
    return new MessageIterator<T>(this.#inbox, this.#ackProcessed);
  }

  batches(options: BatchesOptions | undefined): AsyncIterableIterator<Batch<T>> {
    const { max, autoAck } = batchesOptions(options);
    this.#checkFree('batches()');
    return new BatchIterator<T>(this.#inbox, this.#ackProcessed && autoAck, max);
  }

  subscribe(
    handler: MessageHandler<T>,
    options: SubscribeOptions<Message<T>> | undefined,
  ): Subscription {
    const onError = subscribeOptions(options);
    this.#checkHandler(handler);
    return new MessagePump<T>(this.#inbox, this.#host, handler, onError).start();
  }

  subscribeBatches(
    handler: (batch: Batch<T>) => unknown,
    options: SubscribeOptions<Batch<T>> | undefined,
  ): Subscription {
    const onError = subscribeOptions(options);
    this.#checkHandler(handler);
    return new BatchPump<T>(this.#inbox, this.#host, handler, onError).start();
  }

  #wanted(wait: CheckedGetOptions | undefined, max: 0): Promise<Message<T>>;
  #wanted(wait: CheckedGetOptions | undefined, max: number): Promise<Batch<T>>;
  #wanted(wait: CheckedGetOptions | undefined, max: number): Promise<Message<T> | Batch<T>> {
    const inbox = this.#inbox;
    if (inbox.reserved) return Promise.reject(busyWith(max > 0 ? 'getBatch()' : 'get()'));
    // Who came first is served first.
    if (!inbox.hasWants && wait?.signal?.aborted !== true) {
      const peer = wait?.peer;
      const there =
        max > 0
          ? inbox.takeBatch(max, peer)
          : peer === undefined
            ? inbox.take()
            : inbox.takeFrom(peer);
      if (there !== undefined) {
        const spent = 'length' in there ? this.#gets.spendMany(there.length) : this.#gets.spend();
        // Others who came before may not be answered yet.
        return spent || this.#delayed.length > 0 ? this.#later(there) : Promise.resolve(there);
      }
    }
    return new Promise((resolve, reject) => {
      const settle = (value: Message<T> | Batch<T>): void => {
        disarm();
        this.#settle(resolve, value);
      };
      const want: Want<T> = {
        peer: wait?.peer,
        max,
        over: false,
        place: 0,
        onMessage: settle,
        onBatch: settle,
        onEnd: (error) => {
          disarm();
          reject(error ?? closed());
        },
      };
      let given = true;
      const disarm = bound('Getting a message', wait, (error) => {
        given = false;
        inbox.giveUp(want);
        reject(error);
      });
      if (given) inbox.want(want);
    });
  }

  #later<V>(value: V): Promise<V> {
    return new Promise((resolve) => {
      this.#delay(() => {
        resolve(value);
      });
    });
  }

  /** Answers a get that waited. */
  #settle<V>(resolve: (value: V) => void, value: V): void {
    if (this.#delayed.length > 0) {
      this.#delay(() => {
        resolve(value);
      });
      return;
    }
    this.#gets.start();
    resolve(value);
  }

  /** A loop around get() leaves others their time too: promises alone would never let the event loop turn. */
  #delay(answer: () => void): void {
    if (this.#delayed.push(answer) > 1) return;
    setImmediate(() => {
      const delayed = this.#delayed;
      this.#delayed = [];
      this.#gets.start();
      for (const each of delayed) each();
    });
  }

  #checkFree(wanted: string): void {
    if (this.#inbox.reserved) throw busyWith(wanted);
  }

  #checkHandler(handler: unknown): void {
    if (typeof handler !== 'function') throw invalid('handler', handler, 'a function');
    this.#checkFree('A subscription');
    if (this.#inbox.hasWants) throw busy('A subscription', 'a waiting get() or iteration');
    // What had arrived can still be taken.
    if (this.#inbox.ended && !this.#inbox.fill()) {
      throw this.#inbox.endError ?? closed();
    }
  }
}

function busyWith(wanted: string): ChaskiError {
  return busy(wanted, 'a subscription');
}
