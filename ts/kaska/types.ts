// Public types of chaski/kaska.
import type { ChaskiError } from '../errors.ts';
import type { WaitOptions } from '../shared/wait.ts';
import type { DamagedRecords } from './failures.ts';

/** What a key, a value or the value of a header is given as. Text is taken as UTF-8; all else as the bytes that it is. */
export type Bytes = string | Uint8Array | ArrayBufferView | ArrayBufferLike;

/** How batches are compressed where they are stored. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/**
 * When an append is acknowledged.
 *
 * - 'all': after fsync. It survives a power cut.
 * - 1: after `write`. It survives the death of the process, and not a power cut.
 * - 0: nothing is promised.
 */
export type Acks = 'all' | 1 | 0;

/**
 * When the records of a topic are synced if nobody waits for it.
 *
 * - 'always': at once, those of many appends together. Readers see what is durable, and nothing else.
 * - `{ intervalMs }`: after so many ms at the latest; 'os': when the system does. Readers see what is written, and a power cut may
 *   take back what they read. An append with acks 'all' is synced at once all the same.
 */
export type Flush = 'always' | 'os' | { readonly intervalMs: number };

/**
 * What an append does while `highWaterMark` bytes were appended that are not acknowledged.
 *
 * - 'wait': it waits its turn, up to four times the mark; beyond, it is refused.
 * - 'error': it is refused.
 *
 * Appends of one turn of the loop count, too. One is taken whatever its size is when there is no other. What is written at once is
 * acknowledged at once with acks 1 and 0, and in memory.
 *
 * What is refused rejects with `ERR_CHASKI_QUEUE_FULL` and `delivered: 'no'`.
 */
export type OnFull = 'wait' | 'error';

export interface KaskaOptions extends WaitOptions {
  /** The folder, or ':memory:': nothing is kept then, and nobody else can open it. */
  dir: string;
  /** Make it if it is not there, or is empty. Default true. */
  create?: boolean | undefined;
  /** Bytes that may be appended and not acknowledged; see `onFull`. Default 16 MiB. */
  highWaterMark?: number | undefined;
  /** Default 'wait'. */
  onFull?: OnFull | undefined;
  /** The most that the records of one compressed batch may be inflated to, in bytes. Default 64 MiB. */
  maxInflatedBytes?: number | undefined;
  /** How long `close()` waits for what is not acknowledged. Default 5000. */
  closeTimeoutMs?: number | undefined;
  /** Of the topics that are created without one. */
  segmentBytes?: number | undefined;
  /** Of the topics that are created without one. */
  flush?: Flush | undefined;
}

export interface TopicOptions {
  /** 1 to 65,536. Default 1. */
  partitions?: number | undefined;
  /** Default 'none'. */
  compression?: Compression | undefined;
  /** Default 'always'. */
  flush?: Flush | undefined;
  /** A file has at most so many bytes, 1 MiB to 2^31 − 1. Default 256 MiB. */
  segmentBytes?: number | undefined;
  /** Segments whose last append is longer ago are deleted. Default Infinity. */
  retentionMs?: number | undefined;
  /** The oldest segments of a partition beyond so many bytes are deleted. Default Infinity. */
  retentionBytes?: number | undefined;
  /** The longest batch, 1 KiB to 2^31 − 1; also before it is compressed. A record has at most 128 bytes less. Default 32 MiB. */
  maxBatchBytes?: number | undefined;
}

/** Headers of a record, in order; names may repeat. */
export type NewHeaders =
  | Iterable<readonly [name: string, value: Bytes | null]>
  | { readonly [name: string]: Bytes | null };

export interface AppendOptions {
  /** Records with the same key go to the same partition. Default null. */
  key?: Bytes | null | undefined;
  headers?: NewHeaders | undefined;
  /** Ms since 1970. Default: now. */
  timestamp?: number | Date | undefined;
  /** Default: by the key; without one, the partitions in turn. */
  partition?: number | undefined;
  /** Default 'all'. */
  acks?: Acks | undefined;
}

/** A record to be appended. */
export interface NewRecord {
  readonly value: Bytes | null;
  readonly key?: Bytes | null | undefined;
  readonly headers?: NewHeaders | undefined;
  readonly timestamp?: number | Date | undefined;
}

export interface BatchOptions {
  /** As of an append. */
  partition?: number | undefined;
  /** Default 'all'. */
  acks?: Acks | undefined;
}

/** Where a record is. */
export interface Appended {
  readonly partition: number;
  /** −1 where it is not known: with acks 0, when the record waits to be written. */
  readonly offset: number;
}

/** Where the records of a batch are: `count` of them from `offset` on, of each partition. */
export interface AppendedPart extends Appended {
  readonly count: number;
}

/** Where many records are. `partition` and `offset` are those of the first part, `count` is of all. */
export interface AppendedBatch extends AppendedPart {
  /** One for each batch that was stored. */
  readonly parts: readonly AppendedPart[];
}

/** What `append()` returns: a promise that costs next to nothing until somebody looks at it. */
export interface AppendResult extends Promise<Appended> {
  /** True once it is acknowledged. */
  readonly acked: boolean;
}

/** Where reading begins. A Date: at the first record of that time or later. `position`: where that client has committed, or at the start. */
export type From = number | 'start' | 'end' | Date | { readonly position: string };

