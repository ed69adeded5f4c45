// What a user asks for, parsed once into what the rest can rely on. Each of these throws `ERR_CHASKI_INVALID_ARGUMENT`.
import { types } from 'node:util';

import type { NativeTopicOptions } from '../binding/index.ts';
import { asBytes, isLost, lengthOf, lostMemory } from '../codec/index.ts';
import { flag, integer, object, oneOf, refuseUnknown, text, time } from '../shared/checks.ts';
import { isPlain, timeOf } from '../shared/invalid.ts';
import { longestTimeoutMs, signalOf, timeoutOf } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import { invalid } from './failures.ts';
import type {
  Acks,
  AppendOptions,
  BatchOptions,
  Bytes,
  CloseOptions,
  Compression,
  Flush,
  From,
  KaskaOptions,
  NewHeaders,
  NewRecord,
  OnFull,
  ReadOptions,
  SequenceOptions,
  TopicOptions,
} from './types.ts';

/** Checked options of a directory. */
export interface Settings {
  /** '' for memory. */
  readonly dir: string;
  readonly create: boolean;
  readonly highWaterMark: number;
  readonly onFull: OnFull;
  readonly maxInflatedBytes: number;
  readonly closeTimeoutMs: number;
  readonly segmentBytes: number;
  readonly flush: Flush;
  readonly wait: WaitOptions;
}

export function openOptions(options: KaskaOptions): Settings {
  checkPlain('options', options, openNames);
  const dir = text('dir', options.dir, '');
  if (dir === '') throw invalid('dir', options.dir, "the path of a folder, or ':memory:'");
  return {
    dir: dir === ':memory:' ? '' : dir,
    create: flag('create', options.create, true),
    highWaterMark: byteCount('highWaterMark', options.highWaterMark, 16 << 20, 1, 2 ** 40),
    onFull: oneOf('onFull', options.onFull, ['wait', 'error']),
    maxInflatedBytes: byteCount('maxInflatedBytes', options.maxInflatedBytes, 64 << 20, 1024),
    closeTimeoutMs: time('closeTimeoutMs', options.closeTimeoutMs, 5000),
    segmentBytes: segmentBytesOf(options.segmentBytes, 256 << 20),
    flush: flushOf(options.flush, 'always'),
    wait: waitOf(options),
  };
}

/** What native takes of the options of a topic; what they leave out is as the directory has it. */
export function topicOptions(
  name: string,
  options: TopicOptions | undefined,
  { segmentBytes, flush }: Pick<Settings, 'segmentBytes' | 'flush'>,
): NativeTopicOptions {
  checkTopicName(name);
  const given = options ?? {};
  checkPlain('options', given, topicNames);
  const kind = flushOf(given.flush, flush);
  return {
    partitions: integer('partitions', given.partitions, 1, 1, 65_536),
    segmentBytes: segmentBytesOf(given.segmentBytes, segmentBytes),
    retentionMs: bound('retentionMs', given.retentionMs, 'ms'),
    retentionBytes: bound('retentionBytes', given.retentionBytes, 'bytes'),
    flush: kind === 'always' ? 0 : kind === 'os' ? 2 : 1,
    flushMs: typeof kind === 'object' ? kind.intervalMs : 0,
    maxBatchBytes: byteCount('maxBatchBytes', given.maxBatchBytes, 32 << 20, 1024),
    codec: compressions.indexOf(oneOf('compression', given.compression, compressions)),
  };
}

/** A name that a topic can have. */
export function checkTopicName(name: unknown): asserts name is string {
  checkName('name', name, longestName);
}

/** A name of at most `longest` bytes: text that is the same after it was written as UTF-8. */
export function checkName(what: string, name: unknown, longest: number): asserts name is string {
  if (
    typeof name === 'string' &&
    name !== '' &&
    !name.includes('\0') &&
    !loneSurrogate.test(name)
  ) {
    const bytes = Buffer.byteLength(name);
    if (bytes <= longest) return;
    throw invalid(
      what,
      `${name.slice(0, 40)}…`,
      `text of at most ${longest} bytes of UTF-8 (it has ${bytes})`,
    );
  }
  throw invalid(
    what,
    name,
    `text of 1 to ${longest} bytes of UTF-8, without NUL and lone surrogates`,
  );
}

export interface CheckedAppend {
  readonly key: string | Uint8Array | null;
  readonly headers: CheckedHeaders | undefined;
  /** NaN: now. */
  readonly timestamp: number;
  /** −1: by the key. */
  readonly partition: number;
  readonly acks: number;
}

export function appendOptions(options: AppendOptions, partitions: number): CheckedAppend {
  checkPlain('options', options, appendNames);
  return {
    key: bytesOf('key', options.key ?? null),
    headers: headersOf(options.headers),
    timestamp: timestampOf(options.timestamp),
    partition: partitionOf(options.partition, partitions),
    acks: acksOf(options.acks),
  };
}

export interface CheckedRecord {
  readonly value: string | Uint8Array | null;
  readonly key: string | Uint8Array | null;
  readonly headers: CheckedHeaders | undefined;
  readonly timestamp: number;
}

