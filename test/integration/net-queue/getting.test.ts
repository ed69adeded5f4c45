import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { ChaskiError } from 'chaski/net-queue';
import type { Batch, Communicator, Message } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { bytesOf, numbered, numberIn } from './support/payloads.ts';
import { event, rejection, settled, soon, take, turn, until, values } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(worlds)('getting, $name', (world) => {
  const net = useNet(world);

  it('gives a message with its sender, its number and its bytes', async () => {
    const { server, client } = await net.pair();
    await client.put('one');
    await client.put(Uint8Array.of(5, 6));
    const first = await server.get();
    expect([first.peer, first.seq, first.data]).toEqual([client.id, 1, 'one']);
    const second = await server.get();
    expect([second.peer, second.seq, second.byteLength]).toEqual([client.id, 2, 2]);
    expect(second.data).toEqual(Uint8Array.of(5, 6));
    expect(second.bytes).toEqual(Uint8Array.of(5, 6));
    const copy = second.copy();
    expect(copy).toEqual(Uint8Array.of(5, 6));
    expect(copy.buffer.byteLength).toBe(2);
  });

  it('waits for a message, and serves those who wait in the order in which they came', async () => {
    const { server, client } = await net.pair();
    const waiting = [server.get(), server.get(), server.get()];
    await turn(3);
    expect(await settled(waiting[0]!)).toBe('pending');
    await client.putMany(['a', 'b', 'c']);
    expect((await Promise.all(waiting)).map(({ data }) => data)).toEqual(['a', 'b', 'c']);
  });

  it('gives a get() up after timeoutMs or by its signal, and loses no message by that', async () => {
    const { server, client } = await net.pair();
    const stop = new AbortController();
    const stopped = rejection(server.get({ signal: stop.signal }));
    const late = await rejection(server.get({ timeoutMs: 20 }));
    expect([late.code, late.retryable]).toEqual(['ERR_CHASKI_TIMEOUT', true]);
    stop.abort('reason');
    const aborted = await stopped;
    expect([aborted.code, aborted.cause]).toEqual(['ERR_CHASKI_ABORTED', 'reason']);
    await client.put('kept');
    expect((await rejection(server.get({ signal: AbortSignal.abort() }))).code).toBe(
      'ERR_CHASKI_ABORTED',
    );
    expect((await server.get({ timeoutMs: 5000 })).data).toBe('kept');
  });

  it('gives what is there even with timeoutMs 0', async () => {
    const { server, client } = await net.pair();
    await client.put('there');
    await until(() => server.stats()['heldMessages'] !== 0, 'the message to be there');
    await turn(5);
    expect((await server.get({ timeoutMs: 0 })).data).toBe('there');
    expect((await rejection(server.get({ timeoutMs: 0 }))).code).toBe('ERR_CHASKI_TIMEOUT');
  });

  it('gets the messages of one peer, and leaves those of others where they are', async () => {
    const server = await net.server();
    const [a, b] = (await Promise.all([1, 2].map(() => net.client(server)))) as [
      Communicator,
      Communicator,
    ];
    await until(() => server.peers.size === 2, 'two peers');
    await a.putMany([1, 2, 3, 4]);
    const forB = server.get({ peer: b.id });
    await turn(3);
    expect(await settled(forB)).toBe('pending');
    expect((await server.get({ peer: a.id })).data).toBe(1);
    await b.putMany([10, 20, 30]);
    expect((await forB).data).toBe(10);
    expect((await server.get({ peer: b.id })).data).toBe(20);
    expect((await server.get({ peer: a.id })).data).toBe(2);
    const batch = await server.getBatch({ peer: a.id, max: 1 });
    expect([batch.peer, batch.length, batch.at(0)]).toEqual([a.id, 1, 3]);
    const rest = await values(server, 2);
    expect(new Set(rest)).toEqual(new Set([4, 30]));
    const unknown = rejection(server.get({ peer: 'nobody', timeoutMs: 20 }));
    expect((await unknown).code).toBe('ERR_CHASKI_TIMEOUT');
  });

  it('tells at once with tryGet() whether something is there', async () => {
    const { server, client } = await net.pair();
    expect(server.tryGet()).toBeUndefined();
    await client.putMany(['x', 'y']);
    let first: Message | undefined;
    await until(() => (first = server.tryGet()) !== undefined, 'a message');
    expect(first?.data).toBe('x');
    expect(server.tryGet('nobody')).toBeUndefined();
    expect(server.tryGet(client.id)?.data).toBe('y');
    expect(server.tryGet()).toBeUndefined();
  });

  it('iterates with for await until a client closes, and then goes on with the next iteration', async () => {
    const { server, client } = await net.pair<number>();
    void client.putMany(Array.from({ length: 5000 }, (_, i) => i));
    let next = 0;
    for await (const { data } of server) {
      expect(data).toBe(next);
      next += 1;
      if (next === 2500) break;
    }
    const rest = await values(server, 2500);
    expect([rest[0], rest.at(-1)]).toEqual([2500, 4999]);

    await server.put(1);
    await server.put(2);
    const seen: number[] = [];
    const closing = server.close();
    for await (const { data } of client) seen.push(data);
    await closing;
    expect(seen).toEqual([1, 2]);
  });

  it('shares the messages between iterations, each message to one of them', async () => {
    const { server, client } = await net.pair<number>();
    const seen: number[] = [];
    const workers = [1, 2, 3].map(async () => {
      for await (const { data } of server) {
        seen.push(data);
        await turn();
      }
    });
    await client.putMany(Array.from({ length: 300 }, (_, i) => i));
    await until(() => seen.length === 300, 'all messages');
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    await client.close();
    await server.close();
    await soon(Promise.all(workers), 'the iterations end');
  });

  it('answers next() calls that are made ahead, in order', async () => {
    const { server, client } = await net.pair<number>();
    const iterator = server[Symbol.asyncIterator]();
    const steps = [iterator.next(), iterator.next(), iterator.next()];
    await client.putMany([1, 2, 3]);
    const results = await soon(Promise.all(steps), 'three steps');
    expect(results.map(({ value }) => (value as Message<number>).data)).toEqual([1, 2, 3]);
    const waiting = iterator.next();
    await turn();
    expect(await iterator.return?.()).toEqual({ value: undefined, done: true });
    expect(await soon(waiting, 'the step that waited')).toEqual({ value: undefined, done: true });
    await client.put(4);
    expect(await values(server, 1)).toEqual([4]);
  });

  it('calls a handler for each message, and leaves the rest when the subscription is closed', async () => {
    const { server, client } = await net.pair<number>();
    const seen: unknown[] = [];
    const subscription = server.subscribe((data, peer, seq) => {
      seen.push([data, peer, seq]);
      if (data === 20) subscription.close();
    });
    await client.putMany([10, 20, 30, 40]);
    await until(() => subscription.closed, 'the handler has closed it');
    expect(seen).toEqual([
      [10, client.id, 1],
      [20, client.id, 2],
    ]);
    expect(await values(server, 2)).toEqual([30, 40]);
  });

  it('goes on after a handler that throws or rejects, and tells it by a warning', async () => {
    const { server, client } = await net.pair<number>();
    const warnings: ChaskiError[] = [];
    server.on('warning', (error) => warnings.push(error));
    const seen: number[] = [];
    server.subscribe((data) => {
      seen.push(data);
      if (data === 1) throw new Error('thrown');
      return data === 2 ? Promise.reject(new Error('rejected')) : undefined;
    });
    await client.putMany([1, 2, 3]);
    await until(() => seen.length === 3 && warnings.length === 2, 'three calls, two warnings');
    expect(warnings.map(({ code }) => code)).toEqual(['ERR_CHASKI_HANDLER', 'ERR_CHASKI_HANDLER']);
    expect(warnings.map(({ cause }) => (cause as Error).message)).toEqual(['thrown', 'rejected']);
  });

  it('lets one consumer be at a time when that is a subscription', async () => {
    const { server, client } = await net.pair();
    const subscription = server.subscribe(() => {});
    const busy = 'ERR_CHASKI_BUSY';
    expect((await rejection(server.get())).code).toBe(busy);
    expect(() => server.tryGet()).toThrow(expect.objectContaining({ code: busy }) as Error);
    expect(() => server[Symbol.asyncIterator]()).toThrow(ChaskiError);
    expect(() => server.batches()).toThrow(ChaskiError);
    expect(() => server.subscribe(() => {})).toThrow(ChaskiError);
    subscription.close();
    subscription.close();
    const waiting = server.get();
    expect(() => server.subscribe(() => {})).toThrow(
      expect.objectContaining({ code: busy }) as Error,
    );
    await client.put('x');
    expect((await waiting).data).toBe('x');
    using again = server.subscribe(() => {});
    expect(again.closed).toBe(false);
  });

  it('gives batches of one peer, of at most max messages', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    await client.putMany(Array.from({ length: 100 }, (_, i) => numbered(i, 8 + (i % 5))));
    let next = 0;
    for await (const batch of server.batches({ max: 7 })) {
      expect(batch.length).toBeLessThanOrEqual(7);
      expect([batch.peer, batch.seq]).toEqual([client.id, next + 1]);
      let bytes = 0;
      for (let i = 0; i < batch.length; i += 1) {
        expect(batch.byteLengthAt(i)).toBe(8 + (next % 5));
        expect(numberIn(batch.view(i))).toBe(next);
        expect(batch.at(i)).toEqual(batch.view(i));
        const at = batch.offset(i);
        expect(batch.memory.subarray(at, at + batch.byteLengthAt(i))).toEqual(batch.view(i));
        bytes += batch.byteLengthAt(i);
        next += 1;
      }
      expect(batch.byteLength).toBe(bytes);
      expect([...batch].map(({ seq }) => seq)).toEqual(
        Array.from({ length: batch.length }, (_, i) => batch.seq + i),
      );
      expect(() => batch.view(batch.length)).toThrow(wrong);
      expect(() => batch.at(-1)).toThrow(wrong);
      expect(() => batch.view(0.5)).toThrow(wrong);
      if (next === 100) break;
    }
  });

  it('gives the rest of a batch to whoever asks next', async () => {
    const { server, client } = await net.pair<number>();
    await client.putMany([1, 2, 3, 4, 5, 6, 7]);
    expect((await server.get()).data).toBe(1);
    expect((await rejection(server.getBatch({ max: 0 }))).code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    const batch = await server.getBatch({ max: 2 });
    expect([...batch].map(({ data }) => data)).toEqual([2, 3]);
    expect((await server.get()).data).toBe(4);
    const left: number[] = [];
    for await (const rest of server.batches()) {
      left.push(...[...rest].map(({ data }) => data));
      if (left.length === 3) break;
    }
    expect(left).toEqual([5, 6, 7]);
  });

  it('calls a handler for each batch', async () => {
    const { server, client } = await net.pair<number>();
    const seen: number[] = [];
    const handler = (batch: Batch<number>): void => {
      for (const { data } of batch) seen.push(data);
    };
    using subscription = server.subscribeBatches(handler);
    const sent = Array.from({ length: 3000 }, (_, i) => i);
    await client.putMany(sent);
    await until(() => seen.length === 3000, 'all messages');
    expect(seen).toEqual(sent);
    expect(subscription.closed).toBe(false);
  });

  it('keeps views valid for ever, whatever else arrives', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const sizes = [1, 100, 5000, 70_000];
    const held: [number, Uint8Array][] = [];
    for (let round = 0; round < 60; round += 1) {
      const length = sizes[round % sizes.length]!;
      await client.put(bytesOf(round, length));
      held.push([round, (await server.get()).data]);
    }
    globalThis.gc?.();
    for (const [round, view] of held) {
      expect(view).toEqual(new Uint8Array(bytesOf(round, sizes[round % sizes.length]!)));
    }
  });

  it('drains what had arrived after close, and then rejects with ERR_CHASKI_CLOSED', async () => {
    const { server, client } = await net.pair();
    await client.putMany(['a', Buffer.alloc(200_000, 1), 'c']);
    await client.close();
    await server.close();
    expect(server.closed).toBe(true);
    const [a, b, c] = await take(server, 3);
    expect([a?.data, b?.byteLength, c?.data]).toEqual(['a', 200_000, 'c']);
    const error = await rejection(server.get());
    expect([error.name, error.code]).toEqual(['ResourceClosed', 'ERR_CHASKI_CLOSED']);
    expect(server.tryGet()).toBeUndefined();
    for await (const message of server) expect(message).toBeUndefined();
  });

  it('still gives the messages of a peer that is gone, by its id too', async () => {
    const { server, client } = await net.pair();
    await client.putMany(['left', 'behind', 'here']);
    const lost = event(server, 'lost');
    await client.close();
    await lost;
    expect(server.peers.size).toBe(0);
    expect((await server.get({ peer: client.id })).data).toBe('left');
    expect(await values(server, 2)).toEqual(['behind', 'here']);
  });

  it('rejects waiting gets and ends waiting iterations when it is closed', async () => {
    const server = await net.server();
    const get = rejection(server.get());
    const fromPeer = rejection(server.get({ peer: 'nobody' }));
    const batch = rejection(server.getBatch());
    const iteration = (async () => {
      for await (const message of server) throw new Error(String(message.data));
      return 'ended';
    })();
    await turn();
    await server.close();
    for (const error of [await get, await fromPeer, await batch]) {
      expect(error.code).toBe('ERR_CHASKI_CLOSED');
    }
    expect(await iteration).toBe('ended');
  });
});

