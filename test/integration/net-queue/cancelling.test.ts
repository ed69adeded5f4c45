// Taking back what has not left: it never arrives, all else does, and nobody waits for it.
import type { Communicator, OpenOptions, PutResult } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import type { Net } from './support/net.ts';
import { event, rejection, settled, soon, take, turn, until, values } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

const cancelled = { code: 'ERR_CHASKI_ABORTED', delivered: 'no' };

describe.each(worlds)('cancelling, $name', (world) => {
  const net = useNet(world);

  it('takes a message of this turn back; the others arrive, with their numbers', async () => {
    const { server, client } = await net.pair<string>();
    const puts = ['a', 'b', 'c', 'd', 'e'].map((text) => client.put(text, {}));
    for (const i of [1, 2, 4]) expect(puts[i]!.cancel()).toBe(true);
    await soon(Promise.all([puts[0], puts[3]]), 'the others');
    const got = await take(server, 2);
    expect(got.map(({ data, seq }) => [data, seq])).toEqual([
      ['a', 1],
      ['d', 4],
    ]);
    for (const i of [1, 2, 4]) {
      expect(await rejection(puts[i]!)).toMatchObject(cancelled);
      expect([puts[i]!.acked, puts[i]!.cancel()]).toEqual([false, true]);
    }
    expect(puts[0]!.cancel()).toBe(false);
    await soon(client.drain(), 'draining');
    await soon(client.put('f'), 'the next');
    expect(await values(server, 1)).toEqual(['f']);
  });

  it('rejects who looked before, and leaves other puts of the turn alone', async () => {
    const { server, client } = await net.pair<number>();
    const own = client.put(0);
    const shared = [client.put(1), client.put(2)];
    const looked = client.put(3, {});
    const rejected = rejection(looked);
    const behind = client.put(4);
    expect(looked.cancel()).toBe(true);
    // Nobody knows whose put it stands for.
    expect(shared.map((put) => put.cancel())).toEqual([false, false]);
    expect(await rejected).toMatchObject(cancelled);
    await soon(Promise.all([own, ...shared, behind]), 'the others');
    expect(await values(server, 4)).toEqual([0, 1, 2, 4]);
  });

  it('does not keep those waiting that share a turn with it, when it was the last', async () => {
    const { server, client } = await net.pair<number>();
    const puts = [client.put(0), client.put(1), client.put(2)];
    const last = client.put(3, {});
    expect(last.cancel()).toBe(true);
    await soon(Promise.all(puts), 'the others');
    await soon(client.drain(), 'draining');
    expect(await values(server, 3)).toEqual([0, 1, 2]);
  });

  it('is too late for what has arrived', async () => {
    const { server, client } = await net.pair<string>();
    const put = client.put('there', {});
    await server.get();
    expect(put.cancel()).toBe(false);
    await soon(put, 'the put');
    expect(put.cancel()).toBe(false);
  });

  it('leaves a queue that can be closed when all was taken back', async () => {
    const { server, client } = await net.pair<string>();
    const warnings: unknown[] = [];
    client.on('warning', (warning) => warnings.push(warning));
    const put = client.put('never', {});
    expect(put.cancel()).toBe(true);
    await soon(client.drain(), 'draining');
    await soon(client.close(), 'closing');
    await server.close();
    expect(warnings).toEqual([]);
    expect(server.tryGet()).toBeUndefined();
  });

  it('is what putMany() does when one of its messages cannot be put, as far as it can', async () => {
    const { server, client } = await net.pair();
    const wrong = (): void => {};
    const before = client.put('before');
    const error = await rejection(Promise.resolve().then(() => client.putMany([1, 2, wrong, 3])));
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CODEC', 'no']);
    const first = await rejection(Promise.resolve().then(() => client.putMany([wrong])));
    expect([first.code, first.delivered]).toEqual(['ERR_CHASKI_CODEC', 'no']);
    const own = new Error('of the iterable');
    function* broken(): Generator<number> {
      yield 4;
      throw own;
    }
    expect(await rejection(Promise.resolve().then(() => client.putMany(broken())))).toBe(own);
    await soon(Promise.all([before, client.put('after')]), 'the others');
    expect(await values(server, 2)).toEqual(['before', 'after']);

    const large = new Uint8Array(1 << 20);
    const late = await rejection(Promise.resolve().then(() => client.putMany([large, wrong])));
    expect(late.code).toBe('ERR_CHASKI_CODEC');
    // A large message is on its way at once, unless the loop is busy elsewhere.
    await soon(client.put('end'), 'the last put');
    const left = late.delivered === 'no' ? 1 : 2;
    expect((await values(server, left)).at(-1)).toBe('end');
  });

  it('of putMany() leaves alone what was put by its iterable', async () => {
    const { server, client } = await net.pair();
    const others: PutResult[] = [];
    function* busy(): Generator<number> {
      yield 1;
      others.push(client.put('other', {}));
      yield 2;
    }
    const many = client.putMany(busy());
    expect(many.cancel()).toBe(false);
    await soon(Promise.all([many, ...others]), 'all');
    expect(await values(server, 3)).toEqual([1, 'other', 2]);
  });

  it("acknowledges past the gap with ack: 'processed'", async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const puts = [0, 1, 2, 3].map((i) => client.put(i, {}));
    expect([puts[0], puts[2]].map((put) => put!.cancel())).toEqual([true, true]);
    const [one, three] = await take(server, 2);
    three!.ack();
    await turn(3);
    expect(puts[3]!.acked).toBe(false);
    one!.ack();
    await soon(Promise.all([puts[1], puts[3]]), 'both');
  });

  it('takes a message back from all of its peers, or from those that it can', async () => {
    const server = await net.server<string>();
    const [one, two] = [await net.client(server), await net.client(server)];
    await until(() => server.peers.size === 2, 'both');
    const first = server.put('never');
    expect(first.cancel()).toBe(true);
    expect(first.cancel()).toBe(true);
    const second = server.put('always');
    await soon(second, 'the put');
    expect([await values(one, 1), await values(two, 1)]).toEqual([['always'], ['always']]);
    for (const future of first.futures.values()) {
      expect(await rejection(future)).toMatchObject(cancelled);
    }
    expect(await rejection(first)).toMatchObject(cancelled);
    expect(second.cancel()).toBe(false);
    const unknown = server.put('nobody', one.id, '00000000-0000-4000-8000-000000000000');
    expect(unknown.cancel()).toBe(true);
  });
});