/** One of many records: a value, or an object with one. */
export function newRecord(record: NewRecord | Bytes | null): CheckedRecord {
  if (!isPlain(record)) return { ...bare, value: bytesOf('a record', record) };
  const given = record as NewRecord;
  refuseUnknown('record', given, recordNames);
  if (given.value === undefined) throw invalid('record.value', undefined, 'bytes, text or null');
  return {
    value: bytesOf('record.value', given.value),
    key: bytesOf('record.key', given.key ?? null),
    headers: headersOf(given.headers),
    timestamp: timestampOf(given.timestamp),
  };
}

export interface CheckedBatch {
  readonly partition: number;
  readonly acks: number;
}

export function batchOptions(options: BatchOptions | undefined, partitions: number): CheckedBatch {
  if (options === undefined) return { partition: partitionOf(undefined, partitions), acks: 2 };
  checkPlain('options', options, batchNames);
  const { partition, acks } = options;
  return { partition: partitionOf(partition, partitions), acks: acksOf(acks) };
}

export function sequenceOptions(
  options: SequenceOptions,
  partitions: number,
): { readonly partition: number; readonly sequence: number } {
  checkPlain('options', options, sequenceNames);
  const { sequence, partition } = options;
  if (sequence === undefined) throw invalid('sequence', sequence, 'a number from 0 to 2^31 − 1');
  return {
    sequence: integer('sequence', sequence, 0, 0, mostSequence),
    partition: onePartition(partition, partitions),
  };
}

/** Where a reading begins: at an offset, a time, or what a client has committed. */
type CheckedFrom = number | 'start' | 'end' | { position: string } | { ms: number };

/** Checked options of a reading. */
export interface ReadSettings {
  readonly from: CheckedFrom;
  readonly untilEnd: boolean;
  /** Undefined: all. */
  readonly partition: number | undefined;
  readonly onOutOfRange: 'fail' | 'start' | 'end';
  readonly skipDamage: boolean;
  readonly signal: AbortSignal | undefined;
  readonly arenaBytes: number;
}

export function readOptions(options: ReadOptions | undefined, partitions: number): ReadSettings {
  const given = options ?? {};
  checkPlain('options', given, readNames);
  const { partition, from = 'start', until } = given;
  if (until !== undefined && until !== 'end') throw invalid('until', until, "'end', or left out");
  if (typeof from === 'number' && partition === undefined && partitions > 1) {
    throw invalid('partition', partition, `a number from 0 to ${partitions - 1} with an offset`);
  }
  return {
    from: fromOf(from),
    untilEnd: until === 'end',
    partition:
      partition === undefined ? undefined : integer('partition', partition, 0, 0, partitions - 1),
    onOutOfRange: oneOf('onOutOfRange', given.onOutOfRange, resets),
    skipDamage: oneOf('onDamage', given.onDamage, ['fail', 'skip']) === 'skip',
    signal: signalOf(given),
    arenaBytes: byteCount('arenaBytes', given.arenaBytes, 64 << 10, 4 << 10, 16 << 20),
  };
}

export interface CheckedClose {
  readonly timeoutMs: number | undefined;
  readonly force: boolean;
}

export function closeOptions(options: CloseOptions | undefined): CheckedClose {
  if (options === undefined) return { timeoutMs: undefined, force: false };
  checkPlain('options', options, ['timeoutMs', 'force']);
  const { timeoutMs } = options;
  return {
    timeoutMs: timeoutMs === undefined ? undefined : timeoutOf({ timeoutMs }),
    force: flag('force', options.force, false),
  };
}

export function waitOptions(options: WaitOptions | undefined): WaitOptions | undefined {
  if (options === undefined) return undefined;
  checkPlain('options', options, ['signal', 'timeoutMs']);
  return waitOf(options);
}

/** Options are a plain object with no other properties than `names`. */
export function checkPlain(what: string, options: unknown, names: readonly string[]): void {
  if (!isPlain(options)) throw invalid(what, options, `an object, as { ${names[0]}: … }`);
  refuseUnknown(what, options, names);
}

export function offsetOf(name: string, offset: unknown): number {
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw invalid(name, offset, 'an offset, a whole number from 0 to 2^53 − 1');
}

export function acksOf(acks: Acks | undefined): number {
  if (acks === undefined || acks === 'all') return 2;
  if (acks === 1 || acks === 0) return acks;
  throw invalid('acks', acks, "'all', 1 or 0");
}

/** Bytes, text or null as they are; other memory as the bytes that it is. */
export function bytesOf(name: string, value: unknown): string | Uint8Array | null {
  if (typeof value === 'string' || value === null) return value;
  const bytes = asBytes(value);
  if (bytes === undefined) throw invalid(name, value, 'bytes, text or null');
  if (lengthOf(bytes) === 0 && isLost(bytes)) throw lostMemory();
  return bytes;
}

/** Ms since 1970; NaN: now. */
export function timestampOf(timestamp: unknown): number {
  if (timestamp === undefined) return NaN;
  const ms = types.isDate(timestamp) ? timeOf(timestamp) : timestamp;
  if (typeof ms === 'number' && Number.isSafeInteger(ms)) return ms;
  throw invalid('timestamp', timestamp, 'a Date, or a whole number of ms since 1970');
}

