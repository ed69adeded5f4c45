// The types of chaski/kaska, as users meet them.
import type { Readable, Writable } from 'node:stream';

import { assertType, expectTypeOf, test } from 'vitest';

import { Kaska } from '../../ts/kaska/index.ts';
import type * as log from '../../ts/kaska/index.ts';

declare const kaska: Kaska;
declare const topic: log.Topic;
declare const bytes: Uint8Array;

test('a log is opened, and never constructed', () => {
  expectTypeOf(Kaska.open({ dir: 'data' })).toEqualTypeOf<Promise<Kaska>>();
  const options: log.KaskaOptions = {
    dir: ':memory:',
    create: false,
    highWaterMark: 1,
    onFull: 'error',
    maxInflatedBytes: 1024,
    closeTimeoutMs: 5,
    segmentBytes: 1 << 20,
    flush: { intervalMs: 10 },
    signal: AbortSignal.timeout(5),
    timeoutMs: Infinity,
  };
  void Kaska.open(options);
  assertType<AsyncDisposable>(kaska);
  // @ts-expect-error -- open() makes one.
  void new Kaska(options);
  // @ts-expect-error -- a folder is needed.
  void Kaska.open({});
  // @ts-expect-error -- there is no such option.
  void Kaska.open({ dir: 'data', path: 'data' });
  // What is undefined is as if it were left out.
  const undecided = { onFull: undefined, signal: undefined, timeoutMs: undefined };
  void Kaska.open({ dir: 'data', ...undecided });
  void topic.append('x', { key: undefined, headers: undefined, partition: undefined });
  topic.read({ from: undefined, until: undefined, signal: undefined });
  // @ts-expect-error -- dir must be given.
  void Kaska.open({ dir: undefined });
});

test('topics are created with options, and seen in a map that nobody can change', () => {
  expectTypeOf(kaska.createTopic('t')).toEqualTypeOf<Promise<log.Topic>>();
  const options: log.TopicOptions = {
    partitions: 3,
    compression: 'zstd',
    flush: 'os',
    segmentBytes: 1 << 20,
    retentionMs: Infinity,
    retentionBytes: 5,
    maxBatchBytes: 1024,
  };
  void kaska.createTopic('t', options);
  // @ts-expect-error -- there is no such compression.
  void kaska.createTopic('t', { compression: 'brotli' });
  expectTypeOf(kaska.topic('t')).toEqualTypeOf<log.Topic>();
  expectTypeOf(kaska.topics).toEqualTypeOf<ReadonlyMap<string, log.Topic>>();
  expectTypeOf(kaska.topics.get('t')).toEqualTypeOf<log.Topic | undefined>();
  // @ts-expect-error -- it is a view.
  kaska.topics.clear();
  // @ts-expect-error -- it stays what it is.
  topic.name = 'u';
  expectTypeOf(kaska.deleteTopic('t')).resolves.toEqualTypeOf<void>();
});

test('any bytes and text can be appended, and what it returns is a promise', () => {
  for (const value of [
    'text',
    bytes,
    Buffer.of(1),
    new ArrayBuffer(1),
    new Float64Array(1),
    null,
  ]) {
    expectTypeOf(topic.append(value)).toEqualTypeOf<log.AppendResult>();
  }
  expectTypeOf(topic.append('x')).resolves.toEqualTypeOf<log.Appended>();
  assertType<Promise<log.Appended>>(topic.append('x'));
  expectTypeOf(topic.append('x').acked).toBeBoolean();
  const headers: log.NewHeaders[] = [
    { a: '1', b: null, c: bytes },
    [
      ['a', '1'],
      ['a', null],
    ],
    new Map([['a', bytes]]),
  ];
  for (const each of headers) void topic.append('x', { headers: each });
  void topic.append('x', { key: bytes, timestamp: new Date(), partition: 0, acks: 1 });
  void topic.append('x', { key: null, timestamp: 5, acks: 'all' });
  // @ts-expect-error -- no bytes, and no text.
  void topic.append(5);
  // @ts-expect-error -- there is no such acknowledgement.
  void topic.append('x', { acks: 2 });
});

