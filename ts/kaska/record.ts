import { showAs, shownOr } from '../shared/shown.ts';
import type { StoredBatch } from './batch.ts';
import type { Headers, Record } from './types.ts';

/** A record in an arena: which one of its batch. Views are made when asked for. */
export class StoredRecord implements Record {
  readonly #batch: StoredBatch;
  readonly #at: number;

  static {
    showAs(this, 'Record', (record) => {
      const { topic, partition, offset, timestamp } = record;
      const key = shownOr(() => record.key);
      return { topic, partition, offset, timestamp, key, value: shownOr(() => record.value) };
    });
  }

  constructor(batch: StoredBatch, at: number) {
    this.#batch = batch;
    this.#at = at;
  }

  get topic(): string {
    return this.#batch.topic;
  }

  get partition(): number {
    return this.#batch.partition;
  }

  get offset(): number {
    return this.#batch.offset + this.#at;
  }

  get offsetBigInt(): bigint {
    return BigInt(this.offset);
  }

  get timestamp(): number {
    return this.#batch.timestamp(this.#at);
  }

  get key(): Uint8Array | null {
    return this.#batch.key(this.#at);
  }

  get value(): Uint8Array | null {
    return this.#batch.value(this.#at);
  }

  get headers(): Headers {
    return this.#batch.headers(this.#at);
  }

  text(): string {
    const { value } = this;
    if (value === null) return '';
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  }

  json(): unknown {
    const { value } = this;
    return value === null ? null : (JSON.parse(this.text()) as unknown);
  }

  copy(): Uint8Array {
    return this.value?.slice() ?? new Uint8Array(0);
  }
}
