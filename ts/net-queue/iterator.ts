// `for await` over messages and over batches. Steps are answered at once while something is there.
import type { ChaskiError } from '../errors.ts';
import { showAs } from '../shared/shown.ts';
import { finished, Steps } from '../shared/steps.ts';
import type { Waiter } from '../shared/steps.ts';
import type { Delivery } from './origin.ts';
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

/** What messages and batches do alike: asking the inbox, acknowledging what was processed. */
abstract class InboxSteps<T, S extends Step> extends Steps<S> {
  protected readonly inbox: Inbox<T>;
  protected readonly ackProcessed: boolean;
  /** With ack 'processed': given last, and acknowledged when the next one is asked for: then its body has ended. */
  protected last: S | undefined = undefined;

  static {
    showAs(this, 'Iteration', ({ over }) => ({ over }));
  }

  constructor(inbox: Inbox<T>, ackProcessed: boolean) {
    super();
    this.inbox = inbox;
    this.ackProcessed = ackProcessed;
  }

  /** Messages of a batch; 0 for single messages. */
  protected abstract readonly max: number;

  /** Acknowledges the step before. */
  protected passed(): void {
    this.last?.ack();
    this.last = undefined;
  }

  /** What it had not given stays for others, and so does what it gave last, unless it is settled. */
  protected override left(): void {
    const { last } = this;
    this.last = undefined;
    if (last !== undefined) this.inbox.giveBack(last.delivery());
  }

  protected override gave(step: S): void {
    if (this.ackProcessed) this.last = step;
  }

  protected override refused(): Error | undefined {
    return this.inbox.reserved ? taken() : undefined;
  }

  protected override await({ give, end }: Waiter<S>): () => void {
    const onStep = (step: unknown): void => {
      give(step as S);
    };
    const want: Want<T> = {
      peer: undefined,
      max: this.max,
      over: false,
      place: 0,
      onMessage: onStep,
      onBatch: onStep,
      onEnd: end,
    };
    this.inbox.want(want);
    return () => {
      this.inbox.giveUp(want);
    };
  }
}

export class MessageIterator<T> extends InboxSteps<T, GivenMessage<T>> {
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

export class BatchIterator<T> extends InboxSteps<T, ReceivedBatch<T>> {
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
