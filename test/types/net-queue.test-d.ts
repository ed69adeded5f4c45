// The types of chaski/net-queue, as users meet them.
import type { Writable } from 'node:stream';

import { assertType, expectTypeOf, test } from 'vitest';

import * as nq from '../../ts/net-queue/index.ts';

test('new and open take protocol, purpose and options, or one object', () => {
  expectTypeOf(
    nq.new(nq.Protocol.TCP, nq.Purpose.SERVER, { port: 0 }),
  ).toEqualTypeOf<nq.Communicator>();
  expectTypeOf(nq.new<string>({ purpose: 'client', serializer: 'json' })).toEqualTypeOf<
    nq.Communicator<string>
  >();
  expectTypeOf(nq.open<Uint8Array>({ serializer: 'bytes' })).toEqualTypeOf<
    Promise<nq.Communicator<Uint8Array>>
  >();
  // @ts-expect-error -- there is no such protocol.
  nq.new('udp');
  // @ts-expect-error -- there is no such option.
  nq.new({ timeout: 5 });
});

test('the name of a serializer that reads one type says what messages are', () => {
  type Streams = nq.Communicator<nq.IncomingStream>;
  type Bytes = nq.Communicator<Uint8Array>;
  const streams = nq.new({ port: 1, serializer: 'stream' });
  expectTypeOf(streams).toEqualTypeOf<Streams>();
  expectTypeOf(nq.open({ serializer: 'stream' })).toEqualTypeOf<Promise<Streams>>();
  expectTypeOf(nq.new('tcp', 'server', { serializer: 'stream' })).toEqualTypeOf<Streams>();
  expectTypeOf(nq.open(nq.Protocol.UNIX, undefined, { serializer: 'stream' })).toEqualTypeOf<
    Promise<Streams>
  >();
  void streams.put(new Uint8Array(1));
  // @ts-expect-error -- not bytes.
  void streams.put('text');
  const bytes = nq.new({ port: 1, serializer: 'bytes' });
  expectTypeOf(bytes).toEqualTypeOf<Bytes>();
  expectTypeOf(nq.open({ serializer: 'bytes' })).toEqualTypeOf<Promise<Bytes>>();
  expectTypeOf(nq.new('tcp', 'server', { serializer: 'bytes' })).toEqualTypeOf<Bytes>();
  expectTypeOf(nq.open('tcp', 'server', { serializer: 'bytes' })).toEqualTypeOf<Promise<Bytes>>();
  for (const data of [new ArrayBuffer(1), new DataView(new ArrayBuffer(1)), Buffer.of(1)]) {
    void bytes.put(data);
  }
  // @ts-expect-error -- not bytes.
  void bytes.put('text');
  expectTypeOf(nq.new<string>({ serializer: 'json' })).toEqualTypeOf<nq.Communicator<string>>();
  expectTypeOf(nq.new({ serializer: 'auto' })).toEqualTypeOf<nq.Communicator>();
  const chosen = 'bytes' as 'bytes' | 'json';
  expectTypeOf(nq.new({ serializer: chosen })).toEqualTypeOf<nq.Communicator>();
  assertType<nq.Communicator>(bytes);
  assertType<nq.Communicator>(streams);
});

test('a serializer says what messages are', () => {
  const serializer: nq.Serializer<Date> = {
    encode: (value) => Buffer.from(value.toJSON()),
    decode: (bytes) => new Date(Buffer.from(bytes).toString()),
  };
  const queue = nq.new({ serializer });
  expectTypeOf(queue).toEqualTypeOf<nq.Communicator<Date>>();
  expectTypeOf(queue.get()).resolves.toEqualTypeOf<nq.Message<Date>>();
  // @ts-expect-error -- not a Date.
  void queue.put('text');
});

test('pickles are read and written by name, or by a serializer that knows classes', () => {
  class Point {
    readonly x: number = 1;
  }
  expectTypeOf(nq.new<string>({ serializer: 'pickle' })).toEqualTypeOf<nq.Communicator<string>>();
  const serializer = nq.pickle({
    allow: ['points'],
    decoders: { 'points.Point': (args, state) => [args, state] },
    encoders: [{ type: Point, encode: ({ x }: Point) => ({ name: 'points.Point', args: [x] }) }],
  });
  expectTypeOf(serializer).toEqualTypeOf<nq.PickleSerializer>();
  expectTypeOf(nq.new({ serializer })).toEqualTypeOf<nq.Communicator>();
  expectTypeOf(nq.new({ serialization: serializer })).toEqualTypeOf<nq.Communicator>();
  expectTypeOf(new nq.Tuple(1, 2)).toExtend<number[]>();
  expectTypeOf(new nq.NdArray(new Float32Array(2)).data).toEqualTypeOf<nq.NumericArray>();
  // @ts-expect-error -- an encoder names what Python is to make.
  nq.pickle({ encoders: [{ type: Point, encode: () => ({}) }] });
  // @ts-expect-error -- there is no such option.
  nq.pickle({ alow: [] });
});

