// Many who wait at once, and who has the messages to himself.
import type { Message } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, settled, soon, take, turn, until, values } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const busy = 'ERR_CHASKI_BUSY';

describe.each(tcpWorlds)('those who wait for messages, $name', (world) => {
  const net = useNet(world);

  it('are answered in the order in which they asked, however many do so at once', async () => {
    const { server, client } = await net.pair<number>();
    const count = 12_000;
    await client.putMany(Array.from({ length: count }, (_, i) => i));
    const seen: number[] = [];
    const note = ({ data }: Message<number>): void => void seen.push(data);
    const gets = Array.from({ length: count + 500 }, () => server.get().then(note));
    await client.putMany(Array.from({ length: 500 }, (_, i) => count + i));
    await soon(Promise.all(gets), 'all gets');
    expect(seen).toEqual(Array.from({ length: count + 500 }, (_, i) => i));
  });

  it('for one peer each get its messages, though it takes thousands of them, and some give up', async () => {
    const { server, client } = await net.pair<number>();
    const other = await net.client(server);
    const stop = new AbortController();
    const count = 10_000;
    const gets = Array.from({ length: 2 * count }, (_, i) =>
      server.get({ peer: client.id, ...(i % 2 === 0 ? {} : { signal: stop.signal }) }),
    );
    const refused = Promise.allSettled(gets.filter((_, i) => i % 2 === 1));
    const late = Promise.allSettled(
      Array.from({ length: count }, () => server.get({ peer: other.id, timeoutMs: 1 })),
    );
    expect((await soon(late, 'the timeouts')).every(({ status }) => status === 'rejected')).toBe(
      true,
    );
    stop.abort();
    expect((await soon(refused, 'the aborts')).every(({ status }) => status === 'rejected')).toBe(
      true,
    );
    void client.putMany(Array.from({ length: count }, (_, i) => i));
    const kept = await soon(Promise.all(gets.filter((_, i) => i % 2 === 0)), 'the others');
    expect(kept.every(({ data }, i) => data === i)).toBe(true);
    await other.put(-1);
    expect(await values(server, 1)).toEqual([-1]);
  });

  it('take turns between one peer and any, first come first served', async () => {
    const { server, client } = await net.pair<number>();
    const other = await net.client(server);
    const order: string[] = [];
    const asked = (name: string, peer?: string): Promise<unknown> =>
      server
        .get(peer === undefined ? {} : { peer })
        .then(({ data }) => order.push(`${name} ${data}`));
    const gets = [
      asked('client', client.id),
      asked('any'),
      asked('other', other.id),
      asked('client', client.id),
      asked('any'),
    ];
    await client.putMany([1, 2, 3, 4]);
    await soon(Promise.all([gets[0]!, gets[1]!, gets[3]!, gets[4]!]), 'four of them');
    expect(new Set(order)).toEqual(new Set(['client 1', 'any 2', 'client 3', 'any 4']));
    expect(await settled(gets[2]!)).toBe('pending');
    await other.put(5);
    await soon(gets[2]!, 'the last');
  });

  it('get what was left behind at the end, by peer and in order', async () => {
    const server = await net.server<number>();
    const clients = await Promise.all(Array.from({ length: 5 }, () => net.client<number>(server)));
    for (const client of clients) {
      await client.putMany(Array.from({ length: 3000 }, (_, i) => i));
    }
    const ids = clients.map(({ id }) => id);
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
    for (const id of ids) {
      expect((await values(server, 1000, id)).at(-1)).toBe(999);
    }
    const next = new Map(ids.map((id) => [id, 1000]));
    for (const { peer, data } of await take(server, 5 * 2000)) {
      expect(data).toBe(next.get(peer));
      next.set(peer, data + 1);
    }
    expect((await rejection(server.get({ peer: ids[0]! }))).code).toBe('ERR_CHASKI_CLOSED');
  });
});

