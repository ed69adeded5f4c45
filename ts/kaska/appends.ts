// What is appended to one topic: records of a turn gathered in slabs and handed over together, and batches as they come.
import type { ChaskiError } from '../errors.ts';
import type { Checked } from '../shared/packed.ts';
import { RecordResult, Shipment } from './append-result.ts';
import { AppendSlab, besideBytes, sizeOfRecord } from './append-slab.ts';
import { tooLarge } from './failures.ts';
import { newRecord } from './options.ts';
import type { CheckedHeaders } from './options.ts';
import { shipmentBytes, weightOf } from './outbox.ts';
import type { Cargo, Destination } from './outbox.ts';
import type { LogParts } from './parts.ts';
import type { AppendedBatch, AppendedPart, AppendResult, Bytes, NewRecord } from './types.ts';

/** What is told of a topic to those who append. */
export interface Target {
  readonly name: string;
  readonly number: number;
  readonly partitions: number;
  readonly maxBatchBytes: number;
}

interface Gathering {
  readonly partition: number;
  readonly acks: number;
  readonly slab: AppendSlab;
  readonly shipment: Shipment;
}

export class Appends {
  readonly #parts: LogParts;
  readonly #target: Target;
  /** Writers that native has for this topic. */
  readonly #destinations: Map<string, Destination> = new Map();
  /** All of the same acks, and all by key or all for a given partition: so nothing overtakes what was appended before. */
  #gatherings: Map<number, Gathering> = new Map();
  /** The latest one. */
  #current: Gathering | undefined = undefined;
  readonly #most: number;

  constructor(parts: LogParts, target: Target) {
    this.#parts = parts;
    this.#target = target;
    this.#most = Math.min(slabBytes, target.maxBatchBytes, parts.load.mark) - headBytes;
  }

  /** One record; `partition` −1: by its key. */
  append(
    partition: number,
    acks: number,
    key: string | Uint8Array | null,
    value: string | Uint8Array | null,
    headers: CheckedHeaders | undefined,
    timestamp: number,
  ): AppendResult {
    const size = sizeOfRecord(key, value, headers);
    const { maxBatchBytes } = this.#target;
    if (size > maxBatchBytes) {
      return this.#refused(tooLarge(size - besideBytes, maxBatchBytes - 128));
    }
    if (!this.#takes(size)) return this.#refused(this.#parts.load.refusal(size));
    let gathering = this.#current;
    if (gathering?.partition !== partition || gathering.acks !== acks) {
      gathering = this.#gathering(partition, acks);
    }
    if (gathering.slab.count > 0 && gathering.slab.weight + size > this.#most) {
      this.#hand(gathering);
      gathering = this.#gathering(partition, acks);
    }
    const { slab, shipment } = gathering;
    const place = slab.count;
    if (key === null && value !== null && headers === undefined && Number.isNaN(timestamp)) {
      slab.addValue(value);
    } else {
      slab.add(key, value, headers, timestamp);
    }
    shipment.carry(place === 0 ? size + shipmentBytes : size);
    return new RecordResult(shipment, place);
  }

  /** Hands over what was gathered. */
  flush(): void {
    const gatherings = this.#gatherings;
    this.#gatherings = new Map();
    this.#current = undefined;
    for (const gathering of gatherings.values()) this.#ship(gathering);
  }

  /** Many records; all of them are looked at before one is handed over. `sequence` −1: none. */
  appendRecords(
    to: Destination,
    records: Iterable<NewRecord | Bytes | null>,
    sequence: number,
  ): Promise<AppendedBatch> {
    const { maxBatchBytes } = this.#target;
    const slabs: AppendSlab[] = [];
    let slab: AppendSlab | undefined;
    let weight = 0;
    for (const record of records) {
      const { key, value, headers, timestamp } = newRecord(record);
      const size = sizeOfRecord(key, value, headers);
      if (size > maxBatchBytes) throw tooLarge(size - besideBytes, maxBatchBytes - 128);
      if (
        slab === undefined ||
        slab.weight + size > maxBatchBytes - headBytes ||
        slab.count === mostRecords
      ) {
        slab = new AppendSlab(slabs.length === 0 ? 4096 : slabBytes, 64);
        slabs.push(slab);
      }
      slab.add(key, value, headers, timestamp);
      weight += size;
    }
    this.#admit(weight);
    const shipments: Shipment[] = [];
    let next = sequence;
    for (const each of slabs) {
      shipments.push(this.#send(to, cargoOf(each), next, false));
      if (sequence >= 0) next += each.count;
    }
    return this.#whole(shipments);
  }

  /** Values that the user has packed, as they lie there. */
  appendPacked(to: Destination, packed: Checked, sequence: number): Promise<AppendedBatch> {
    const { data, count, words } = packed;
    if (count === 0) return this.#whole([]);
    this.#admit(data.length + Uint32Array.BYTES_PER_ELEMENT * count);
    const lengths =
      typeof words === 'number' ? new Uint32Array(Math.min(count, mostRecords)).fill(words) : words;
    const most = this.#target.maxBatchBytes - headBytes;
    if (data.length + count * besideBytes <= most && count <= mostRecords) {
      const cargo = { bytes: data, used: data.length, words: lengths, count, ...plain };
      return this.#whole([this.#send(to, cargo, sequence, true)]);
    }
    const shipments: Shipment[] = [];
    let from = 0;
    let at = 0;
    while (from < count) {
      let bytes = 0;
      let end = from;
      let room = most;
      while (end < count && end - from < mostRecords) {
        const length = typeof words === 'number' ? words : (words[end] as number);
        room -= length + besideBytes;
        if (room < 0 && end > from) break;
        bytes += length;
        end += 1;
      }
      const cargo = {
        bytes: data.subarray(at, at + bytes),
        used: bytes,
        words: typeof words === 'number' ? lengths : lengths.subarray(from, end),
        count: end - from,
        ...plain,
      };
      shipments.push(this.#send(to, cargo, sequence < 0 ? -1 : sequence + from, true));
      from = end;
      at += bytes;
    }
    return this.#whole(shipments);
  }

  /** The writer for these. @throws ChaskiError of native. */
  destination(partition: number, acks: number, name: string = ''): Destination {
    const id = `${partition} ${acks} ${name}`;
    let found = this.#destinations.get(id);
    if (found === undefined) {
      const { log } = this.#parts;
      const { name: topic, number, partitions } = this.#target;
      const writer = log.checked(
        log.native.kaskaWriter(log.handle, number, partition, acks, -1, -1, name),
        topic,
        'no',
      );
      found = { writer, spread: partition < 0 ? partitions : 1 };
      this.#destinations.set(id, found);
    }
    return found;
  }

  /** Whether there is room for so many bytes more; what was gathered may have been in the way. */
  #takes(bytes: number): boolean {
    const { load } = this.#parts;
    if (load.takes(bytes)) return true;
    this.#parts.handOver();
    return load.takes(bytes);
  }

  /** Has a batch come behind all that was appended before. @throws ChaskiError if there is no room for all of it. */
  #admit(bytes: number): void {
    this.flush();
    if (!this.#takes(bytes)) throw this.#parts.load.refusal(bytes);
  }

  #newShipment(): Shipment {
    return new Shipment(this.#target.name, this.#parts.load);
  }

  #refused(why: ChaskiError): AppendResult {
    const shipment = this.#newShipment();
    shipment.fail(why);
    return new RecordResult(shipment, 0);
  }

  #send(to: Destination, cargo: Cargo, sequence: number, borrowed: boolean): Shipment {
    const shipment = this.#newShipment();
    shipment.carry(weightOf(cargo));
    this.#parts.outbox.send(to, cargo, sequence, shipment, borrowed);
    return shipment;
  }

