// Kaska: a persistent log of topics in the user's own process. `Kaska.open()` opens a folder; `topic.append()` stores records, `for
// await` over `topic.read()` gives them. How a record becomes durable, and is read again, is told in docs/design/log.md.
//
// `kaska` and `topic` are what users hold. Behind them: on the way in `appends` (with `append-slab`), `outbox` (with `append-result`,
// `settling`) and `writer`; on the way out `iterators`, `reading` (with `batch`, `record`, `headers`, `readers`). `client` has the calls
// of the original Kaska, `positions` what consumers have committed.
export { ChaskiError } from '../errors.ts';
export type { ChaskiErrorOptions, Delivered, ErrorCode } from '../errors.ts';
export type { Packed } from '../shared/packed.ts';
export type { WaitOptions } from '../shared/wait.ts';
export type { Client } from './client.ts';
export { DamagedRecords, OffsetOutOfRange } from './failures.ts';
export { Kaska } from './kaska.ts';
export type { Topic } from './topic.ts';
export type {
  Acks,
  Appended,
  AppendedBatch,
  AppendedPart,
  AppendOptions,
  AppendResult,
  Batch,
  BatchOptions,
  Bytes,
  ClientOptions,
  CloseOptions,
  CommitOptions,
  Compression,
  Flush,
  From,
  Headers,
  KaskaEvents,
  KaskaOptions,
  NewHeaders,
  NewRecord,
  OnFull,
  Polled,
  Positions,
  ReadOptions,
  Record,
  RecoveryNote,
  SequenceOptions,
  Stats,
  TopicOptions,
  VerifyReport,
  WriterOptions,
} from './types.ts';
export type { Writer } from './writer.ts';
