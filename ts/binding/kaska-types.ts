// What the addon exports for the log, written from docs/design/log.md.

/** A directory that an environment has open. Only the addon makes one. */
export type KaskaHandle = number & { readonly [kaskaHandle]: true };
declare const kaskaHandle: unique symbol;

/** What `kaskaOpen` needs; every field is given. */
interface NativeKaskaConfig {
  /** '' for memory of this process. */
  dir: string;
  create: boolean;
  /** Most bytes of batches that wait to be written. */
  queuedBytes: number;
  /** Most bytes that the records of one batch may inflate to. */
  inflatedBytes: number;
}

/** What is decided when a topic is created; every field is given. */
export interface NativeTopicOptions {
  partitions: number;
  segmentBytes: number;
  /** −1: never. */
  retentionMs: number;
  /** −1: never. */
  retentionBytes: number;
  /** 0 always, 1 every `flushMs`, 2 by the system. */
  flush: number;
  flushMs: number;
  maxBatchBytes: number;
  codec: number;
}

/** A topic as it is. */
export interface NativeTopic extends NativeTopicOptions {
  number: number;
  /** A UUID. */
  id: string;
  name: string;
  createdMs: number;
  /** Kafka's clients could name it. */
  isKafka: boolean;
}

/** What opening found and did in one place. `kind` says which fields are there. */
export interface NativeNote {
  kind: string;
  topic?: number;
  partition?: number;
  /** Base offset of the segment. */
  segment?: number;
  from?: number;
  to?: number;
  bytes?: number;
  batches?: number;
  first?: number;
  next?: number;
  keptAs?: string;
  message?: string;
}

/** What `kaskaVerify` found. */
interface NativeVerified {
  partitions: number;
  batches: number;
  records: number;
  bytes: number;
  damaged: {
    topic: number;
    partition: number;
    first: number;
    next: number;
    message: string;
  }[];
}

/** What went wrong, in words. */
interface NativeKaskaFailure {
  code?: string;
  message?: string;
  /** The same can succeed later: there was no room. */
  retryable?: boolean;
  system?: string;
  call?: string;
}

/** An event of a directory. `kind` says which fields are there. */
export interface NativeKaskaEvent extends NativeKaskaFailure {
  kind:
    | 'open'
    | 'failed'
    | 'poisoned'
    | 'warning'
    | 'damaged'
    | 'recovered'
    | 'topics'
    | 'answer'
    | 'closed';
  /** open: what was found. */
  created?: boolean;
  notes?: NativeNote[];
  /** recovered. */
  note?: NativeNote;
  /** damaged. */
  topic?: number;
  partition?: number;
  first?: number;
  next?: number;
  /** answer. */
  request?: number;
  value?: number;
  report?: NativeVerified;
}

/** Gauges and counters of a directory. */
type NativeKaskaStats = Readonly<Record<string, number>>;