test('many are appended from an iterable, or packed', () => {
  const records: (log.NewRecord | log.Bytes | null)[] = ['a', null, { value: bytes, key: 'k' }];
  expectTypeOf(topic.appendBatch(records)).toEqualTypeOf<Promise<log.AppendedBatch>>();
  void topic.appendBatch(new Set(['a']), { partition: 0, acks: 0 });
  const packed: log.Packed = { data: bytes, lengths: Uint32Array.of(1) };
  void topic.appendBatch(packed);
  void topic.appendBatch({ data: bytes, lengths: 3 });
  // @ts-expect-error -- a key is of one record.
  void topic.appendBatch(['a'], { key: 'k' });
  // @ts-expect-error -- a record has a value.
  void topic.appendBatch([{ key: 'k' }]);
  expectTypeOf(topic.flush()).resolves.toEqualTypeOf<void>();
  expectTypeOf(topic.toWritable({ acks: 1 })).toEqualTypeOf<Writable>();
});

test('a writer with a name needs a sequence', async () => {
  const writer: log.Writer = await topic.writer('w', { acks: 1 });
  expectTypeOf(writer.lastSequence(0)).toEqualTypeOf<number | undefined>();
  expectTypeOf(
    writer.appendBatch(['a'], { sequence: 0, partition: 1 }),
  ).resolves.toEqualTypeOf<log.AppendedBatch>();
  // @ts-expect-error -- which number has the first?
  void writer.appendBatch(['a']);
});

test('records and batches are read', async () => {
  const options: log.ReadOptions = {
    from: { position: 'me' },
    until: 'end',
    partition: 0,
    onOutOfRange: 'start',
    onDamage: 'skip',
    signal: AbortSignal.timeout(5),
    arenaBytes: 1 << 16,
  };
  for await (const record of topic.read(options)) {
    expectTypeOf(record).toEqualTypeOf<log.Record>();
    expectTypeOf(record.key).toEqualTypeOf<Uint8Array | null>();
    expectTypeOf(record.value).toEqualTypeOf<Uint8Array | null>();
    expectTypeOf(record.headers[0]?.[1]).toEqualTypeOf<Uint8Array | null | undefined>();
    expectTypeOf(record.json()).toBeUnknown();
    expectTypeOf(record.offsetBigInt).toBeBigInt();
  }
  for await (const batch of topic.batches({ from: new Date() })) {
    expectTypeOf(batch).toEqualTypeOf<log.Batch>();
    expectTypeOf(batch.value(0)).toEqualTypeOf<Uint8Array | null>();
    for (const record of batch) expectTypeOf(record).toEqualTypeOf<log.Record>();
  }
  // @ts-expect-error -- it ends at the end, or not at all.
  topic.read({ until: 5 });
  expectTypeOf(topic.toReadable()).toEqualTypeOf<Readable>();
  expectTypeOf(topic.offsetAt(0)).resolves.toEqualTypeOf<number | undefined>();
  expectTypeOf(topic.endOffset(0)).toBeNumber();
});

test('positions, and the calls of the original', () => {
  const positions: log.Positions = kaska.positions('me');
  expectTypeOf(
    positions.commit('t', 1, { partition: 0, metadata: 'm' }),
  ).resolves.toEqualTypeOf<void>();
  expectTypeOf(positions.committed('t')).toEqualTypeOf<number | undefined>();
  // @ts-expect-error -- an offset is a number.
  void positions.commit('t', 5n);
  const client: log.Client = kaska.client({ onOutOfRange: 'end' });
  expectTypeOf(client.createTopic('t')).resolves.toEqualTypeOf<0>();
  expectTypeOf(client.poll()).resolves.toEqualTypeOf<log.Polled | null>();
  expectTypeOf(client.position('t')).toBeNumber();
});

test('errors and events have their values', () => {
  expectTypeOf<log.OffsetOutOfRange['start']>().toBeNumber();
  expectTypeOf<log.DamagedRecords['topic']>().toEqualTypeOf<string | undefined>();
  expectTypeOf<log.ChaskiError['delivered']>().toEqualTypeOf<log.Delivered | undefined>();
  kaska.on('poisoned', (error) => {
    expectTypeOf(error).toEqualTypeOf<log.ChaskiError>();
  });
  kaska.on('recovered', (note) => {
    expectTypeOf(note).toEqualTypeOf<log.RecoveryNote>();
  });
  kaska.on('close', (error) => {
    expectTypeOf(error).toEqualTypeOf<log.ChaskiError | undefined>();
  });
  // @ts-expect-error -- there is no such event.
  kaska.on('error', () => {});
  expectTypeOf(kaska.recovery).toEqualTypeOf<readonly log.RecoveryNote[]>();
  expectTypeOf(kaska.verify({ timeoutMs: 5 })).resolves.toEqualTypeOf<log.VerifyReport>();
  expectTypeOf(kaska.close({ force: true })).resolves.toEqualTypeOf<void>();
  expectTypeOf(kaska.ref().unref()).toEqualTypeOf<Kaska>();
});