/** Headers as pairs, their names written as UTF-8. */
export type CheckedHeaders = readonly (readonly [
  name: Uint8Array,
  value: string | Uint8Array | null,
])[];

/** In the order of Kafka's numbers. */
export const compressions: readonly ['none', 'gzip', 'snappy', 'lz4', 'zstd'] = [
  'none',
  'gzip',
  'snappy',
  'lz4',
  'zstd',
] satisfies Compression[] as ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export const longestClient: number = 32_767;
export const resets: readonly ['fail', 'start', 'end'] = ['fail', 'start', 'end'];

function headersOf(headers: NewHeaders | undefined): CheckedHeaders | undefined {
  if (headers === undefined) return undefined;
  if (typeof headers !== 'object' || headers === null || ArrayBuffer.isView(headers)) {
    throw invalid('headers', headers, 'pairs of a name and a value, or an object');
  }
  const pairs: Iterable<unknown> = Symbol.iterator in headers ? headers : Object.entries(headers);
  const checked: [Uint8Array, string | Uint8Array | null][] = [];
  for (const pair of pairs) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string' || loneSurrogate.test(pair[0])) {
      throw invalid('a header', pair, '[name, value], the name as text');
    }
    checked.push([Buffer.from(pair[0]), bytesOf(`the header ${pair[0]}`, pair[1])]);
  }
  return checked.length === 0 ? undefined : checked;
}

/** The partition that is meant: the only one, or the one that is named. */
export function onePartition(partition: unknown, partitions: number): number {
  if (partition !== undefined || partitions === 1) {
    return integer('partition', partition, 0, 0, partitions - 1);
  }
  throw invalid('partition', partition, `a number from 0 to ${partitions - 1}: there are several`);
}

function partitionOf(partition: unknown, partitions: number): number {
  // With one partition there is nothing to choose.
  if (partition === undefined) return partitions === 1 ? 0 : -1;
  return integer('partition', partition, 0, 0, partitions - 1);
}

function fromOf(from: From): CheckedFrom {
  if (from === 'start' || from === 'end') return from;
  if (typeof from === 'number') return offsetOf('from', from);
  if (types.isDate(from)) {
    const ms = timeOf(from);
    if (!Number.isNaN(ms)) return { ms };
  } else if (isPlain(from)) {
    refuseUnknown('from', from, ['position']);
    checkName('from.position', from.position, longestClient);
    return from;
  }
  throw invalid('from', from, "an offset, 'start', 'end', a Date or { position: 'name' }");
}

function flushOf(flush: Flush | undefined, fallback: Flush): Flush {
  if (flush === undefined) return fallback;
  if (flush === 'always' || flush === 'os') return flush;
  if (isPlain(flush)) {
    refuseUnknown('flush', flush, ['intervalMs']);
    const intervalMs = integer('flush.intervalMs', flush.intervalMs, 0, 1, longestTimeoutMs, 'ms');
    if (intervalMs > 0) return { intervalMs };
  }
  throw invalid('flush', flush, "'always', 'os' or { intervalMs }");
}

/** A number of bytes. */
function byteCount(
  name: string,
  value: unknown,
  fallback: number,
  least: number,
  largest: number = most,
): number {
  return integer(name, value, fallback, least, largest, 'bytes');
}

function segmentBytesOf(value: unknown, fallback: number): number {
  return byteCount('segmentBytes', value, fallback, 1 << 20);
}

/** −1 for no bound. */
function bound(name: string, value: number | undefined, unit: 'bytes' | 'ms'): number {
  if (value === undefined || value === Infinity) return -1;
  return integer(name, value, -1, 0, Number.MAX_SAFE_INTEGER, unit);
}

function waitOf(options: WaitOptions): WaitOptions {
  const signal = signalOf(object('options', options));
  const timeoutMs = timeoutOf(options);
  return signal === undefined ? { timeoutMs } : { timeoutMs, signal };
}

/** A text with one cannot be written as UTF-8. */
const loneSurrogate = /\p{Surrogate}/u;
const most = 0x7fff_ffff;
const longestName = 65_534;
const bare: Omit<CheckedRecord, 'value'> = { key: null, headers: undefined, timestamp: NaN };
const openNames =
  'dir create highWaterMark onFull maxInflatedBytes closeTimeoutMs segmentBytes flush signal timeoutMs'.split(
    ' ',
  );
const topicNames =
  'partitions compression flush segmentBytes retentionMs retentionBytes maxBatchBytes'.split(' ');
const appendNames = 'key headers timestamp partition acks'.split(' ');
const recordNames = 'value key headers timestamp'.split(' ');
const batchNames = ['partition', 'acks'];
const sequenceNames = ['sequence', 'partition'];
const readNames = 'from until partition onOutOfRange onDamage signal arenaBytes'.split(' ');
/** Batches store 31 bits of it. */
const mostSequence = 2 ** 31 - 1;
