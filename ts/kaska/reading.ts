// Stored records on their way to one who reads: native is asked only when somebody wants the next ones, for as many as an arena
// takes.
import { ends, readInfo, readState, stored } from '../binding/index.ts';
import { ChaskiError } from '../errors.ts';
import { Arena } from '../shared/arena.ts';
import { Retention } from '../shared/retention.ts';
import type { Waiter } from '../shared/steps.ts';
import { bound } from '../shared/wait.ts';
import { StoredBatch } from './batch.ts';
import type { Extent, Origin, RecordIndex } from './batch.ts';
import { DamagedRecords, OffsetOutOfRange, ofTopic } from './failures.ts';
import type { ReadSettings } from './options.ts';
import type { LogParts } from './parts.ts';
import type { Sleeper } from './readers.ts';
import type { StoredRecord } from './record.ts';

/** What is read. */
export interface Source {
  readonly name: string;
  readonly number: number;
  readonly partitions: number;
}

/** Native's numbers of the beginnings. */
const readerKind = { offset: 0, start: 1, end: 2 } as const;

/** One of the partitions that are read. */
class Track implements Sleeper {
  readonly partition: number;
  readonly reader: number;
  /** Where to stop. */
  readonly until: number;
  /** Nothing is there now; native will tell. */
  asleep: boolean = false;
  done: boolean = false;
  readonly #reading: Reading;

  constructor(reading: Reading, partition: number, reader: number, until: number) {
    this.#reading = reading;
    this.partition = partition;
    this.reader = reader;
    this.until = until;
  }

  wake(): void {
    this.asleep = false;
    this.#reading.serve();
  }

  end(): void {
    this.#reading.end(undefined);
  }
}

/** Somebody waits for the next record, or the next batch. */
interface Want {
  readonly batch: boolean;
  readonly waiter: Waiter<never>;
}

export class Reading {
  /** The batch in hand. Hot consumers read it here and move `cursor`. */
  batch: StoredBatch | undefined = undefined;
  cursor: number = 0;
  /** Records in `batch`. */
  count: number = 0;
  /** The same, or 0 while records are copied out of their arena. */
  sharing: number = 0;
  readonly #parts: LogParts;
  readonly #source: Source;
  readonly #settings: ReadSettings;
  /** Whether records are looked at one by one, so that native makes their index at once. */
  readonly #indexed: boolean;
  readonly #retention: Retention;
  readonly #info: Float64Array = new Float64Array(readInfo.length);
  /** Made when something is read first, as is the arena: many a reading is made and dropped. */
  #table: Float64Array = noTimes;
  #arena: Arena = nothing;
  #numbers: Uint32Array = noNumbers;
  #times: Float64Array = noTimes;
  /** Records that the index has. */
  #indexUsed = 0;
  #origins: Origin[] = [];
  #tracks: Track[] = [];
  /** Where native is positioned; undefined once it is. */
  #opening = false;
  #turn = 0;
  /** Read, and not given. */
  #queue: StoredBatch[] = [];
  #want: Want | undefined = undefined;
  #ended = false;
  #error: ChaskiError | undefined = undefined;
  #disarm: (() => void) | undefined = undefined;

