// Messages that are handed back: they come again, count their deliveries, and hold their acknowledgement back until they are done.
import type { Batch, ChaskiError, Message, OpenOptions, PutResult } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import type { Net, Pair } from './support/net.ts';
import { event, rejection, roundTrip, soon, take, turn, until, values } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(worlds)('nack, $name', (world) => {
  const net = useNet(world);

  it('has a message delivered again, behind what is there, and its delivery counted', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1, 2].map((i) => client.put(i));
    const [zero, one, two] = await take(server, 3);
    expect([zero, one, two].map((message) => message!.deliveries)).toEqual([1, 1, 1]);
    one!.ack();
    two!.ack();
    expect(zero!.nack()).toBe(true);
    const again = await server.get();
    expect([again.data, again.seq, again.deliveries]).toEqual([0, 1, 2]);
    expect([...again.bytes]).toEqual([...zero!.bytes]);
    await roundTrip(server, client);
    expect(puts.some((put) => put.acked)).toBe(false);
    expect(again.nack()).toBe(true);
    const third = await server.get();
    expect([third.data, third.deliveries]).toEqual([0, 3]);
    third.ack();
    await soon(Promise.all(puts), 'all puts');
  });

  it('counts only what came first for a delivery', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1].map((i) => client.put(i));
    const [zero, one] = await take(server, 2);
    zero!.ack();
    expect(zero!.nack()).toBe(false);
    await soon(puts[0]!, 'the first');
    expect(one!.nack()).toBe(true);
    expect(one!.nack()).toBe(false);
    one!.ack();
    const again = await server.get();
    expect(again.data).toBe(1);
    one!.ack();
    expect(one!.nack()).toBe(false);
    await roundTrip(server, client);
    expect(puts[1]!.acked).toBe(false);
    again.ack();
    await soon(puts[1]!, 'the second');
    expect(server.tryGet()).toBeUndefined();
  });

  it('delivers many again, each as often as it was nacked, and loses none', async () => {
    const { server, client } = await processed(net);
    const count = 3000;
    const puts = Array.from({ length: count }, (_, i) => client.put(i));
    const seen = new Map<number, number>();
    let done = 0;
    for await (const message of server) {
      const times = (seen.get(message.data) ?? 0) + 1;
      seen.set(message.data, times);
      expect(message.deliveries).toBe(times);
      if (times <= message.data % 4) message.nack();
      else done += 1;
      if (done === count) {
        message.ack();
        break;
      }
    }
    await soon(Promise.all(puts), 'all puts');
    expect([...seen.values()].reduce((sum, times) => sum + times)).toBe(count * 2.5);
  });

  it('waits for delayMs, and others pass meanwhile', async () => {
    const { server, client } = await processed(net);
    const start = performance.now();
    const put = client.put(0);
    (await server.get()).nack({ delayMs: 100 });
    const order: number[] = [];
    for (let i = 1; order.at(-1) !== 0; i += 1) {
      void client.put(i);
      const message = await server.get();
      order.push(message.data);
      message.ack();
      await turn();
    }
    expect(performance.now() - start).toBeGreaterThan(90);
    expect(order.length).toBeGreaterThan(1);
    await soon(put, 'the put');
  });

  it('keeps a message of a body that was not settled, when the loop ends after it was nacked', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1].map((i) => client.put(i));
    for await (const message of server) {
      if (message.data === 0) message.nack();
      else break;
    }
    // What the loop left is first.
    expect(await values(server, 2)).toEqual([1, 0]);
    expect(puts.some((put) => put.acked)).toBe(false);
  });

  it('is what onError of a subscription can do', async () => {
    const { server, client } = await processed(net);
    const tries = new Map<number, number>();
    server.subscribe(
      (data) => {
        const count = (tries.get(data) ?? 0) + 1;
        tries.set(data, count);
        if (count <= data % 3) throw new Error('not yet');
        return data % 2 === 0 ? undefined : Promise.resolve();
      },
      { onError: (_error, message) => message.nack() },
    );
    const puts = Array.from({ length: 30 }, (_, i) => client.put(i));
    await soon(Promise.all(puts), 'all puts');
    expect([...tries]).toEqual(Array.from({ length: 30 }, (_, i) => [i, (i % 3) + 1]));
  });

  it('of a batch takes one message, or all that are not settled', async () => {
    const { server, client } = await processed(net);
    const put = client.putMany([0, 1, 2, 3, 4, 5]);
    const batch = await server.getBatch();
    expect([batch.length, batch.deliveries]).toEqual([6, 1]);
    expect(batch.nack(2)).toBe(1);
    expect(batch.nack(2, { delayMs: 5 })).toBe(0);
    [...batch][4]!.ack();
    expect(batch.nack()).toBe(4);
    batch.ack();
    expect(batch.nack()).toBe(0);
    expect((await rejection(Promise.resolve().then(() => batch.nack(6)))).code).toBe(
      'ERR_CHASKI_INVALID_ARGUMENT',
    );
    const got: [number, number][] = [];
    while (got.length < 5) {
      const again = await server.getBatch();
      for (const { data, deliveries } of again) got.push([data, deliveries]);
      await roundTrip(server, client);
      expect(put.acked).toBe(false);
      again.ack();
    }
    expect(got.toSorted(([a], [b]) => a - b)).toEqual([0, 1, 2, 3, 5].map((i) => [i, 2]));
    await soon(put, 'the put');
  });

  it('of a message of a batch holds when the body of batches() ends', async () => {
    const { server, client } = await processed(net);
    const put = client.putMany([0, 1, 2]);
    const rounds: number[][] = [];
    for await (const batch of server.batches()) {
      rounds.push([...batch].map(({ data }) => data));
      if (rounds.length === 1) batch.nack(1);
      else {
        batch.ack();
        break;
      }
    }
    expect(rounds).toEqual([[0, 1, 2], [1]]);
    await soon(put, 'the put');
  });

  it('gives what was handed back to who waits for that peer', async () => {
    const server = await net.server<number>({ ack: 'processed' });
    const [one, two] = [await net.client(server), await net.client(server)];
    const put = one.put(1);
    const message = await server.get();
    const [ofTwo, ofOne] = [server.get({ peer: two.id }), server.get({ peer: one.id })];
    message.nack();
    const again = await soon(ofOne, 'the message');
    expect([again.data, again.peer, again.deliveries]).toEqual([1, one.id, 2]);
    again.ack();
    await soon(put, 'the put');
    const other = two.put(2);
    (await soon(ofTwo, 'that of the other')).ack();
    await soon(other, 'the other put');
  });

  it('keeps large messages and values whole', async () => {
    const { server, client } = await net.pair({ server: { ack: 'processed' } });
    const sent = [new Uint8Array(300_000).fill(7), { deep: ['value'] }, new Uint8Array(3), ''];
    const put = client.putMany(sent);
    for (const message of await take(server, 4)) message.nack();
    const again = await take(server, 4);
    expect(again.map(({ data }) => data)).toEqual(sent);
    for (const message of again) message.ack();
    await soon(put, 'the put');
  });

  it("is refused with ack: 'received', where the message is acknowledged already", async () => {
    const { server, client } = await net.pair<number>();
    await client.put(0);
    const message = await server.get();
    expect(message.deliveries).toBe(1);
    expect(() => message.nack()).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
    );
  });

  it('is refused with a wrong delay', async () => {
    const { server, client } = await processed(net);
    void client.put(0);
    const message = await server.get();
    for (const options of [{ delayMs: -1 }, { delayMs: 0.5 }, { delayMs: 2 ** 31 }, { delay: 1 }]) {
      expect(() => message.nack(options as object)).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
      );
    }
    expect(message.nack({ delayMs: 0 })).toBe(true);
  });
});

