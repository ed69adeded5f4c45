// What happens at which mark can be set for each peer, at any time.
import type { Communicator, PeerOptions, PutResult } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, settled, soon, turn, until, values } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.each(tcpWorlds)('a policy for one peer, $name', (world) => {
  const net = useNet(world);

  /** A server with two clients, of which neither consumes. */
  async function three(): Promise<{ server: Communicator; slow: string; other: string }> {
    const server = await net.server({ highWaterMark: { messages: 1000, bytes: 1 << 22 } });
    const options = { highWaterMark: { messages: 4, bytes: 100_000 }, ack: 'processed' as const };
    const [slow, other] = [await net.client(server, options), await net.client(server, options)];
    await until(() => server.peers.size === 2, 'both');
    return { server, slow: slow.id, other: other.id };
  }

  it('bounds what is put to it, and nobody else', async () => {
    const { server, slow, other } = await three();
    server.configure(slow, { onFull: 'error', highWaterMark: { messages: 10 } });
    const puts = Array.from({ length: 12 }, (_, i) => server.put(i, slow));
    const others = Array.from({ length: 12 }, (_, i) => server.put(i, other));
    for (const put of puts.slice(10)) {
      expect((await rejection(put)).code).toBe('ERR_CHASKI_QUEUE_FULL');
    }
    for (const put of [...puts.slice(0, 10), ...others]) {
      expect(await settled(put)).toBe('pending');
    }
    expect(server.trySend('more', slow)).toBe(false);
    expect(server.trySend('more', other)).toBe(true);
  });

  it("'drop-newest' tells of that peer how many were dropped", async () => {
    const { server, slow } = await three();
    server.configure(slow, { onFull: 'drop-newest', highWaterMark: { messages: 2 } });
    const dropped = event(server, 'dropped');
    const puts: PutResult[] = [1, 2, 3, 4, 5].map((i) => server.put(i));
    expect(await dropped).toEqual([slow, 3]);
    expect(puts[2]!.futures.size).toBe(2);
  });

  it("'drop-oldest' can be begun and ended at run time, without a message lost that was not dropped", async () => {
    const server = await net.server<Uint8Array>();
    const client = await net.client<Uint8Array>(server, { highWaterMark: { bytes: 200_000 } });
    await until(() => server.peers.size === 1, 'the client');
    const dropped: number[] = [];
    server.on('dropped', (_, count) => dropped.push(count));
    server.configure(client.id, { onFull: 'drop-oldest', highWaterMark: { bytes: 1 << 20 } });
    const message = (i: number): Uint8Array => new Uint8Array(10_000).fill(i);
    const puts = Array.from({ length: 500 }, (_, i) => server.put(message(i % 251)));
    await turn();
    const lost = dropped.reduce((sum, count) => sum + count, 0);
    expect(lost).toBeGreaterThan(300);
    server.configure(client.id, { onFull: 'wait', highWaterMark: { bytes: 1 << 30 } });
    const more = Array.from({ length: 50 }, (_, i) => server.put(message(i)));
    const outcomes = Promise.allSettled([...puts, ...more]);
    const got = await values(client, 550 - lost);
    await soon(outcomes, 'all puts');
    expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(lost);
    expect(got.slice(-50).map((bytes) => bytes[0])).toEqual(more.map((_, i) => i));
  });

  it('makes or takes room at once', async () => {
    const { server, slow } = await three();
    for (let i = 0; i < 20; i += 1) void server.put(i, slow);
    expect(server.needDrain).toBe(false);
    server.configure(slow, { highWaterMark: { messages: 5 } });
    expect([server.needDrain, server.trySend(0, slow)]).toEqual([true, false]);
    const waiting = server.writable({ peer: slow });
    await turn(2);
    expect(await settled(waiting)).toBe('pending');
    const drained = event(server, 'drain');
    server.configure(slow, { highWaterMark: { messages: 50 } });
    await drained;
    await soon(waiting, 'room');
    expect([server.needDrain, server.trySend(0, slow)]).toEqual([false, true]);
  });

  it('serves many who wait for room a part at a time, in order, and lets the event loop turn', async () => {
    const order: number[] = [];
    const serializer = {
      encode: (value: number) => {
        order.push(value);
        return new Uint8Array(1);
      },
      decode: () => 0,
    };
    const options = { highWaterMark: { messages: 1 }, serializer };
    const server = await net.server<number>(options);
    const client = await net.client<number>(server, { ack: 'processed', serializer });
    await until(() => server.peers.size === 1, 'the client');
    const count = 20_000;
    const sends = Promise.allSettled(Array.from({ length: count }, (_, i) => server.send(i)));
    server.configure(client.id, { highWaterMark: { messages: 2 * count } });
    let most = 0;
    while (order.length < count) {
      const before = order.length;
      await turn();
      most = Math.max(most, order.length - before);
    }
    expect(order).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(most).toBeLessThan(count / 2);
    await server.close({ force: true });
    await soon(sends, 'the end of all sends');
  });

  it('can be given to a group, and by a listener of ini', async () => {
    const server = await net.server();
    const policy: PeerOptions = { onFull: 'error', highWaterMark: { messages: 1 } };
    const came: string[] = [];
    server.on('ini', (peer) => {
      if (came.push(peer) === 1) server.configure(peer, policy);
    });
    const clients = [];
    for (let i = 0; i < 3; i += 1) {
      clients.push(await net.client(server, { ack: 'processed' }));
      await until(() => came.length === i + 1, 'the client');
    }
    const full = (): boolean[] => came.map((id) => !server.trySend('text', id));
    expect([full(), full()]).toEqual([
      [false, false, false],
      [true, false, false],
    ]);
    server.configure(server.group(came[1]!, came[2]!).id, policy);
    expect(full()).toEqual([true, true, true]);
  });

  it('is refused when it is wrong, or for nobody', async () => {
    const { server, slow } = await three();
    for (const options of [
      { onFull: 'drop' },
      { highWaterMark: { messages: 0 } },
      { highWaterMark: 5 },
      { highWatermark: { messages: 5 } },
      5,
    ]) {
      expect(() => {
        server.configure(slow, options as PeerOptions);
      }).toThrow(expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }));
    }
    expect(() => {
      server.configure('00000000-0000-4000-8000-000000000000', {});
    }).toThrow(expect.objectContaining({ code: 'ERR_CHASKI_NOT_CONNECTED' }));
    server.configure(slow, {});
  });
});
