import type { Readable, Writable } from 'node:stream';

import type { ChaskiError } from '../errors.ts';
import { ends } from '../binding/index.ts';
import type { NativeTopic } from '../binding/index.ts';
import { readableOf, writableOf } from '../shared/node-streams.ts';
import { isPacked } from '../shared/packed.ts';
import type { Packed } from '../shared/packed.ts';
import { showAs } from '../shared/shown.ts';
import { sizeOfRecord } from './append-slab.ts';
import { Appends } from './appends.ts';
import type { Target } from './appends.ts';
import { Beginnings } from './beginnings.ts';
import { invalid, ofTopic } from './failures.ts';
import { BatchIterator, RecordIterator } from './iterators.ts';
import {
  acksOf,
  appendOptions,
  batchOptions,
  bytesOf,
  checkName,
  checkPlain,
  longestClient,
  onePartition,
  readOptions,
  timestampOf,
} from './options.ts';
import type { LogParts } from './parts.ts';
import { Reading } from './reading.ts';
import { checkValues, isList, severalRecords } from './several.ts';
import type {
  AppendedBatch,
  AppendOptions,
  AppendResult,
  Batch,
  BatchOptions,
  Bytes,
  NewRecord,
  ReadOptions,
  Record,
  WriterOptions,
} from './types.ts';
import { NamedWriter } from './writer.ts';
import type { Writer } from './writer.ts';

/** A log of records in one or several partitions. In each, records have offsets without gaps, in the order in which they came. */
export class Topic {
  /** @internal */
  readonly number: number;
  readonly name: string;
  /** A UUID. A topic that is made again under the same name has another. */
  readonly id: string;
  readonly partitions: number;
  readonly #parts: LogParts;
  readonly #target: Target;
  readonly #appends: Appends;
  readonly #beginnings: Beginnings = new Beginnings();

  static {
    showAs(this, 'Topic', ({ name, id, partitions }) => ({ name, id, partitions }));
  }

  /** @internal */
  constructor(parts: LogParts, { number, name, id, partitions, maxBatchBytes }: NativeTopic) {
    this.number = number;
    this.name = name;
    this.id = id;
    this.partitions = partitions;
    this.#parts = parts;
    this.#target = { name, number, partitions, maxBatchBytes };
    this.#appends = new Appends(parts, this.#target);
  }

  /**
   * Appends one record. With acks 'all', the default, the result fulfils after fsync; with 1 after `write`; with 0 at once.
   *
   * Never blocks. The bytes are copied before this returns. Records of a turn travel as one batch, in order. The result is a
   * promise that costs next to nothing until somebody looks at it, and that does not report an unhandled rejection when
   * nobody does. It rejects with a ChaskiError: `ERR_CHASKI_QUEUE_FULL` (see `onFull`), `_TOO_LARGE`, `_NOT_FOUND` (the topic was
   * deleted), `_CLOSED`, `_STORAGE`: retryable where there was no room on the disk; not where a sync failed. Its `delivered`
   * says whether the record may be stored all the same.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  append(value: Bytes | null, options?: AppendOptions): AppendResult {
    const bytes = bytesOf('value', value);
    if (options === undefined) {
      return this.#appends.append(this.partitions === 1 ? 0 : -1, 2, null, bytes, undefined, NaN);
    }
    const { partition, acks, key, headers, timestamp } = appendOptions(options, this.partitions);
    return this.#appends.append(partition, acks, key, bytes, headers, timestamp);
  }

  /**
   * Appends many records: values, records, or values packed into one piece of memory. Those of a partition are one batch, up to
   * `maxBatchBytes`, and a batch is stored as a whole or not at all. Resolves when all of them are acknowledged.
   *
   * Packed values go without a copy in JavaScript, unless they have to wait.
   *
   * @throws ChaskiError as `append()`. What is wrong with one of the records keeps all of them from being appended.
   */
  async appendBatch(
    records: Iterable<NewRecord | Bytes | null> | Packed,
    options?: BatchOptions,
  ): Promise<AppendedBatch> {
    const { partition, acks } = batchOptions(options, this.partitions);
    const packed = isPacked(records);
    if (!packed && !isList(records)) throw invalid('records', records, severalRecords);
    this.#parts.life.checkOpen();
    const to = this.#appends.destination(partition, acks);
    return packed
      ? await this.#appends.appendPacked(to, checkValues(records, this.#target), -1)
      : await this.#appends.appendRecords(to, records, -1);
  }

