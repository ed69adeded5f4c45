// Callbacks instead of `for await`: one call per message with its value, or one per batch.
import { lengthMask } from '../binding/index.ts';
import type { Origin } from './arena.ts';
import type { ReceivedBatch } from './batch.ts';
import { Budget } from './budget.ts';
import type { Inbox } from './inbox.ts';
import { valueAt } from './message.ts';
import type { MessageHandler, Subscription } from './types.ts';

/** What a subscription needs of its communicator. */
export interface SubscriptionHost {
  /** What a handler threw or rejected with. Never throws. */
  onHandlerError(cause: unknown): void;
  /** The subscription is over. */
  onUnsubscribed(): void;
}

/** Hands messages to a handler until closed. Never more than a turn's budget at once. */
abstract class Pump<T> implements Subscription {
  protected readonly inbox: Inbox<T>;
  protected readonly host: SubscriptionHost;
  protected readonly ackProcessed: boolean;
  protected readonly budget: Budget = new Budget();
  protected stopped: boolean = false;
  #running = false;
  #later = false;

  constructor(inbox: Inbox<T>, ackProcessed: boolean, host: SubscriptionHost) {
    this.inbox = inbox;
    this.ackProcessed = ackProcessed;
    this.host = host;
  }

  get closed(): boolean {
    return this.stopped;
  }

  close(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.inbox.onReadable = undefined;
    this.host.onUnsubscribed();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Begins, with what is already there, after the turn of the caller. */
  start(): void {
    this.inbox.onReadable = this.#run;
    this.#turn();
  }

  /** Calls the handler until nothing is left in hand or the budget is spent; true then. May throw what the handler throws. */
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
      let spent = false;
      try {
        spent = this.deliver();
      } catch (error) {
        this.host.onHandlerError(error);
      }
      if (spent) {
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

  /** Follows what a handler returned: acknowledges when it is done, reports when it failed. */
  protected follow(
    result: PromiseLike<unknown>,
    origin: Origin,
    first: number,
    last: number,
  ): void {
    Promise.resolve(result).then(
      () => origin.done?.(origin.peer, first, last),
      (error: unknown) => {
        this.host.onHandlerError(error);
      },
    );
  }
}

export class MessagePump<T> extends Pump<T> {
  readonly #handler: MessageHandler<T>;

  constructor(
    inbox: Inbox<T>,
    ackProcessed: boolean,
    host: SubscriptionHost,
    handler: MessageHandler<T>,
  ) {
    super(inbox, ackProcessed, host);
    this.#handler = handler;
  }

  protected deliver(): boolean {
    const { inbox, ackProcessed } = this;
    const handler = this.#handler;
    const batch = inbox.batch as ReceivedBatch<T>;
    const { origin, seq, index, start } = batch;
    const { buffer } = origin;
    const peer = origin.peer.id;
    const shares = origin.copyUpTo < 0 && origin.codec.rawBytes;
    const granted = this.budget.grant();
    const end = Math.min(inbox.count, inbox.cursor + granted);
    for (let at = inbox.cursor; at < end; at += 1) {
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
        this.follow(result, origin, seq + at, seq + at);
      } else if (ackProcessed) {
        origin.done?.(origin.peer, seq + at, seq + at);
      }
      if (this.stopped) break;
    }
    return granted === 0;
  }
}

export class BatchPump<T> extends Pump<T> {
  readonly #handler: (batch: ReceivedBatch<T>) => unknown;

  constructor(
    inbox: Inbox<T>,
    ackProcessed: boolean,
    host: SubscriptionHost,
    handler: (batch: ReceivedBatch<T>) => unknown,
  ) {
    super(inbox, ackProcessed, host);
    this.#handler = handler;
  }

  protected deliver(): boolean {
    const batch = this.inbox.takeBatch(Infinity) as ReceivedBatch<T>;
    const result = this.#handler(batch);
    if (isThenable(result)) {
      this.follow(result, batch.origin, batch.seq, batch.seq + batch.length - 1);
    } else if (this.ackProcessed) {
      batch.ack();
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