export interface ReadOptions {
  /** Default 'start'. An offset needs `partition`, unless there is one only. */
  from?: From | undefined;
  /** 'end': stop where the end was when reading began. Default: go on for ever, and wait for what comes. */
  until?: 'end' | undefined;
  /** Default: all of them, in turn. */
  partition?: number | undefined;
  /** What to do at an offset that is not there any more, or not yet. Default 'fail'. */
  onOutOfRange?: 'fail' | 'start' | 'end' | undefined;
  /** What to do at records that are damaged. Default 'fail'. */
  onDamage?: 'fail' | 'skip' | undefined;
  /** Ends the reading with `ERR_CHASKI_ABORTED`. */
  signal?: AbortSignal | undefined;
  /** Memory that records are read into at once, 4 KiB to 16 MiB. A view of one keeps all of it. Default 64 KiB. */
  arenaBytes?: number | undefined;
}

/** Headers of a record that was read. */
export type Headers = readonly (readonly [name: string, value: Uint8Array | null])[];

/** A record as it is stored. Its bytes are views, made when they are looked at, and valid for ever. */
export interface Record {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly offsetBigInt: bigint;
  /** Ms since 1970. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Headers;
  /** The value as UTF-8; '' for null. */
  text(): string;
  /** The value as JSON; null for null. @throws SyntaxError for what is none. */
  json(): unknown;
  /** The value in memory of its own; empty for null. */
  copy(): Uint8Array;
}

/** Records in a row, as they were stored together. Nothing is made of one until it is asked for. */
export interface Batch extends Iterable<Record> {
  readonly topic: string;
  readonly partition: number;
  /** Of the first record. The others follow without a gap. */
  readonly offset: number;
  /** How many. */
  readonly length: number;
  /** Where its bytes are, among others. */
  readonly memory: Uint8Array;
  /** How it is compressed where it is stored. */
  readonly compression: Compression;
  value(i: number): Uint8Array | null;
  key(i: number): Uint8Array | null;
  timestamp(i: number): number;
  headers(i: number): Headers;
  /** Where value i begins in `memory`. */
  valueStart(i: number): number;
  /** −1 for null. */
  valueLength(i: number): number;
}

export interface CommitOptions {
  /** Needed if the topic has several. */
  partition?: number | undefined;
  /** Kept with it: text of at most 4,096 bytes. Default ''. */
  metadata?: string | undefined;
}

/** Durable positions of one consumer, by its name. */
export interface Positions {
  /**
   * Stores where it is: the offset of the next record that it wants. Resolves after fsync.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_FOUND`, `_INVALID_ARGUMENT`, `_STORAGE`, `_CLOSED`.
   */
  commit(topic: string, offset: number, options?: CommitOptions): Promise<void>;
  /** What was committed; undefined if nothing was. @throws ChaskiError `ERR_CHASKI_NOT_FOUND`. */
  committed(topic: string, partition?: number): number | undefined;
  /** The metadata that was committed with it. */
  metadata(topic: string, partition?: number): string | undefined;
}

export interface WriterOptions {
  /** Default 'all'. */
  acks?: Acks | undefined;
}

export interface SequenceOptions {
  /** Number of the first record, 0 to 2^31 − 1; the others count on, to the same bound. Records whose number was stored are left out. */
  sequence: number;
  /** Needed if the topic has several. */
  partition?: number | undefined;
}

/** What happened when a directory was opened, or while it was open. */
export interface RecoveryNote {
  /** 'cut', 'removed', 'damaged', 'missing', or another. */
  readonly kind: string;
  /** Undefined for positions, and for what concerns no topic. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  /** All that is known of it, for people. */
  readonly message: string;
  /** First offset that is lost, and first that can be read again. */
  readonly first: number | undefined;
  readonly next: number | undefined;
  /** Where the bytes are kept, below the directory. */
  readonly keptAs: string | undefined;
}

export interface VerifyReport {
  readonly partitions: number;
  readonly batches: number;
  readonly records: number;
  /** Of the batches, inflated. */
  readonly bytes: number;
  /** What cannot be read; at most 1,000 are listed. */
  readonly damaged: readonly {
    readonly topic: string | undefined;
    readonly partition: number;
    /** First offset that cannot be read, and first that can again. */
    readonly first: number;
    readonly next: number;
    /** Why, in words. */
    readonly message: string;
  }[];
}

export interface CloseOptions {
  /** How long to wait for what is not acknowledged. Default: the option `closeTimeoutMs`. */
  timeoutMs?: number | undefined;
  /** Wait for nothing. */
  force?: boolean | undefined;
}

export type Stats = Readonly<{ [name: string]: number }>;

export interface KaskaEvents {
  /** Something was mended while it was open. */
  recovered: [note: RecoveryNote];
  /** A sync failed. Nothing is accepted any more until the directory is opened again; reading goes on. */
  poisoned: [error: ChaskiError];
  /** A read found records that are damaged. */
  damaged: [error: DamagedRecords];
  warning: [error: ChaskiError];
  /** After `needDrain` was true: half of `highWaterMark` is free again. */
  drain: [];
  /** It is closed, with what kept that from being done in order. */
  close: [error: ChaskiError | undefined];
}

/** What the client of the original Kaska gets by `poll()`. */
export interface Polled {
  readonly topic: string;
  readonly msg: Uint8Array;
  readonly offset: number;
}

export interface ClientOptions {
  /** What `poll()` does where the records at its offset are gone. Default 'fail'. */
  onOutOfRange?: 'fail' | 'start' | 'end' | undefined;
}