  /**
   * Resolves when all that was appended to this topic before is durable, whatever its acks and the topic's `flush`.
   *
   * @throws ChaskiError `ERR_CHASKI_STORAGE`, `_CLOSED`, `_NOT_FOUND`.
   */
  async flush(): Promise<void> {
    this.#parts.life.checkOpen();
    this.#appends.flush();
    await this.#parts.outbox.handedOver();
    const { log, settling } = this.#parts;
    const tickets = Array.from({ length: this.partitions }, (_, partition) =>
      log.checked(log.native.kaskaFlush(log.handle, this.number, partition), this.name),
    );
    await Promise.all(tickets.map((ticket) => settling.done(ticket)));
  }

  /**
   * A writer with a name; see `Writer`. Resolves when its name is durable.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_STORAGE`, `_CLOSED`, `_NOT_FOUND`.
   */
  async writer(name: string, options?: WriterOptions): Promise<Writer> {
    checkName('name', name, longestClient);
    if (options !== undefined) checkPlain('options', options, ['acks']);
    const acks = acksOf(options?.acks);
    // Of a topic that was deleted, no name is stored.
    this.#end(0, ends.start);
    const { log, requests } = this.#parts;
    await requests.ask((request) => log.native.kaskaName(log.handle, request, name));
    return new NamedWriter(name, this.#parts, this.#target, this.#appends, this.#beginnings, acks);
  }

  /**
   * Records one by one: those that there are, then those that come, until it is ended (`break`), or the log is closed. The loop turns every
   * 5 ms.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_NOT_FOUND`, `_CLOSED`. The iteration rejects with OffsetOutOfRange (see
   * `onOutOfRange`), DamagedRecords (see `onDamage`), `ERR_CHASKI_STORAGE`, `_ABORTED`.
   */
  read(options?: ReadOptions): AsyncIterableIterator<Record> {
    return new RecordIterator(this.#reading(options, true));
  }

  /** The same, batch by batch: slices of what was stored. Nothing is made for a record until it is asked for. */
  batches(options?: ReadOptions): AsyncIterableIterator<Batch> {
    return new BatchIterator(this.#reading(options, false));
  }

  /** The first offset that is there. @throws ChaskiError `ERR_CHASKI_NOT_FOUND`, `_CLOSED`. */
  startOffset(partition?: number): number {
    return this.#end(partition, ends.start);
  }

  /** The offset of the next record that readers will see. @throws ChaskiError `ERR_CHASKI_NOT_FOUND`, `_CLOSED`. */
  endOffset(partition?: number): number {
    return this.#end(partition, ends.visible);
  }

  /**
   * The first offset whose record has this time or a later one; undefined if there is none.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_NOT_FOUND`, `_STORAGE`, `_CLOSED`.
   */
  async offsetAt(time: Date | number, partition?: number): Promise<number | undefined> {
    const ms = timestampOf(time);
    if (Number.isNaN(ms)) throw invalid('time', time, 'a Date, or a whole number of ms since 1970');
    const at = this.#partition(partition);
    this.#parts.life.checkOpen();
    const { log, requests } = this.#parts;
    const asked = requests.ask((request) =>
      log.native.kaskaOffsetAt(log.handle, request, this.number, at, ms),
    );
    const { value = -1 } = await asked.catch((error: ChaskiError) => {
      throw ofTopic(this.name, error);
    });
    return value < 0 ? undefined : value;
  }

  /** The records as a Readable in object mode. Destroying it ends that reading only. */
  toReadable(options?: ReadOptions): Readable {
    return readableOf(this.read(options), { objectMode: true });
  }

  /**
   * A Writable in object mode: each write is an append of a value, and waits while others wait for room. It finishes when all is
   * acknowledged, and fails with the first append that does.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  toWritable(options: AppendOptions = {}): Writable {
    const { partition, acks, key, headers, timestamp } = appendOptions(options, this.partitions);
    return writableOf(async (written) => {
      const value = bytesOf('value', written);
      const size = sizeOfRecord(key, value, headers);
      const { outbox } = this.#parts;
      while (!outbox.hasRoom(size)) await outbox.more();
      return { result: this.#appends.append(partition, acks, key, value, headers, timestamp) };
    });
  }

  #reading(options: ReadOptions | undefined, indexed: boolean): Reading {
    const settings = readOptions(options, this.partitions);
    this.#parts.life.checkOpen();
    const { name, number, partitions } = this;
    return new Reading(this.#parts, { name, number, partitions }, settings, indexed);
  }

  #end(partition: number | undefined, which: number): number {
    const at = this.#partition(partition);
    this.#parts.life.checkOpen();
    const { log } = this.#parts;
    const out = new Float64Array(ends.length);
    log.checked(log.native.kaskaEnds(log.handle, this.number, at, out), this.name);
    return out[which] as number;
  }

  #partition(partition: number | undefined): number {
    return onePartition(partition, this.partitions);
  }
}