  constructor(parts: LogParts, source: Source, settings: ReadSettings, indexed: boolean) {
    this.#parts = parts;
    this.#source = source;
    this.#settings = settings;
    this.#indexed = indexed;
    this.#retention = new Retention(settings.arenaBytes);
    const { signal } = settings;
    this.#disarm = bound('Reading', signal === undefined ? undefined : { signal }, (error) => {
      this.end(error);
    });
    if (!this.#ended) this.#open();
  }

  /** Nothing will come any more; `error` says why, if that is not in order. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The next record, if it is there. @throws ChaskiError if it cannot be read. */
  take(): StoredRecord | undefined {
    if (this.cursor === this.count && !this.#fill()) return undefined;
    const at = this.cursor;
    this.cursor = at + 1;
    return this.batch?.record(at);
  }

  /** The next batch, if it is there. @throws ChaskiError if it cannot be read. */
  takeBatch(): StoredBatch | undefined {
    if (this.cursor === this.count && !this.#fill()) return undefined;
    const { batch } = this;
    this.cursor = this.count;
    return batch;
  }

  /** Why there will be nothing any more. */
  get error(): ChaskiError | undefined {
    return this.#error;
  }

  /** Tells `waiter` of the next record, or batch. */
  want(batch: boolean, waiter: Waiter<never>): void {
    this.#want = { batch, waiter };
    this.serve();
  }

  giveUp(): void {
    this.#want = undefined;
  }

  /** Gives what is there to who waits. */
  serve(): void {
    const want = this.#want;
    if (want === undefined || this.#opening) return;
    let found: StoredBatch | StoredRecord | undefined;
    try {
      found = want.batch ? this.takeBatch() : this.take();
    } catch (error) {
      this.end(error as ChaskiError);
      return;
    }
    if (found !== undefined) {
      this.#want = undefined;
      want.waiter.give(found as never);
    } else if (this.#ended) {
      this.#tellEnd();
    }
  }

  /** Ends it; who waits is told. */
  end(error: ChaskiError | undefined): void {
    if (!this.#ended) this.#close(error);
    this.#tellEnd();
  }

  #tellEnd(): void {
    const want = this.#want;
    this.#want = undefined;
    want?.waiter.end(this.#error);
  }

  #close(error: ChaskiError | undefined): void {
    this.#ended = true;
    this.#error = error;
    this.#queue = [];
    this.batch = undefined;
    this.cursor = 0;
    this.count = 0;
    this.sharing = 0;
    this.#disarm?.();
    const { log, readers, life } = this.#parts;
    for (const { reader } of this.#tracks) {
      readers.forget(reader);
      if (!life.closed) log.native.kaskaReaderClose(log.handle, reader);
    }
    this.#tracks = [];
  }

  #open(): void {
    const { from, partition } = this.#settings;
    const partitions =
      partition === undefined
        ? Array.from({ length: this.#source.partitions }, (_, i) => i)
        : [partition];
    if (typeof from === 'object' && 'ms' in from) {
      this.#opening = true;
      void this.#openAt(from.ms, partitions);
      return;
    }
    for (const each of partitions) {
      this.#track(each, ...this.#beginning(from, each), this.#end(each));
    }
  }

  #beginning(
    from: Exclude<ReadSettings['from'], { ms: number }>,
    partition: number,
  ): readonly [kind: number, offset: number] {
    if (from === 'start') return [readerKind.start, 0];
    if (from === 'end') return [readerKind.end, 0];
    if (typeof from === 'number') return [readerKind.offset, from];
    const { log } = this.#parts;
    const { number } = this.#source;
    const offset = log.native.kaskaCommitted(log.handle, from.position, number, partition);
    if (offset >= 0) return [readerKind.offset, offset];
    if (log.codeName(offset) !== 'ERR_CHASKI_NOT_FOUND') throw log.failure(offset);
    return [readerKind.start, 0];
  }

  async #openAt(ms: number, partitions: readonly number[]): Promise<void> {
    const { log, requests } = this.#parts;
    const { number } = this.#source;
    try {
      // As they are at the time of the call.
      const lasts = partitions.map((partition) => this.#end(partition));
      const answers = await Promise.all(
        partitions.map((partition) =>
          requests.ask((request) =>
            log.native.kaskaOffsetAt(log.handle, request, number, partition, ms),
          ),
        ),
      );
      this.#opening = false;
      if (this.#ended) return;
      answers.forEach(({ value = -1 }, i) => {
        // None is as late: it begins with what comes after the call, whatever its time.
        const from = value < 0 ? (lasts[i] as number) : value;
        this.#track(partitions[i] as number, readerKind.offset, from, lasts[i] as number);
      });
      this.serve();
    } catch (error) {
      this.#opening = false;
      this.end(ofTopic(this.#source.name, error as ChaskiError));
    }
  }

  /** Where a partition ends for readers now. */
  #end(partition: number): number {
    const { log } = this.#parts;
    const out = new Float64Array(ends.length);
    const { name, number } = this.#source;
    log.checked(log.native.kaskaEnds(log.handle, number, partition, out), name);
    return out[ends.visible] as number;
  }

  /** `last`: where the partition ended when reading began. */
  #track(partition: number, kind: number, offset: number, last: number): void {
    const { log } = this.#parts;
    const { name, number } = this.#source;
    const until = this.#settings.untilEnd ? last : Infinity;
    const reader = log.checked(
      log.native.kaskaReader(log.handle, number, partition, kind, offset),
      name,
    );
    this.#tracks.push(new Track(this, partition, reader, until));
  }

  /** Makes sure that a batch with something left is in hand; false when nothing is there. */
  #fill(): boolean {
    if (this.#ended) return false;
    const batch = this.#queue.shift() ?? this.#next();
    if (batch === undefined) {
      if (!this.#opening && this.#tracks.every(({ done }) => done)) this.#close(undefined);
      return false;
    }
    this.batch = batch;
    this.cursor = 0;
    this.count = batch.length;
    this.sharing = batch.origin.copyUpTo < 0 ? this.count : 0;
    return true;
  }

  /** Of the partitions in turn, beginning behind the one that gave last. */
  #next(): StoredBatch | undefined {
    const { life } = this.#parts;
    if (life.closed) {
      this.#close(undefined);
      return undefined;
    }
    const tracks = this.#tracks;
    for (let i = 0; i < tracks.length; i += 1) {
      const at = (this.#turn + i) % tracks.length;
      const track = tracks[at] as Track;
      if (track.asleep || track.done) continue;
      const batches = this.#read(track);
      const [first, ...others] = batches;
      if (first === undefined) continue;
      this.#turn = at + 1;
      this.#queue = others;
      return first;
    }
    return undefined;
  }

  /** What of a partition is there now. */
  #read(track: Track): StoredBatch[] {
    const info = this.#info;
    let arena = this.#arena.spent ? this.#renewArena() : this.#arena;
    for (;;) {
      const n = this.#readInto(arena, track);
      if (n < 0) {
        if (this.#mend(track, n)) continue;
        return [];
      }
      const state = info[readInfo.state] as number;
      if (n > 0) return this.#batches(track, arena, n);
      if (state === readState.needsRoom) {
        const needed = info[readInfo.needed] as number;
        const records = info[readInfo.neededRecords] as number;
        if (this.#indexed && records > this.#slots) this.#renewIndex(records);
        else if (needed > this.#settings.arenaBytes) arena = new Arena(needed);
        else arena = this.#renewArena();
      } else if (state === readState.batches) {
        throw new ChaskiError('ERR_CHASKI_INTERNAL', 'The native part read nothing, and said so.');
      } else {
        if (state === readState.end && (info[readInfo.next] as number) >= track.until) {
          track.done = true;
        } else {
          track.asleep = true;
          this.#parts.readers.sleep(track.reader, track, state === readState.later);
        }
        return [];
      }
    }
  }

  #readInto(arena: Arena, track: Track): number {
    const { log } = this.#parts;
    if (this.#table.length === 0) this.#table = new Float64Array(batchesAtOnce * stored.length);
    if (this.#indexed && this.#slots < leastSlots) this.#renewIndex(0);
    const used = this.#indexUsed;
    this.#info[readInfo.state] = readState.batches;
    return log.native.kaskaRead(
      log.handle,
      track.reader,
      arena.memory,
      arena.used,
      this.#table,
      this.#indexed ? this.#numbers.subarray(4 * used) : noNumbers,
      this.#indexed ? this.#times.subarray(used) : noTimes,
      this.#info,
    );
  }

  #batches(track: Track, arena: Arena, n: number): StoredBatch[] {
    const table = this.#table;
    const origin = this.#originOf(track.partition, arena);
    const at = this.#indexUsed;
    const batches: StoredBatch[] = [];
    let count = 0;
    for (let row = 0; row < n * stored.length; row += stored.length) {
      const extent: Extent = {
        start: table[row + stored.start] as number,
        bytes: table[row + stored.bytes] as number,
        count: table[row + stored.count] as number,
        codec: table[row + stored.codec] as number,
        base: table[row + stored.base] as number,
        firstMs: table[row + stored.firstMs] as number,
      };
      const wanted = table[row + stored.wanted] as number;
      const index = this.#indexed
        ? {
            numbers: this.#numbers,
            times: this.#times,
            at: at + (table[row + stored.indexed] as number),
          }
        : this.#makeIndex;
      count += extent.count;
      const end = Math.min(extent.count, track.until - extent.base);
      if (end > wanted) batches.push(new StoredBatch(origin, extent, wanted, end - wanted, index));
      if (extent.base + extent.count >= track.until) track.done = true;
    }
    arena.used += this.#info[readInfo.bytes] as number;
    if (this.#indexed) this.#indexUsed += count;
    return batches;
  }

  /** Goes on as the options say; false: it has nothing, now. @throws ChaskiError if they say nothing. */
  #mend(track: Track, code: number): boolean {
    const { log } = this.#parts;
    const { name: topic } = this.#source;
    const { partition, reader } = track;
    const info = this.#info;
    const name = log.codeName(code);
    const { onOutOfRange, skipDamage } = this.#settings;
    if (name === 'ERR_CHASKI_OUT_OF_RANGE') {
      const [offset, start, end] = [
        info[readInfo.next] as number,
        info[readInfo.start] as number,
        info[readInfo.visibleEnd] as number,
      ];
      if (onOutOfRange === 'fail')
        throw new OffsetOutOfRange({ topic, partition, offset, start, end });
      const kind = onOutOfRange === 'start' ? readerKind.start : readerKind.end;
      log.checked(log.native.kaskaSeek(log.handle, reader, kind, 0));
      return true;
    }
    const [first, next] = [
      info[readInfo.damagedFirst] as number,
      info[readInfo.damagedNext] as number,
    ];
    if (skipDamage && next > Number.MAX_SAFE_INTEGER) {
      // Nothing of this partition can be read, which opening has told.
      track.done = true;
      return false;
    }
    if (skipDamage && next > first) {
      log.checked(log.native.kaskaSeek(log.handle, reader, readerKind.offset, next));
      return true;
    }
    if (name === 'ERR_CHASKI_CORRUPT') {
      throw new DamagedRecords({ topic, partition, first, next });
    }
    if (name === 'ERR_CHASKI_CLOSED') {
      this.#close(undefined);
      return false;
    }
    throw ofTopic(topic, log.failure(code));
  }

  /** Records that the index still takes. */
  get #slots(): number {
    return this.#times.length - this.#indexUsed;
  }

  #renewIndex(records: number): void {
    const most = Math.max(records, usualRecords);
    this.#numbers = new Uint32Array(Buffer.allocUnsafeSlow(16 * most).buffer);
    this.#times = new Float64Array(Buffer.allocUnsafeSlow(8 * most).buffer);
    this.#indexUsed = 0;
  }

  #renewArena(): Arena {
    const before = this.#arena;
    this.#arena = new Arena(this.#settings.arenaBytes);
    this.#origins = [];
    if (before !== nothing) this.#retention.retire(before.memory.buffer);
    return this.#arena;
  }

  #originOf(partition: number, { memory }: Arena): Origin {
    const { copyUpTo } = this.#retention;
    const known = this.#origins.find((each) => each.partition === partition);
    if (known?.memory === memory && known.copyUpTo === copyUpTo) return known;
    const origin = { topic: this.#source.name, partition, memory, buffer: memory.buffer, copyUpTo };
    if (memory === this.#arena.memory) {
      this.#origins = this.#origins.filter((each) => each.partition !== partition);
      this.#origins.push(origin);
    }
    return origin;
  }

  readonly #makeIndex = ({ origin, extent }: StoredBatch): RecordIndex => {
    const { start, bytes, count, firstMs } = extent;
    const numbers = new Uint32Array(4 * count);
    const times = new Float64Array(count);
    const { log } = this.#parts;
    log.checked(log.native.kaskaIndex(origin.memory, start, bytes, count, firstMs, numbers, times));
    return { numbers, times, at: 0 };
  };
}

const batchesAtOnce = 64;
const leastSlots = 64;
const usualRecords = 2048;
const noNumbers = new Uint32Array(0);
const noTimes = new Float64Array(0);
const nothing = new Arena(0);