test('put gives a promise that knows its peers', async () => {
  const queue = nq.new<string>();
  const result = queue.put('text', 'peer');
  expectTypeOf(result).toEqualTypeOf<nq.PutResult>();
  assertType<Promise<void>>(result);
  expectTypeOf(await result).toEqualTypeOf<void>();
  expectTypeOf(result.futures).toEqualTypeOf<ReadonlyMap<string, Promise<void>>>();
  expectTypeOf(result.cancel()).toEqualTypeOf<boolean>();
  expectTypeOf(
    queue.put('text', { peers: ['peer'], transfer: true }),
  ).toEqualTypeOf<nq.PutResult>();
  expectTypeOf(queue.trySend('text', { transfer: true })).toEqualTypeOf<boolean>();
  expectTypeOf(queue.send('text', { transfer: true, timeoutMs: 5 })).resolves.toEqualTypeOf<void>();
  // @ts-expect-error -- ids, or options.
  void queue.put('text', 'peer', { transfer: true });
  void queue.putMany(['a', 'b']);
  void queue.putMany({ data: new Uint8Array(8), lengths: 4 });
});

test('a Stream can be put in the place of a message', () => {
  const stream = new nq.Stream();
  const queue = nq.new<Uint8Array>({ serializer: 'bytes' });
  void queue.put(stream, 'peer');
  void queue.put(stream, { peers: ['peer'] });
  void queue.send(stream, { timeoutMs: 5 });
  expectTypeOf(queue.trySend(stream)).toEqualTypeOf<boolean>();
  void queue.putMany([stream, new Uint8Array(1)], 'peer');
  // @ts-expect-error -- neither bytes nor a Stream.
  void queue.put('text');
});

test('messages come one by one, in batches and by callback', async () => {
  const queue = nq.new<string>();
  for await (const message of queue) {
    expectTypeOf(message).toEqualTypeOf<nq.Message<string>>();
    expectTypeOf(message.data).toEqualTypeOf<string>();
  }
  for await (const batch of queue.batches({ max: 10 })) {
    expectTypeOf(batch.at(0)).toEqualTypeOf<string>();
    const parcel = batch.toParcel();
    expectTypeOf(parcel.transferList).toEqualTypeOf<ArrayBuffer[]>();
    expectTypeOf(nq.fromParcel<string>(parcel, { serializer: 'json' }).at(0)).toBeString();
  }
  queue.subscribe((data, peer, seq) => {
    expectTypeOf(data).toEqualTypeOf<string>();
    expectTypeOf(peer).toEqualTypeOf<string>();
    expectTypeOf(seq).toEqualTypeOf<number>();
  });
});

test('a stream can be imported, and knows its methods under all their names', () => {
  const stream: nq.Stream = nq.Stream.fromBuffer(new Uint8Array(3));
  expectTypeOf(stream.readChunk()).toEqualTypeOf<Uint8Array | undefined>();
  expectTypeOf(stream.readchunk).toEqualTypeOf(stream.readview);
  const bytes: nq.BytesLike = new Float64Array(1);
  expectTypeOf(nq.Stream.frombytes(bytes)).toEqualTypeOf<nq.Stream>();
  const options: nq.StreamWritableOptions = { highWaterMark: 1 };
  expectTypeOf(stream.toWritable(options)).toEqualTypeOf<Writable>();
});

test('a group puts what its communicator puts', () => {
  const queue = nq.new<string>();
  const group = queue.group('one', 'two');
  expectTypeOf(group).toEqualTypeOf<nq.Group<string>>();
  expectTypeOf(group.add('three').delete('one').peers).toEqualTypeOf<ReadonlySet<string>>();
  expectTypeOf(group.put('text', { transfer: true })).toEqualTypeOf<nq.PutResult>();
  expectTypeOf(group.send('text', { timeoutMs: 5 })).resolves.toEqualTypeOf<void>();
  void queue.put('text', group.id, 'four');
  // @ts-expect-error -- the group says to whom.
  void group.put('text', { peers: ['one'] });
  // @ts-expect-error -- not a string.
  void group.put(1);
});

test('a peer can have a policy of its own', () => {
  const queue = nq.new();
  const options: nq.PeerOptions = { onFull: 'drop-oldest', highWaterMark: { messages: 5 } };
  expectTypeOf(queue.configure('peer', options)).toEqualTypeOf<void>();
  // @ts-expect-error -- there is no such policy.
  queue.configure('peer', { onFull: 'drop' });
});

test('events have their values', () => {
  const queue = nq.new();
  queue.on('lost', (peer, error) => {
    expectTypeOf(peer).toEqualTypeOf<string>();
    expectTypeOf(error).toEqualTypeOf<nq.ChaskiError | undefined>();
  });
  // @ts-expect-error -- there is no such event.
  queue.on('error', () => {});
});