describe.each(tcpWorlds)('cancelling before there is a connection, $name', (world) => {
  const net = useNet(world);

  it('takes back any of many messages, large ones too, and in any order', async () => {
    const { client, open } = early<Uint8Array>(net);
    const puts: { put: PutResult; first: number; length: number }[] = [];
    for (let i = 0; i < 2000; i += 1) {
      const length = i % 50 === 7 ? 70_000 : i % 11;
      puts.push({ put: client.put(new Uint8Array(length).fill(i), {}), first: i % 256, length });
      if (i % 100 === 99) await turn();
    }
    // In an order that has nothing to do with that of the puts.
    const victims = puts.map((_, i) => (i * 577) % puts.length).filter((i) => i % 3 !== 0);
    expect(victims.every((i) => puts[i]!.put.cancel())).toBe(true);
    const left = puts.filter((_, i) => i % 3 === 0);
    const server = await open();
    const got = await take(server, left.length);
    expect(got.map(({ data }) => [data.length, data[0]])).toEqual(
      left.map(({ first, length }) => [length, length === 0 ? undefined : first]),
    );
    expect(got.map(({ seq }) => seq)).toEqual(left.map((_, i) => 3 * i + 1));
    await soon(Promise.all(left.map(({ put }) => put)), 'what was left');
    await soon(client.drain(), 'draining');
    for (const i of victims.slice(0, 10)) {
      expect(await rejection(puts[i]!.put)).toMatchObject(cancelled);
    }
  });

  it('takes back all of putMany()', async () => {
    const { client, open } = early<number>(net);
    const before = client.put(-1);
    const many = client.putMany(Array.from({ length: 50_000 }, (_, i) => i));
    await turn();
    const behind = client.put(-2);
    expect(many.cancel()).toBe(true);
    expect(await rejection(many)).toMatchObject(cancelled);
    const server = await open();
    expect(await values(server, 2)).toEqual([-1, -2]);
    await soon(Promise.all([before, behind]), 'the others');
  });

  it('makes room: for those who wait, and for the event drain', async () => {
    const { client, open } = early<number>(net, { highWaterMark: { messages: 4 } });
    const puts = [0, 1, 2, 3].map((i) => client.put(i, {}));
    const sent = client.send(4);
    await turn();
    expect([client.needDrain, client.trySend(5)]).toEqual([true, false]);
    const drained = event(client, 'drain');
    expect(puts[3]!.cancel()).toBe(true);
    expect(puts[1]!.cancel()).toBe(true);
    await drained;
    expect(client.needDrain).toBe(false);
    const server = await open();
    expect(await values(server, 3)).toEqual([0, 2, 4]);
    await soon(sent, 'what waited for room');
  });

  it('wakes those who wait for room also when only some of what is before them is acknowledged', async () => {
    const { client, open } = early<number>(net, { highWaterMark: { messages: 4 } });
    const puts = Array.from({ length: 16 }, (_, i) => client.put(i, {}));
    const waiting = client.writable();
    await turn();
    for (const put of puts.slice(4)) expect(put.cancel()).toBe(true);
    expect(await settled(waiting)).toBe('pending');
    const server = await open();
    await soon(waiting, 'room');
    expect(await values(server, 4)).toEqual([0, 1, 2, 3]);
  });

  it("counts what 'drop-oldest' drops without what was cancelled before", async () => {
    const { client, open } = early<number>(net, {
      highWaterMark: { messages: 4 },
      onFull: 'drop-oldest',
    });
    let dropped = 0;
    client.on('dropped', (_, count) => (dropped += count));
    const puts = [0, 1, 2, 3].map((i) => client.put(i, {}));
    await turn();
    expect(puts[1]!.cancel()).toBe(true);
    const last = [4, 5, 6].map((i) => client.put(i));
    await turn();
    expect(await rejection(puts[0]!)).toMatchObject({ code: 'ERR_CHASKI_QUEUE_FULL' });
    expect(await rejection(puts[2]!)).toMatchObject({ code: 'ERR_CHASKI_QUEUE_FULL' });
    expect(await rejection(puts[1]!)).toMatchObject(cancelled);
    const server = await open();
    expect(await values(server, 4)).toEqual([3, 4, 5, 6]);
    await soon(Promise.all([puts[3], ...last]), 'the others');
    expect(dropped).toBe(2);
  });

  it('is what happens to a send() that is given up: it surely does not arrive', async () => {
    const { client, open } = early<string>(net);
    const giveUp = new AbortController();
    const aborted = rejection(client.send('aborted', { signal: giveUp.signal }));
    const late = rejection(client.send('late', { timeoutMs: 1 }));
    const kept = client.send('kept', { signal: new AbortController().signal });
    await turn(2);
    giveUp.abort();
    expect(await aborted).toMatchObject(cancelled);
    expect(await late).toMatchObject({
      code: 'ERR_CHASKI_TIMEOUT',
      delivered: 'no',
      retryable: true,
    });
    const server = await open();
    expect(await values(server, 1)).toEqual(['kept']);
    await soon(kept, 'what was kept');
    expect(server.tryGet()).toBeUndefined();
  });

  it("says 'unknown' of a send() that is given up too late", async () => {
    const { server, client } = await net.pair<string>({ server: { ack: 'processed' } });
    const giveUp = new AbortController();
    const aborted = rejection(client.send('there', { signal: giveUp.signal }));
    await server.get();
    giveUp.abort();
    expect(await aborted).toMatchObject({ code: 'ERR_CHASKI_ABORTED', delivered: 'unknown' });
  });

  it('takes back what it can of a putMany() that is half on its way', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { highWaterMark: { messages: 10 } },
    });
    const size = 10_000;
    const items = Array.from({ length: 2500 }, (_, i) => new Uint8Array(size).fill(i % 251));
    const many = client.putMany(items);
    await until(() => Number(server.stats()['heldMessages']) >= 10, 'the first have arrived');
    const behind = client.put(new Uint8Array(1));
    expect(many.cancel()).toBe(false);
    expect(many.cancel()).toBe(false);
    expect(await rejection(many)).toMatchObject({
      code: 'ERR_CHASKI_ABORTED',
      delivered: 'unknown',
      retryable: false,
    });
    let count = 0;
    for await (const { data } of server) {
      if (data.length === 1) break;
      expect(data[0]).toBe(count % 251);
      count += 1;
    }
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(2500);
    await soon(behind, 'what came behind');
  });
});

/** A client whose server is not there yet, and what opens that. */
function early<T>(
  net: Net,
  options: OpenOptions<T> = {},
): { client: Communicator<T>; open: () => Promise<Communicator<T>> } {
  const path = net.path();
  const place = { protocol: 'unix' as const, path, runOn: net.world.host };
  const client = net.early<T>({ ...place, purpose: 'client', ...options });
  return {
    client,
    async open() {
      const server = net.early<T>({ ...place, purpose: 'server' });
      await soon(server.ready(), 'the server');
      await soon(client.ready(), 'the client');
      return server;
    },
  };
}
