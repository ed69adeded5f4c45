import { isPacked } from '../shared/packed.ts';
import type { Packed } from '../shared/packed.ts';
import { showAs } from '../shared/shown.ts';
import type { Appends, Target } from './appends.ts';
import type { Beginnings } from './beginnings.ts';
import { invalid } from './failures.ts';
import { onePartition, sequenceOptions } from './options.ts';
import type { LogParts } from './parts.ts';
import { checkValues, isList, severalRecords } from './several.ts';
import type { AppendedBatch, Bytes, NewRecord, SequenceOptions } from './types.ts';

/**
 * A writer with a name, for exactly once: what it has stored under a sequence is not stored again, also after a restart.
 *
 * The records of each partition are numbered by whoever writes, without gaps; a batch that was stored as a whole or in part is
 * appended again without what is there.
 */
export interface Writer {
  readonly name: string;
  /** Number of the last record that is stored in `partition`, which is needed if the topic has several; undefined if none is known. */
  lastSequence(partition?: number): number | undefined;
  /**
   * Appends what is not stored yet. `count` of the result is how many were.
   *
   * @throws ChaskiError as `appendBatch()` of the topic, and `ERR_CHASKI_OUT_OF_ORDER` if numbers are left out.
   */
  appendBatch(
    records: Iterable<NewRecord | Bytes | null> | Packed,
    options: SequenceOptions,
  ): Promise<AppendedBatch>;
}

export class NamedWriter implements Writer {
  readonly name: string;
  readonly #parts: LogParts;
  readonly #target: Target;
  readonly #appends: Appends;
  readonly #beginnings: Beginnings;
  readonly #acks: number;

  static {
    showAs(this, 'Writer', ({ name }) => ({ name }));
  }

  constructor(
    name: string,
    parts: LogParts,
    target: Target,
    appends: Appends,
    beginnings: Beginnings,
    acks: number,
  ) {
    this.name = name;
    this.#parts = parts;
    this.#target = target;
    this.#appends = appends;
    this.#beginnings = beginnings;
    this.#acks = acks;
  }

  lastSequence(partition?: number): number | undefined {
    const at = onePartition(partition, this.#target.partitions);
    const { writer } = this.#appends.destination(at, this.#acks, this.name);
    const { log } = this.#parts;
    const last = log.native.kaskaLastSequence(log.handle, writer);
    return last < 0 ? undefined : last;
  }

  async appendBatch(
    records: Iterable<NewRecord | Bytes | null> | Packed,
    options: SequenceOptions,
  ): Promise<AppendedBatch> {
    const { partition, sequence } = sequenceOptions(options, this.#target.partitions);
    this.#parts.life.checkOpen();
    if (this.lastSequence(partition) === undefined) {
      this.#beginnings.check(this.name, partition, sequence);
    } else {
      this.#beginnings.forget(this.name, partition);
    }
    try {
      return await this.#append(records, partition, sequence);
    } catch (error) {
      if (!this.#parts.life.closed) this.#beginnings.refuse(this.name, partition, sequence);
      throw error;
    }
  }

  /** Throws at once what keeps the records from being handed over: what is appended next must know. */
  #append(
    records: Iterable<NewRecord | Bytes | null> | Packed,
    partition: number,
    sequence: number,
  ): Promise<AppendedBatch> {
    const packed = isPacked(records);
    if (!packed && !isList(records)) throw invalid('records', records, severalRecords);
    const to = this.#appends.destination(partition, this.#acks, this.name);
    return packed
      ? this.#appends.appendPacked(to, checkValues(records, this.#target), sequence)
      : this.#appends.appendRecords(to, records, sequence);
  }
}
