// Callbacks instead of `for await`: one call per message with its value, or one per batch.
import { lengthMask } from '../binding/index.ts';
import type { ChaskiError } from '../errors.ts';
import { showAs } from '../shared/shown.ts';
import { setImmediate } from '../shared/timers.ts';
import type { ReceivedBatch } from './batch.ts';
import { Budget } from '../shared/budget.ts';
import { handlerFailed } from './failures.ts';
import type { Inbox } from './inbox.ts';
import { valueAt } from './message.ts';
import type { Batch, Message, MessageHandler, SubscribeOptions, Subscription } from './types.ts';

/** What a subscription needs of its communicator. */
export interface SubscriptionHost {
  /** Acknowledged is what a handler is done with, and not what has arrived. */
  readonly ackProcessed: boolean;
  /** Tells of a failure that nobody else takes. Never throws. */
  readonly warn: (error: ChaskiError) => void;
}

/** What a handler is called with, if not its value: messages of one peer in a row. */
interface Given {
  readonly peer: string;
  readonly seq: number;
  ack(): void;
}

/** Hands messages to a handler until closed. Never more than a turn's budget at once. */
abstract class Pump<T, G extends Given> implements Subscription {
  protected readonly inbox: Inbox<T>;
  protected readonly ackProcessed: boolean;
  protected readonly budget: Budget = new Budget();
  protected stopped: boolean = false;
  readonly #warn: (error: ChaskiError) => void;
  readonly #onError: SubscribeOptions<G>['onError'];
  #running = false;
  #later = false;

  static {
    showAs(this, 'Subscription', ({ closed }) => ({ closed }));
  }

  constructor(
    inbox: Inbox<T>,
    { ackProcessed, warn }: SubscriptionHost,
    onError: SubscribeOptions<G>['onError'],
  ) {
    this.inbox = inbox;
    this.ackProcessed = ackProcessed;
    this.#warn = warn;
    this.#onError = onError;
  }

  get closed(): boolean {
    return this.stopped;
  }

  close(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.inbox.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Begins, with what is already there, after the turn of the caller. */
  start(): this {
    this.inbox.reserve(this.#run);
    this.#turn();
    return this;
  }

  /** Calls the handler until nothing is left in hand or the budget is spent; true then. */
  protected abstract deliver(): boolean;

  readonly #run = (): void => {
    if (this.#running || this.#later) return;
    this.#running = true;
    this.budget.start();
    try {
      this.#pump();
    } finally {
      this.#running = false;
    }
    if (this.inbox.ended && !this.stopped && !this.#later) this.close();
  };

  #pump(): void {
    while (!this.stopped && this.inbox.fill()) {
      if (this.deliver()) {
        this.#turn();
        return;
      }
    }
  }

  #turn(): void {
    this.#later = true;
    setImmediate(() => {
      this.#later = false;
      if (!this.stopped) this.#run();
    });
  }

  /** Follows what a handler returned: acknowledges from and to when it is done, and tells when it failed. */
  protected follow(
    result: PromiseLike<unknown>,
    { origin, seq, deliveries }: ReceivedBatch<T>,
    from: number,
    to: number,
    given: () => G,
  ): void {
    Promise.resolve(result).then(
      () => origin.settling?.ack(origin.peer, seq + from, seq + to, deliveries),
      (error: unknown) => {
        this.failed(given(), error);
      },
    );
  }

  /** The handler threw, or what it returned was rejected. Never throws. */
  protected failed(given: G, cause: unknown): void {
    const error = handlerFailed(given.peer, given.seq, cause, this.ackProcessed);
    if (this.#onError === undefined) {
      this.#warn(error);
      return;
    }
    const again = (thrown: unknown): void => {
      this.#warn(handlerFailed(given.peer, given.seq, thrown, this.ackProcessed));
    };
    try {
      const result = this.#onError(error, given);
      if (isThenable(result)) Promise.resolve(result).then(undefined, again);
    } catch (thrown) {
      again(thrown);
    }
  }
}

export class MessagePump<T> extends Pump<T, Message<T>> {
  readonly #handler: MessageHandler<T>;

  constructor(
    inbox: Inbox<T>,
    host: SubscriptionHost,
    handler: MessageHandler<T>,
    onError: SubscribeOptions<Message<T>>['onError'],
  ) {
    super(inbox, host, onError);
    this.#handler = handler;
  }

  protected deliver(): boolean {
    const { inbox, ackProcessed } = this;
    const handler = this.#handler;
    const batch = inbox.batch as ReceivedBatch<T>;
    const { origin, seq, index, start, deliveries } = batch;
    const { buffer } = origin;
    const peer = origin.id;
    const shares = origin.copyUpTo < 0 && origin.codec.rawBytes;
    const granted = this.budget.grant();
    let at = inbox.cursor;
    const end = Math.min(inbox.count, at + granted);
    try {
      for (; at < end; at += 1) {
        // Before the call: what throws has been delivered.
        inbox.cursor = at + 1;
        const offset = index[start + 2 * at] as number;
        const word = index[start + 2 * at + 1] as number;
        const data =
          shares && word <= lengthMask
            ? (new Uint8Array(buffer, offset, word) as T)
            : valueAt<T>(origin, offset, word);
        const result = handler(data, peer, seq + at);
        if (result !== undefined && isThenable(result)) {
          this.#follow(result, batch, at);
        } else if (ackProcessed) {
          origin.settling?.ack(origin.peer, seq + at, seq + at, deliveries);
        }
        if (this.stopped) break;
      }
    } catch (error) {
      this.failed(batch.message(at), error);
    }
    return granted === 0;
  }

  #follow(result: PromiseLike<unknown>, batch: ReceivedBatch<T>, at: number): void {
    this.follow(result, batch, at, at, () => batch.message(at));
  }
}

export class BatchPump<T> extends Pump<T, Batch<T>> {
  readonly #handler: (batch: Batch<T>) => unknown;

  constructor(
    inbox: Inbox<T>,
    host: SubscriptionHost,
    handler: (batch: Batch<T>) => unknown,
    onError: SubscribeOptions<Batch<T>>['onError'],
  ) {
    super(inbox, host, onError);
    this.#handler = handler;
  }

  protected deliver(): boolean {
    const batch = this.inbox.takeBatch(Infinity) as ReceivedBatch<T>;
    try {
      const result = this.#handler(batch);
      if (isThenable(result)) this.follow(result, batch, 0, batch.length - 1, () => batch);
      else if (this.ackProcessed) batch.ack();
    } catch (error) {
      this.failed(batch, error);
    }
    return this.budget.spendMany(batch.length);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