describe.each(tcpWorlds)('a subscription, $name', (world) => {
  const net = useNet(world);

  it('has the messages to itself: the next step of an iteration that was begun before is refused', async () => {
    const { server, client } = await net.pair<number>();
    await client.putMany([1, 2, 3, 4, 5]);
    const iterator = server[Symbol.asyncIterator]();
    const batches = server.batches({ max: 1 });
    expect((await iterator.next()).value).toMatchObject({ data: 1 });
    expect((await batches.next()).value).toMatchObject({ length: 1 });
    const seen: number[] = [];
    const subscription = server.subscribe((data) => void seen.push(data));
    expect((await rejection(iterator.next())).code).toBe(busy);
    expect((await rejection(batches.next())).code).toBe(busy);
    await until(() => seen.length === 3, 'the rest');
    expect(seen).toEqual([3, 4, 5]);
    subscription.close();
    await client.put(6);
    expect((await iterator.next()).value).toMatchObject({ data: 6 });
  });

  it('ends the loop in whose body it begins', async () => {
    const { server, client } = await net.pair<number>();
    await client.putMany([1, 2, 3]);
    const seen: number[] = [];
    const loop = (async () => {
      for await (const { data } of server) {
        expect(data).toBe(1);
        server.subscribe((later) => void seen.push(later));
      }
    })();
    expect((await rejection(loop)).code).toBe(busy);
    await until(() => seen.length === 2, 'the others');
    expect(seen).toEqual([2, 3]);
  });

  it('gives what had arrived before the close, and is refused when nothing is left', async () => {
    const { server, client } = await net.pair<number>();
    await client.putMany([1, 2]);
    await client.close();
    await server.close();
    const seen: number[] = [];
    const subscription = server.subscribe((data) => void seen.push(data));
    await until(() => subscription.closed, 'it to end');
    expect(seen).toEqual([1, 2]);
    const closed = expect.objectContaining({ code: 'ERR_CHASKI_CLOSED' }) as Error;
    expect(() => server.subscribe(() => {})).toThrow(closed);
    expect(() => server.subscribeBatches(() => {})).toThrow(closed);
  });

  it('hands what its handler failed with to onError, with the message', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const warnings: unknown[] = [];
    server.on('warning', (error) => warnings.push(error));
    const failures: unknown[] = [];
    server.subscribe(
      (data) => {
        if (data === 1) throw new Error('thrown');
        return data === 2 ? Promise.reject(new Error('rejected')) : undefined;
      },
      {
        onError: (error, failed) => {
          failures.push([error.code, (error.cause as Error).message, failed.data, failed.seq]);
          failed.ack();
        },
      },
    );
    await soon(client.putMany([1, 2, 3]), 'the acknowledgement of all');
    expect(failures).toEqual([
      ['ERR_CHASKI_HANDLER', 'thrown', 1, 1],
      ['ERR_CHASKI_HANDLER', 'rejected', 2, 2],
    ]);
    expect(warnings).toEqual([]);
  });

  it('hands what cannot be decoded to onError, and tells by a warning what onError fails with', async () => {
    const serializer = {
      encode: (bytes: Uint8Array) => bytes,
      decode: () => {
        throw new Error('of decode');
      },
    };
    const { server, client } = await net.pair<Uint8Array>({
      server: { ack: 'processed', serializer },
      client: { serializer },
    });
    const warned = new Promise<Error>((resolve) => server.on('warning', resolve));
    const bytes: number[] = [];
    server.subscribe(() => expect.unreachable(), {
      onError: ({ cause }, failed) => {
        expect(cause).toMatchObject({ code: 'ERR_CHASKI_CODEC' });
        bytes.push(...failed.bytes);
        failed.ack();
        if (bytes.length > 1) throw new Error('of onError');
      },
    });
    await soon(client.putMany([Uint8Array.of(0xff), Uint8Array.of(0xfe)]), 'both');
    expect(bytes).toEqual([0xff, 0xfe]);
    expect(await soon(warned, 'the warning')).toMatchObject({ cause: { message: 'of onError' } });
  });

  it('of batches hands the batch to onError', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    let failed = 0;
    server.subscribeBatches(
      () => {
        throw new Error('thrown');
      },
      {
        onError: (_, batch) => {
          failed += batch.length;
          batch.ack();
        },
      },
    );
    await soon(client.putMany([1, 2, 3]), 'the acknowledgement');
    expect(failed).toBe(3);
  });

  it('tells with a failure where acknowledgements stop, and how to go on', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const warned = new Promise<Error>((resolve) => server.on('warning', resolve));
    let calls = 0;
    server.subscribe((data) => {
      calls += 1;
      if (data === 2) throw new Error('thrown');
    });
    const puts = [1, 2, 3].map((i) => client.put(i));
    const { message } = await soon(warned, 'the warning');
    expect(message).toContain(`message 2 of the peer ${client.id}`);
    expect(message).toMatch(/Acknowledgements to that peer stop .*onError/);
    await soon(puts[0]!, 'the first');
    await until(() => calls === 3, 'the third call');
    await turn(3);
    expect(puts.map(({ acked }) => acked)).toEqual([true, false, false]);
  });
});