  #gathering(partition: number, acks: number): Gathering {
    const [first] = this.#gatherings.values();
    const alike =
      first !== undefined && first.acks === acks && first.partition < 0 === partition < 0;
    if (first !== undefined && !alike) this.flush();
    let found = this.#gatherings.get(partition);
    if (found === undefined) {
      // With many partitions in a turn, each has few records.
      const slab = this.#gatherings.size < mostFree ? takeSlab() : new AppendSlab(1024, 16);
      found = { partition, acks, slab, shipment: this.#newShipment() };
      this.#gatherings.set(partition, found);
      if (this.#gatherings.size === 1) this.#parts.gathered(this);
    }
    this.#current = found;
    return found;
  }

  #hand(gathering: Gathering): void {
    this.#gatherings.delete(gathering.partition);
    if (this.#current === gathering) this.#current = undefined;
    this.#ship(gathering);
  }

  async #whole(shipments: readonly Shipment[]): Promise<AppendedBatch> {
    const batch = await whole(shipments);
    if (this.#parts.turns.due) await this.#parts.turns.pause();
    return batch;
  }

  #ship({ partition, acks, slab, shipment }: Gathering): void {
    if (slab.count === 0) return;
    let to: Destination;
    try {
      to = this.destination(partition, acks);
    } catch (error) {
      this.#parts.outbox.refuse(shipment, error as ChaskiError);
      return;
    }
    if (this.#parts.outbox.send(to, cargoOf(slab), -1, shipment, false)) recycle(slab);
  }
}

/** What shipments that belong together come to. */
async function whole(shipments: readonly Shipment[]): Promise<AppendedBatch> {
  const [only, another] = shipments;
  if (only !== undefined && another === undefined) return summed(await only.whole());
  // Each is waited for, lest one that fails is reported by nobody.
  const outcomes = await Promise.allSettled(shipments.map((shipment) => shipment.whole()));
  const parts: AppendedPart[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') throw outcome.reason;
    parts.push(...outcome.value);
  }
  return summed(parts);
}

function summed(all: readonly AppendedPart[]): AppendedBatch {
  const parts: AppendedPart[] = [];
  let sum = 0;
  for (const { partition, offset, count } of all) {
    parts.push({ partition, offset, count });
    sum += count;
  }
  const first = parts[0];
  return { partition: first?.partition ?? 0, offset: first?.offset ?? -1, count: sum, parts };
}

function cargoOf(slab: AppendSlab): {
  readonly bytes: Uint8Array;
  readonly used: number;
  readonly words: Uint32Array;
  readonly count: number;
  readonly full: boolean;
  readonly times: Float64Array;
} {
  const { bytes, used, words, count, full, times } = slab;
  return { bytes, used, words, count, full, times };
}

/** Slabs that were handed over, for the next turn of whatever topic. */
const free: AppendSlab[] = [];
const mostFree = 4;

function takeSlab(): AppendSlab {
  return free.pop() ?? new AppendSlab(slabBytes, 512);
}

function recycle(slab: AppendSlab): void {
  const { length } = slab.bytes;
  if (free.length === mostFree || length < slabBytes || length > 2 * slabBytes) return;
  slab.clear();
  free.push(slab);
}

/** A batch of so many bytes is written at once, on this thread. */
const slabBytes = 64 * 1024;
/** At least what a batch has before its first record. */
const headBytes = 64;
/** Native takes so many in a call. */
const mostRecords = 1 << 20;
/** Values alone, which happen when they are handed over. */
const plain = { full: false, times: new Float64Array(0) } as const;