describe.each(tcpWorlds)('what is nacked, $name', (world) => {
  const net = useNet(world);

  it('counts against the bound of its peer: the sender stops', async () => {
    const { server, client } = await processed(net, { highWaterMark: { messages: 100 } });
    const puts: PutResult[] = [];
    const writing = (async () => {
      for (let i = 0; i < 20_000; i += 1) {
        if (client.needDrain) await client.writable();
        puts.push(client.put(i));
      }
    })();
    const writingEnded = writing.catch(() => {});
    let nacked = 0;
    // Until nothing comes any more.
    for (let last; last?.code !== 'ERR_CHASKI_TIMEOUT';) {
      try {
        (await server.get({ timeoutMs: 500 })).nack({ delayMs: 1_000_000 });
        nacked += 1;
      } catch (error) {
        last = error as ChaskiError;
      }
    }
    // What was read at once, and what the bound lets pass.
    expect(nacked).toBeGreaterThanOrEqual(100);
    expect(nacked).toBeLessThan(20_000);
    expect(Number(server.stats()['heldMessages'])).toBe(nacked);
    expect(puts.some((put) => put.acked)).toBe(false);
    await client.close({ force: true });
    await writingEnded;
  });

  it('comes at once when its peer is gone, and is bounded then', async () => {
    const { server, client } = await processed(net, { highWaterMark: { messages: 10 } });
    void client.putMany(Array.from({ length: 10 }, (_, i) => i));
    const got = await take(server, 10);
    for (const message of got) message.nack({ delayMs: 1_000_000 });
    const lost = event(server, 'lost');
    await client.close({ force: true });
    await lost;
    const again = await take(server, 10);
    expect(again.map(({ data, deliveries }) => [data, deliveries])).toEqual(
      got.map(({ data }) => [data, 2]),
    );
    expect(again.every((message) => message.nack())).toBe(true);
    const other = await net.client<number>(server);
    void other.putMany(Array.from({ length: 10 }, (_, i) => i));
    const theirs = await take(server, 10, other.id);
    const otherLost = event(server, 'lost');
    await other.close({ force: true });
    await otherLost;
    expect(theirs.some((message) => message.nack())).toBe(false);
    const third = await take(server, 10);
    expect(third.every(({ deliveries }) => deliveries === 3)).toBe(true);
    expect(theirs[0]!.nack()).toBe(true);
  });

  it('does not come after the end, and does not delay it', async () => {
    const { server, client } = await processed(net);
    void client.put(0);
    const message = await server.get();
    message.nack({ delayMs: 1_000_000 });
    await soon(server.close({ timeoutMs: 50 }), 'the close');
    expect((await rejection(server.get())).code).toBe('ERR_CHASKI_CLOSED');
    expect(message.nack()).toBe(false);
  });

  it('does not keep new messages from coming when everything fails', async () => {
    const { server, client } = await processed(net);
    const failing = Array.from({ length: 2000 }, () => client.put(0));
    let good: Batch<number> | undefined;
    server.subscribeBatches((batch) => {
      for (let i = 0; i < batch.length; i += 1) {
        if (batch.at(i) === 0) batch.nack(i);
        else good = batch;
      }
    });
    await turn(5);
    void client.put(1);
    await until(() => good !== undefined, 'the new message');
    expect(failing.some((put) => put.acked)).toBe(false);
  });
});