/** The addon's functions for the log. Hot functions return 0 or more, or a negative code of `errorCodes()`. */
export interface NativeKaska {
  kaskaOpen(config: NativeKaskaConfig, wake: () => void): KaskaHandle;
  kaskaWake(handle: KaskaHandle): number;
  kaskaEvents(handle: KaskaHandle): NativeKaskaEvent[];
  kaskaFailure(handle: KaskaHandle, code: number): NativeKaskaFailure | null;
  /** What has become of the topics since this was asked last; the first time all are new. */
  kaskaTopics(handle: KaskaHandle): { readonly new: NativeTopic[]; readonly gone: number[] };
  kaskaTopic(handle: KaskaHandle, name: string): number;
  kaskaCreateTopic(
    handle: KaskaHandle,
    request: number,
    name: string,
    options: NativeTopicOptions,
  ): number;
  kaskaDeleteTopic(handle: KaskaHandle, request: number, topic: number): number;
  kaskaOffsetAt(
    handle: KaskaHandle,
    request: number,
    topic: number,
    partition: number,
    ms: number,
  ): number;
  kaskaMessageLength(handle: KaskaHandle, request: number, topic: number, offset: number): number;
  kaskaVerify(handle: KaskaHandle, request: number): number;
  /** Makes the name of a writer durable; answered. */
  kaskaName(handle: KaskaHandle, request: number, name: string): number;
  /** Acks 0, 1, or 2 for all; codec −1: the topic's; level −1: the codec's; partition −1: by key; name '': none. */
  kaskaWriter(
    handle: KaskaHandle,
    topic: number,
    partition: number,
    acks: number,
    codec: number,
    level: number,
    name: string,
  ): number;
  /** −1: none. */
  kaskaLastSequence(handle: KaskaHandle, writer: number): number;
  kaskaWriterClose(handle: KaskaHandle, writer: number): void;
  kaskaAppendValues(
    handle: KaskaHandle,
    writer: number,
    data: Uint8Array,
    bytes: number,
    lengths: Uint32Array,
    count: number,
    ms: number,
    sequence: number,
    out: Float64Array,
  ): number;
  kaskaAppend(
    handle: KaskaHandle,
    writer: number,
    data: Uint8Array,
    bytes: number,
    shape: Uint32Array,
    count: number,
    times: Float64Array,
    sequence: number,
    places: Uint32Array,
    out: Float64Array,
  ): number;
  kaskaSettled(handle: KaskaHandle, rows: Float64Array): number;
  /** After the appends of a turn: nobody makes them durable before. */
  kaskaCommitTurn(handle: KaskaHandle): void;
  kaskaFlush(handle: KaskaHandle, topic: number, partition: number): number;
  /** Kind 0: `offset`; 1: the start; 2: the end. */
  kaskaReader(
    handle: KaskaHandle,
    topic: number,
    partition: number,
    kind: number,
    offset: number,
  ): number;
  kaskaSeek(handle: KaskaHandle, reader: number, kind: number, offset: number): number;
  kaskaReaderClose(handle: KaskaHandle, reader: number): void;
  kaskaRead(
    handle: KaskaHandle,
    reader: number,
    data: Uint8Array,
    at: number,
    table: Float64Array,
    index: Uint32Array,
    times: Float64Array,
    info: Float64Array,
  ): number;
  /** The index of one batch, which `kaskaRead` did not make. */
  kaskaIndex(
    data: Uint8Array,
    start: number,
    bytes: number,
    count: number,
    baseMs: number,
    index: Uint32Array,
    times: Float64Array,
  ): number;
  kaskaReady(handle: KaskaHandle, out: Uint32Array): number;
  kaskaEnds(handle: KaskaHandle, topic: number, partition: number, out: Float64Array): number;
  kaskaCommit(
    handle: KaskaHandle,
    client: string,
    topic: number,
    partition: number,
    offset: number,
    metadata: string,
  ): number;
  kaskaCommitted(handle: KaskaHandle, client: string, topic: number, partition: number): number;
  kaskaMetadata(
    handle: KaskaHandle,
    client: string,
    topic: number,
    partition: number,
  ): string | null;
  kaskaClient(handle: KaskaHandle, reset: number): number;
  kaskaClientSubscribe(handle: KaskaHandle, client: number, topics: Uint32Array): number;
  kaskaClientUnsubscribe(handle: KaskaHandle, client: number): number;
  kaskaClientPosition(
    handle: KaskaHandle,
    client: number,
    topic: number,
    out: Float64Array,
  ): number;
  kaskaClientSeek(handle: KaskaHandle, client: number, topic: number, offset: number): number;
  kaskaClientPoll(
    handle: KaskaHandle,
    client: number,
    data: Uint8Array,
    info: Float64Array,
  ): number;
  kaskaClientClose(handle: KaskaHandle, client: number): void;
  kaskaStats(handle: KaskaHandle): NativeKaskaStats | null;
  kaskaRef(handle: KaskaHandle, on: boolean): void;
  kaskaClose(handle: KaskaHandle, timeoutMs: number): void;
  kaskaForget(handle: KaskaHandle): void;
}

/** Bits of `kaskaWake`. */
export const kaskaBits = { ready: 1, settled: 2, events: 4, room: 8 } as const;

/** Fields of a row that an append answers with: records that went into one partition as one batch. */
export const appended = {
  partition: 0,
  /** 0: done already. */
  ticket: 1,
  /** −1: not known yet. */
  base: 2,
  records: 3,
  /** 0, or negative. */
  code: 4,
  length: 5,
} as const;

/** Fields of a row of `kaskaSettled`. */
export const settledRow = {
  /** 0: commits and flushes. */
  writer: 0,
  first: 1,
  last: 2,
  /** 0, or negative. */
  code: 3,
  /** Of one whose place was not known before; else −1. */
  base: 4,
  length: 5,
} as const;

/** Fields of a row of the table that `kaskaRead` fills: one batch. */
export const stored = {
  /** Where its records begin. */
  start: 0,
  bytes: 1,
  count: 2,
  /** Number of its first record in the index. */
  indexed: 3,
  /** How it is compressed where it is stored. */
  codec: 4,
  /** Place of the first record that was asked for. */
  wanted: 5,
  base: 6,
  firstMs: 7,
  length: 8,
} as const;

/** Fields of `kaskaRead`'s info array. */
export const readInfo = {
  first: 0,
  next: 1,
  bytes: 2,
  needed: 3,
  visibleEnd: 4,
  start: 5,
  /** One of `readState`. */
  state: 6,
  neededRecords: 7,
  damagedFirst: 8,
  damagedNext: 9,
  length: 12,
} as const;

export const readState = { batches: 0, end: 1, later: 2, needsRoom: 3 } as const;

/** Fields of `kaskaEnds`. */
export const ends = { start: 0, visible: 1, durable: 2, written: 3, length: 4 } as const;

/** What `kaskaClientPoll` answers. */
export const polled = { nothing: 0, message: 1, again: 2, needsRoom: 3 } as const;

/** Fields of `kaskaClientPoll`'s info array. */
export const pollInfo = {
  topic: 0,
  partition: 1,
  offset: 2,
  bytes: 3,
  needed: 4,
  start: 5,
  length: 8,
} as const;

/** A length of the index that stands for null. */
export const nullLength: number = 0xffff_ffff;
