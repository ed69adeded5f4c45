import type { PutResult } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import type { Net, Pair } from './support/net.ts';
import { event, rejection, roundTrip, soon, take, turn, until, values } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

describe.each(worlds)("acknowledgements with ack: 'processed', $name", (world) => {
  const net = useNet(world);

  it('come with message.ack(), and not before', async () => {
    const { server, client } = await processed(net);
    const put = client.put(1);
    const message = await server.get();
    await roundTrip(server, client);
    expect(put.acked).toBe(false);
    message.ack();
    await soon(put, 'the put');
    message.ack();
    await turn(3);
  });

  it('wait for what came before: out of order they count when the gap is closed', async () => {
    const { server, client } = await processed(net);
    const puts = [1, 2, 3, 4, 5].map((i) => client.put(i));
    const [one, two, three, four, five] = await take(server, 5);
    three!.ack();
    five!.ack();
    two!.ack();
    await roundTrip(server, client);
    expect(acked(puts)).toEqual([false, false, false, false, false]);
    one!.ack();
    await soon(puts[2]!, 'the third put');
    await roundTrip(server, client);
    expect(acked(puts)).toEqual([true, true, true, false, false]);
    four!.ack();
    await soon(Promise.all(puts), 'all puts');
  });

  it('come when the body of for await has ended', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1, 2].map((i) => client.put(i));
    const inside: boolean[][] = [];
    const reading = (async () => {
      for await (const { data } of server) {
        if (data > 0) await soon(puts[data - 1]!, 'the put before');
        await roundTrip(server, client);
        inside.push(acked(puts));
      }
    })();
    await soon(puts[2]!, 'the last put');
    expect(inside).toEqual([
      [false, false, false],
      [true, false, false],
      [true, true, false],
    ]);
    await client.close();
    await server.close();
    await reading;
  });

  it('do not come for a body that was left by break; it and the rest come again, in order, and the queue is open', async () => {
    const { server, client } = await processed(net);
    const puts = Array.from({ length: 100 }, (_, i) => client.put(i));
    for await (const { data } of server) if (data === 40) break;
    await soon(puts[39]!, 'what was passed');
    await roundTrip(server, client);
    expect(acked(puts.slice(39, 42))).toEqual([true, false, false]);
    const [left, next] = await take(server, 2);
    expect([left!.data, left!.deliveries, next!.data, next!.deliveries]).toEqual([40, 2, 41, 1]);
    next!.ack();
    await roundTrip(server, client);
    // The one that was left has not been processed, so nothing after it counts.
    expect(acked(puts.slice(40, 42))).toEqual([false, false]);
    for await (const message of server) {
      if (message.data === 99) {
        message.ack();
        break;
      }
    }
    await roundTrip(server, client);
    expect(puts[41]!.acked).toBe(false);
    expect(server.closed).toBe(false);
  });

  it('come for the message of a break that was acknowledged by hand', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1, 2].map((i) => client.put(i));
    for await (const message of server) {
      if (message.data === 1) {
        message.ack();
        break;
      }
    }
    await soon(puts[1]!, 'the message of the break');
    expect(puts[2]!.acked).toBe(false);
    expect(await values(server, 1)).toEqual([2]);
  });

  it('do not come for a body that throws or returns; it comes again, then the rest', async () => {
    const { server, client } = await processed(net);
    const puts = [0, 1, 2, 3].map((i) => client.put(i));
    const failing = (async () => {
      for await (const { data } of server) if (data === 1) throw new Error('in the body');
    })();
    expect((await rejection(failing)).message).toBe('in the body');
    const returning = async (): Promise<number> => {
      for await (const { data } of server) return data;
      return -1;
    };
    expect(await returning()).toBe(1);
    await roundTrip(server, client);
    expect(acked(puts)).toEqual([true, false, false, false]);
    expect(await values(server, 3)).toEqual([1, 2, 3]);
  });

  it('of a batch come with batch.ack() for all of its messages', async () => {
    const { server, client } = await processed(net);
    const put = client.putMany([1, 2, 3]);
    const last = client.put(4);
    const batch = await server.getBatch({ max: 3 });
    expect(batch.length).toBe(3);
    await roundTrip(server, client);
    expect(put.acked).toBe(false);
    batch.ack();
    await soon(put, 'the batch');
    expect(last.acked).toBe(false);
  });

  it('of batches() come when the body has ended', async () => {
    const { server, client } = await processed(net);
    const puts = Array.from({ length: 20 }, (_, i) => client.put(i));
    let seen = 0;
    for await (const batch of server.batches({ max: 5 })) {
      if (seen > 0) await soon(puts[seen - 1]!, 'the batch before');
      await roundTrip(server, client);
      expect(puts[seen]!.acked).toBe(false);
      seen += batch.length;
      if (seen === 20) break;
    }
    await roundTrip(server, client);
    expect(puts[19]!.acked).toBe(false);
  });

  it('of batches({ autoAck: false }) come by hand only, later and in any order', async () => {
    const { server, client } = await processed(net);
    const puts = Array.from({ length: 12 }, (_, i) => client.put(i));
    const batches = [];
    for await (const batch of server.batches({ max: 4, autoAck: false })) {
      batches.push(batch);
      if (batch.seq + batch.length > 12) break;
    }
    await roundTrip(server, client);
    expect(puts.some((put) => put.acked)).toBe(false);
    for (const batch of batches.reverse()) batch.ack();
    await soon(Promise.all(puts), 'all puts');
  });

  it('of a subscription come when its handler has returned, or its promise is fulfilled', async () => {
    const { server, client } = await processed(net);
    const gates = new Map<number, () => void>();
    server.subscribe((data) => {
      if (data % 2 === 0) return undefined;
      return new Promise<void>((resolve) => {
        gates.set(data, resolve);
      });
    });
    const puts = [0, 1, 2, 3].map((i) => client.put(i));
    await soon(puts[0]!, 'the first');
    await until(() => gates.size === 2, 'two handlers that wait');
    gates.get(3)!();
    await roundTrip(server, client);
    expect(acked(puts)).toEqual([true, false, false, false]);
    gates.get(1)!();
    await soon(Promise.all(puts), 'all puts');
  });

  it('of a subscription do not come for a handler that fails', async () => {
    const { server, client } = await processed(net);
    server.on('warning', () => {});
    let calls = 0;
    server.subscribe((data) => {
      calls += 1;
      if (data === 1) throw new Error('thrown');
      return data === 3 ? Promise.reject(new Error('rejected')) : undefined;
    });
    const puts = [0, 1, 2].map((i) => client.put(i));
    await until(() => calls === 3, 'three calls');
    await roundTrip(server, client);
    expect(acked(puts)).toEqual([true, false, false]);
  });

  it('of subscribeBatches() come when its handler is done', async () => {
    const { server, client } = await processed(net);
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let seen = 0;
    server.subscribeBatches(async (batch) => {
      seen += batch.length;
      await gate;
    });
    const put = client.putMany([1, 2, 3]);
    await until(() => seen === 3, 'three messages');
    await roundTrip(server, client);
    expect(put.acked).toBe(false);
    open();
    await soon(put, 'the put');
  });

  it('do no harm when they come late or for a peer that is gone', async () => {
    const { server, client } = await processed(net);
    const lost = event(server, 'lost');
    const put = rejection(client.put(1));
    const message = await server.get();
    await client.close({ force: true });
    expect((await put).delivered).toBe('unknown');
    await lost;
    message.ack();
    await turn(3);
    await server.close();
    message.ack();
    await turn(3);
  });

  it('missing at the end of close() reject the puts as perhaps delivered', async () => {
    const { server, client } = await processed(net);
    const puts = [client.put(1), client.put(2)];
    const [one] = await take(server, 2);
    one!.ack();
    await soon(puts[0]!, 'the first put');
    const second = rejection(puts[1]!);
    await client.close({ timeoutMs: 200 });
    const error = await second;
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'unknown']);
  });

  it('come back for a hundred thousand messages, none twice and none missing', async () => {
    const { server, client } = await processed(net);
    const count = 100_000;
    const reading = (async () => {
      let next = 0;
      for await (const { data } of server) {
        if (data !== next) throw new Error(`${data} came instead of ${next}`);
        next += 1;
      }
      return next;
    })();
    let settledPuts = 0;
    for (let i = 0; i < count;) {
      const puts: PutResult[] = [];
      for (let n = 0; n < 4000; n += 1, i += 1) puts.push(client.put(i));
      await soon(Promise.all(puts), 'a window');
      settledPuts += puts.length;
    }
    await client.close();
    await server.close();
    expect(await reading).toBe(count);
    expect(settledPuts).toBe(count);
  });
});

describe.each(worlds)("acknowledgements with ack: 'received', $name", (world) => {
  const net = useNet(world);

  it('need nothing from the program of the receiver, and ack() changes nothing', async () => {
    const { server, client } = await net.pair();
    await soon(client.put('in the queue'), 'the put');
    const message = await server.get();
    message.ack();
    await soon(client.put('next'), 'the next put');
    expect(await values(server, 1)).toEqual(['next']);
  });
});

async function processed(net: Net): Promise<Pair<number>> {
  return await net.pair<number>({ server: { ack: 'processed' } });
}

function acked(puts: readonly PutResult[]): boolean[] {
  return puts.map((put) => put.acked);
}