describe.each(tcpWorlds)('what an iteration leaves unsettled, $name', (world) => {
  const net = useNet(world);

  it('is given to the next consumer first, with what stood behind it', async () => {
    const { server, client } = await processed(net);
    const puts = Array.from({ length: 10 }, (_, i) => client.put(i));
    const failing = (async () => {
      for await (const { data } of server) if (data === 4) throw new Error('in the body');
    })();
    expect((await rejection(failing)).message).toBe('in the body');
    const got: [number, number][] = [];
    for await (const message of server) {
      got.push([message.data, message.deliveries]);
      if (message.data === 9) {
        message.ack();
        break;
      }
    }
    expect(got).toEqual([4, 5, 6, 7, 8, 9].map((i) => [i, i === 4 ? 2 : 1]));
    await soon(Promise.all(puts), 'all puts');
    expect(server.tryGet()).toBeUndefined();
  });

  it('is not when it is acknowledged before the next one takes it', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1, 2].map((i) => client.put(i));
    const kept: Message<number>[] = [];
    for await (const message of server) {
      kept.push(message);
      if (message.data === 1) break;
    }
    kept[1]!.ack();
    await soon(puts[1]!, 'the second put');
    expect(await values(server, 1)).toEqual([2]);
  });

  it('goes to who waits already, also for that peer', async () => {
    const { server, client } = await processed(net);
    void client.put(0);
    const iterator = server[Symbol.asyncIterator]();
    await iterator.next();
    const waiting = server.get({ peer: client.id });
    await iterator.return!();
    const message = await soon(waiting, 'the message');
    expect([message.data, message.deliveries]).toEqual([0, 2]);
  });

  it('can be a batch, of which some is settled', async () => {
    const { server, client } = await processed(net);
    const put = client.putMany([0, 1, 2, 3, 4]);
    for await (const batch of server.batches()) {
      const messages = [...batch];
      messages[1]!.ack();
      messages[3]!.nack({ delayMs: 10 });
      break;
    }
    const got = await take(server, 4);
    expect(got.map(({ data, deliveries }) => [data, deliveries])).toEqual([
      [0, 2],
      [2, 2],
      [4, 2],
      [3, 2],
    ]);
    for (const message of got) message.ack();
    await soon(put, 'the put');
  });
});

async function processed(net: Net, options: OpenOptions<number> = {}): Promise<Pair<number>> {
  return await net.pair<number>({ server: { ack: 'processed', ...options } });
}
