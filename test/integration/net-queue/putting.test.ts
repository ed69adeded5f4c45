import { ChaskiError, ResourceClosed } from 'chaski/net-queue';
import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { numbered, numberIn } from './support/payloads.ts';
import { event, rejection, settled, soon, take, turn, until, values } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(worlds)('putting, $name', (world) => {
  const net = useNet(world);

  it('never blocks: a put to a server that is not there returns at once and stays pending', async () => {
    const client = net.early({
      ...net.lonelyOptions(),
      connectTimeoutMs: Infinity,
      closeTimeoutMs: 0,
    });
    const put = client.put('patience');
    expect(put.acked).toBe(false);
    expect([...put.futures.keys()]).toHaveLength(1);
    await turn(20);
    expect(await settled(put)).toBe('pending');
  });

  it('resolves once the message is in the queue of the peer, which has it even if the sender dies then', async () => {
    const server = await net.server<number>();
    const child = net.child('putter.mjs', { options: net.clientOptions(server), count: 500 });
    await child.report('resolved');
    await child.kill();
    expect(await values(server, 500)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it('tells acked without being awaited', async () => {
    const { server, client } = await net.pair();
    const put = client.put('unwatched');
    await server.get();
    await until(() => put.acked, 'the acknowledgement');
    expect(await put).toBeUndefined();
  });

  it('sends what was put at the time of put(), whatever becomes of it afterwards', async () => {
    const { server, client } = await net.pair();
    for (const length of [1, 15, 100, 5000, 40_000, 200_000]) {
      const bytes = new Uint8Array(length).fill(7);
      const put = client.put(bytes);
      bytes.fill(9);
      await put;
      const { data } = await server.get({ timeoutMs: 5000 });
      expect(data).toEqual(new Uint8Array(length).fill(7));
    }
    const value = { list: [1, 2, { deep: 'before' }] };
    const put = client.put(value);
    (value.list[2] as { deep: string }).deep = 'after';
    value.list.length = 0;
    await put;
    expect((await server.get()).data).toEqual({ list: [1, 2, { deep: 'before' }] });
  });

  it('does not modify what is put, frozen or not', async () => {
    const { server, client } = await net.pair();
    const value = Object.freeze({ b: Object.freeze([1, 2]), a: 'x' });
    const bytes = Uint8Array.of(1, 2, 3);
    await client.put(value);
    await client.put(bytes);
    expect(Object.keys(value)).toEqual(['b', 'a']);
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3));
    expect(await values(server, 2)).toEqual([value, bytes]);
  });

  it('reaches one peer, some, all, and each of them once', async () => {
    const server = await net.server();
    const clients = await Promise.all([1, 2, 3].map(() => net.client(server)));
    const [a, b, c] = clients as [Communicator, Communicator, Communicator];
    await until(() => server.peers.size === 3, 'three peers');

    await server.put('a', a.id);
    const both = server.put('a and b', a.id, b.id, a.id);
    expect([...both.futures.keys()].sort()).toEqual([a.id, b.id].sort());
    await both;
    expect(both.acked).toBe(true);
    const all = server.put('all');
    expect([...all.futures.keys()].sort()).toEqual(clients.map(({ id }) => id).sort());
    await all;
    await Promise.all(all.futures.values());

    expect(await values(a, 3)).toEqual(['a', 'a and b', 'all']);
    expect(await values(b, 2)).toEqual(['a and b', 'all']);
    expect(await values(c, 1)).toEqual(['all']);
    await turn(5);
    expect(clients.map((client) => client.tryGet())).toEqual([undefined, undefined, undefined]);
  });

  it('lets a client name its server', async () => {
    const { server, client } = await net.pair();
    await client.put('by id', server.id);
    expect(await values(server, 1)).toEqual(['by id']);
  });

  it('rejects a put to an unknown peer as surely not delivered; the known ones get it', async () => {
    const { server, client } = await net.pair();
    const unknown = '00000000-0000-4000-8000-000000000000';
    const alone = await rejection(server.put('x', unknown));
    expect(alone).toBeInstanceOf(ChaskiError);
    expect([alone.code, alone.delivered, alone.retryable]).toEqual([
      'ERR_CHASKI_NOT_CONNECTED',
      'no',
      true,
    ]);
    expect(alone.message).toContain(unknown);

    const mixed = server.put('to both', client.id, unknown);
    const whole = await rejection(mixed);
    // One of them has it: to put it again would be once too often.
    expect([whole.code, whole.delivered, whole.retryable]).toEqual([
      'ERR_CHASKI_NOT_CONNECTED',
      'unknown',
      false,
    ]);
    await mixed.futures.get(client.id);
    const part = await rejection(mixed.futures.get(unknown)!);
    expect([part.code, part.delivered]).toEqual(['ERR_CHASKI_NOT_CONNECTED', 'no']);
    expect(await values(client, 1)).toEqual(['to both']);
  });

  it('refuses a peer that is undefined, instead of putting to all', async () => {
    const { server, client } = await net.pair();
    const nobody = undefined as unknown as string;
    const secret = 'for one alone';
    for (const put of [
      () => server.put(secret, nobody),
      () => server.put(secret, nobody, client.id),
      () => server.put(secret, client.id, nobody),
      () => server.put(new Uint8Array(8), nobody),
      () => server.putMany([secret], nobody),
      () => server.trySend(secret, nobody),
      () => server.put(secret, { peers: undefined } as object),
      () => server.trySend(secret, { peers: undefined } as object),
    ]) {
      expect(put).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error,
      );
    }
    const sent = await rejection(server.send(secret, { peers: undefined } as object));
    expect(sent.code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    await server.put('for all');
    expect(await values(client, 1)).toEqual(['for all']);
  });

  it('says what to do with one text or bytes that are given as many messages', async () => {
    const { client } = await net.pair();
    for (const one of ['text', new Uint8Array(4)]) {
      expect(() => client.putMany(one as never)).toThrow(
        /one message, also text or bytes, is for put\(\)/u,
      );
    }
  });

  it('rejects a put of a server that has no peers', async () => {
    const server = await net.server();
    const error = await rejection(server.put('anybody?'));
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_NOT_CONNECTED', 'no']);
    expect(server.trySend('anybody?')).toBe(false);
  });

  it('puts nothing of many to some peers when one of them is not connected', async () => {
    const { server, client } = await net.pair<number>();
    const stranger = server.id;
    for (const many of [[1, 2], { data: new Uint8Array(8), lengths: 4 }]) {
      const error = await rejection(server.putMany(many, client.id, stranger));
      expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_NOT_CONNECTED', 'no']);
      expect(error.message).toContain(stranger);
    }
    await server.put(3);
    expect(await values(client, 1)).toEqual([3]);
  });

  it('refuses options that do not exist, so none is overlooked', async () => {
    const { server, client } = await net.pair();
    // @ts-expect-error -- it is peers.
    const error = await rejection(server.send('x', { peer: client.id }));
    expect(error.code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    expect(error.message).toContain('peers, transfer, signal, timeoutMs');
  });

  it('rejects with a text that names the server of a client that never reached it', async () => {
    const server = await net.server();
    const client = net.early(net.clientOptions(server, { cluster: 'another' }));
    const error = await rejection(client.put('x'));
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'no']);
    expect(error.message).toBe('The server is gone. The message was not sent.');
  });

  it('rejects puts after close as surely not delivered', async () => {
    const { client } = await net.pair();
    await client.close();
    for (const put of [client.put('late'), client.putMany(['late'])]) {
      const error = await rejection(put);
      expect(error).toBeInstanceOf(ResourceClosed);
      expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'no']);
    }
    expect(client.trySend('late')).toBe(false);
    expect((await rejection(client.send('late'))).code).toBe('ERR_CHASKI_CLOSED');
  });

  it('says of each message to a killed peer whether it may have been delivered', async () => {
    const child = net.child('server.mjs', {
      options: { ...net.serverOptions(), highWaterMark: { messages: 10 } },
    });
    const { address } = await child.report('open');
    const client = net.early<Uint8Array>({
      ...net.serverOptions(),
      purpose: 'client',
      ...(address as object),
      highWaterMark: { bytes: 64 << 20 },
    });
    await client.ready();
    // Far more than the sockets hold: the last ones have not left when the peer dies.
    const puts = Array.from({ length: 400 }, (_, i) => client.put(numbered(i, 64 * 1024)));
    await soon(puts[0]!, 'the first acknowledgement');
    await turn(20);
    const outcomes = Promise.allSettled(puts);
    const lost = event(client, 'lost');
    await child.kill();
    expect((await lost)[1]?.code).toBe('ERR_CHASKI_CLOSED');
    // What arrived came first, what may have arrived next, and what never left last.
    const order = (await soon(outcomes, 'every put settles')).map((outcome) => {
      if (outcome.status === 'fulfilled') return 0;
      expect(outcome.reason).toBeInstanceOf(ResourceClosed);
      const { delivered, peer } = outcome.reason as ResourceClosed;
      expect(peer).not.toBe('');
      return delivered === 'unknown' ? 1 : 2;
    });
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(new Set(order)).toEqual(new Set([0, 1, 2]));
    await soon(client.drain(), 'nothing is left to settle');
  });

  it('puts many values at once, from anything that can be iterated', async () => {
    const { server, client } = await net.pair();
    function* count(): Generator<number> {
      for (let i = 0; i < 1000; i += 1) yield i;
    }
    await client.putMany(['a', 'b']);
    expect(() => client.putMany(new Uint8Array(8) as Iterable<number>)).toThrow(/lengths/u);
    await client.putMany(count());
    await client.putMany(new Set([Uint8Array.of(1)]));
    await client.putMany([]);
    expect(await values(server, 1003)).toEqual(['a', 'b', ...count(), Uint8Array.of(1)]);
  });

  it('puts packed bytes, with one length for all or one for each', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const data = Buffer.concat(Array.from({ length: 3000 }, (_, i) => numbered(i, 16)));
    await client.putMany({ data, lengths: 16 });
    expect((await take(server, 3000)).map(({ bytes }) => numberIn(bytes))).toEqual(
      Array.from({ length: 3000 }, (_, i) => i),
    );
    const text = Buffer.from('abcdef');
    await client.putMany({ data: text, lengths: Uint32Array.of(0, 2, 0, 3, 1) });
    const parts = (await values(server, 5)).map((part) => Buffer.from(part).toString());
    expect(parts).toEqual(['', 'ab', '', 'cde', 'f']);
    await client.putMany({ data: new Uint8Array(0), lengths: new Uint32Array(0) });
    await client.putMany({ data: new Uint8Array(0), lengths: Uint32Array.of(0, 0) });
    expect((await values(server, 2)).map((part) => part.length)).toEqual([0, 0]);
  });

  it('puts packed bytes to all peers of a server', async () => {
    const server = await net.server<Uint8Array>();
    const clients = await Promise.all([1, 2].map(() => net.client(server)));
    await until(() => server.peers.size === 2, 'two peers');
    await server.putMany({ data: Buffer.from('xyz'), lengths: 1 });
    for (const client of clients) {
      const parts = await values(client, 3);
      expect(Buffer.concat(parts).toString()).toBe('xyz');
    }
  });

  it('refuses a message over maxMessageBytes of either side, and nothing else with it', async () => {
    const { server, client } = await net.pair({
      server: { maxMessageBytes: 1000 },
      client: { maxMessageBytes: 2000 },
    });
    const toPeer = await rejection(client.put(new Uint8Array(1001)));
    expect([toPeer.code, toPeer.delivered]).toEqual(['ERR_CHASKI_TOO_LARGE', 'no']);
    expect(toPeer.message).toContain('1000');
    const own = await rejection(server.put(new Uint8Array(1001)));
    expect(own.code).toBe('ERR_CHASKI_TOO_LARGE');
    for (const length of [1001, 2001]) {
      expect(() => client.trySend(new Uint8Array(length))).toThrow(/over the limit of 1000/u);
    }
    expect(() =>
      client.putMany({ data: new Uint8Array(2001), lengths: Uint32Array.of(2001) }),
    ).toThrow(expect.objectContaining({ code: 'ERR_CHASKI_TOO_LARGE' }) as Error);
    await client.put(new Uint8Array(1000));
    expect((await server.get()).byteLength).toBe(1000);
  });

  it('keeps sends in order behind the high-water mark, and bounds them by time and signal', async () => {
    const { server, client } = await net.pair<number>({
      server: { ack: 'processed' },
      client: { highWaterMark: { messages: 4 } },
    });
    const filled = [0, 1, 2, 3].map((i) => client.put(i));
    expect(client.trySend(99)).toBe(false);
    const late = await rejection(client.send(98, { timeoutMs: 30 }));
    expect([late.code, late.delivered, late.retryable]).toEqual(['ERR_CHASKI_TIMEOUT', 'no', true]);
    const stop = new AbortController();
    const stopped = rejection(client.send(97, { signal: stop.signal }));
    const queued = [4, 5, 6].map((i) => client.send(i));
    stop.abort();
    const aborted = await stopped;
    expect([aborted.code, aborted.delivered]).toEqual(['ERR_CHASKI_ABORTED', 'no']);
    const already = await rejection(client.send(96, { signal: AbortSignal.abort() }));
    expect([already.code, already.delivered]).toEqual(['ERR_CHASKI_ABORTED', 'no']);

    const seen: number[] = [];
    for await (const { data } of server) {
      seen.push(data);
      if (data === 6) break;
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const rest = [...filled, ...queued.slice(0, 2)];
    await soon(Promise.all(rest), 'all but the last are acknowledged');
    queued[2]!.catch(() => {});
  });

  it('says that a sent message may arrive yet when its send is given up after it was put', async () => {
    const { server, client } = await net.pair({ server: { ack: 'processed' } });
    const error = await rejection(client.send('slow', { timeoutMs: 50 }));
    expect([error.code, error.delivered, error.retryable]).toEqual([
      'ERR_CHASKI_TIMEOUT',
      'unknown',
      false,
    ]);
    expect(await values(server, 1)).toEqual(['slow']);
  });

  it('sends to chosen peers only', async () => {
    const server = await net.server();
    const [a, b] = (await Promise.all([1, 2].map(() => net.client(server)))) as [
      Communicator,
      Communicator,
    ];
    await until(() => server.peers.size === 2, 'two peers');
    await server.send('for b', { peers: [b.id] });
    await server.send('for both');
    expect(await values(b, 2)).toEqual(['for b', 'for both']);
    expect(await values(a, 1)).toEqual(['for both']);
    const error = await rejection(server.send('nobody', { peers: ['nobody'] }));
    expect(error.code).toBe('ERR_CHASKI_NOT_CONNECTED');
  });
});

describe.each(tcpWorlds)('results that nobody looks at, $name', (world) => {
  const net = useNet(world);

  it('never end a process as unhandled rejections; chains on them do', async () => {
    const child = net.child('unlooked.mjs');
    expect(await child.report('ignored')).toMatchObject({ unhandled: 0 });
    expect(await child.report('chained')).toMatchObject({
      unhandled: 1,
      code: 'ERR_CHASKI_CLOSED',
    });
    expect((await child.end()).code).toBe(0);
  });
});