describe.each(tcpWorlds)('streams of Node, $name', (world) => {
  const net = useNet(world);

  it('take and give messages in object mode, with back-pressure', async () => {
    const { server, client } = await net.pair<number>({
      client: { highWaterMark: { messages: 16 } },
    });
    const sent = Array.from({ length: 2000 }, (_, i) => i);
    const written = pipeline(Readable.from(sent), client.toWritable());
    const seen: number[] = [];
    const readable = server.toReadable();
    for await (const { data } of readable as AsyncIterable<Message<number>>) {
      seen.push(data);
      if (seen.length === sent.length) break;
    }
    await soon(written, 'everything written is acknowledged');
    expect(seen).toEqual(sent);
    // Leaving the loop destroyed the stream, not the communicator.
    expect(readable.destroyed).toBe(true);
    await client.put(-1);
    expect(await values(server, 1)).toEqual([-1]);
  });

  it('fail when a write reaches nobody, or is lost later', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const lonely = await net.server<number>();
    const nobody = pipeline(Readable.from([1, 2, 3]), lonely.toWritable());
    expect((await rejection(nobody)).code).toBe('ERR_CHASKI_NOT_CONNECTED');
    const lost = client.toWritable();
    lost.write(1);
    const failed = once(lost, 'close').catch((error: unknown) => error as ChaskiError);
    expect((await server.get()).data).toBe(1);
    await server.close({ force: true });
    expect(await soon(failed, 'the stream fails')).toMatchObject({
      code: 'ERR_CHASKI_CLOSED',
      delivered: 'unknown',
    });
  });

  it('end when the communicator ends', async () => {
    const { server, client } = await net.pair<string>();
    const readable = server.toReadable();
    const texts: string[] = [];
    readable.on('data', ({ data }: Message<string>) => texts.push(data));
    await client.put('last words');
    await client.close();
    const end = once(readable, 'end');
    await server.close();
    await soon(end, 'the stream ends');
    expect(texts).toEqual(['last words']);
  });
});

const wrong = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error;
