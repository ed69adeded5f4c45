// `for await` over records and over batches.
import { whenCollected } from '../shared/garbage.ts';
import { showAs } from '../shared/shown.ts';
import { finished, Steps } from '../shared/steps.ts';
import type { Waiter } from '../shared/steps.ts';
import type { StoredBatch } from './batch.ts';
import type { Reading } from './reading.ts';
import { StoredRecord } from './record.ts';

/** What both do alike: asking the reading, and ending with it. */
abstract class ReadingSteps<S> extends Steps<S> {
  protected readonly reading: Reading;

  static {
    showAs(this, 'Iteration', ({ over }) => ({ over }));
  }

  constructor(reading: Reading) {
    super();
    this.reading = reading;
    // Who forgets it without ending it leaves a reader behind.
    whenCollected(this, () => {
      reading.end(undefined);
    });
  }

  /** Whether it steps by batches. */
  protected abstract readonly batches: boolean;

  protected override left(): void {
    this.reading.end(undefined);
  }

  protected override await(waiter: Waiter<S>): () => void {
    this.reading.want(this.batches, waiter);
    return () => {
      this.reading.giveUp();
    };
  }

  /** What `take` gives now, if it gives something. */
  protected now(take: () => S | undefined): Promise<IteratorResult<S>> {
    const { reading } = this;
    let value: S | undefined;
    try {
      value = take();
    } catch (error) {
      this.over = true;
      reading.end(undefined);
      return Promise.reject(error);
    }
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (!reading.ended) return this.later(false);
    this.over = true;
    return reading.error === undefined ? Promise.resolve(finished) : Promise.reject(reading.error);
  }
}

export class RecordIterator extends ReadingSteps<StoredRecord> {
  protected override readonly batches: boolean = false;
  /** Steps before the next look at the budget. */
  #granted = 0;

  override next(): Promise<IteratorResult<StoredRecord>> {
    const { reading } = this;
    const at = reading.cursor;
    // Nobody waits in line, the loop need not turn, and there is something: nothing else to do for most records.
    if (at < reading.sharing && this.#granted > 0 && this.tail === undefined) {
      this.#granted -= 1;
      reading.cursor = at + 1;
      const value = new StoredRecord(reading.batch as StoredBatch, at);
      return Promise.resolve({ value, done: false });
    }
    return super.next();
  }

  protected step(): Promise<IteratorResult<StoredRecord>> {
    if (this.over) return Promise.resolve(finished);
    if (this.#granted === 0) {
      this.#granted = this.budget.grant();
      if (this.#granted === 0) return this.later(true);
    }
    this.#granted -= 1;
    return this.now(() => this.reading.take());
  }
}

export class BatchIterator extends ReadingSteps<StoredBatch> {
  protected override readonly batches: boolean = true;

  protected step(): Promise<IteratorResult<StoredBatch>> {
    if (this.over) return Promise.resolve(finished);
    if (this.budget.spendMany(0)) return this.later(true);
    const step = this.now(() => this.reading.takeBatch());
    this.budget.spendMany(1);
    return step;
  }
}
