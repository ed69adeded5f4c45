import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { soon, until } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(tcpWorlds)('a consumer of a queue that is always full, $name', (world) => {
  const net = useNet(world);

  const ways = {
    'for await': async (server: Communicator<Uint8Array>, see: See) => {
      for await (const { bytes } of server) if (see(bytes.length)) break;
    },
    batches: async (server: Communicator<Uint8Array>, see: See) => {
      for await (const batch of server.batches()) if (see(batch.byteLength)) break;
    },
    subscribe: (server: Communicator<Uint8Array>, see: See) =>
      new Promise<void>((resolve) => {
        const subscription = server.subscribe((bytes) => {
          if (!see(bytes.length)) return;
          subscription.close();
          resolve();
        });
      }),
    get: async (server: Communicator<Uint8Array>, see: See) => {
      for (;;) if (see((await server.get()).byteLength)) return;
    },
    getBatch: async (server: Communicator<Uint8Array>, see: See) => {
      for (;;) if (see((await server.getBatch()).byteLength)) return;
    },
  };

  it.each(Object.keys(ways) as (keyof typeof ways)[])(
    'leaves timers their time: %s',
    async (way) => {
      const server = await net.server<Uint8Array>();
      const flood = net.child('flood.mjs', { options: net.clientOptions(server), length: 64 });
      await flood.report('open');
      await until(() => server.stats()['heldMessages']! > 60_000, 'a full queue');
      const gaps: number[] = [];
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
      }, 5);
      const start = performance.now();
      let messages = 0;
      try {
        // Ends by itself also where no timer would end it.
        await ways[way](server, () => {
          messages += 1;
          return performance.now() - start > 700;
        });
      } finally {
        clearInterval(timer);
      }
      expect(messages).toBeGreaterThan(500);
      expect(gaps.length).toBeGreaterThan(25);
      expect(Math.max(...gaps)).toBeLessThan(150);
    },
  );
});

describe.each(worlds)('a process whose JavaScript is busy, $name', (world) => {
  const net = useNet(world);

  it('still acknowledges what arrives meanwhile', async () => {
    const child = net.child('server.mjs', { options: net.serverOptions() });
    const { address } = await child.report('open');
    const client = net.early({ ...net.serverOptions(), purpose: 'client', ...(address as object) });
    await client.put('first');
    const stallMs = 2000;
    child.tell({ is: 'stall', forMs: stallMs });
    await child.report('stalling');
    const start = performance.now();
    for (let i = 0; i < 20; i += 1) {
      await soon(client.put(`meanwhile ${i}`), 'a put', stallMs);
    }
    expect(performance.now() - start).toBeLessThan(stallMs - 300);
    const { stalls } = await child.report('stalled');
    expect(performance.now() - start).toBeGreaterThan(stallMs - 300);
    expect((stalls as number) > 0).toBe(world.host === 'loop');
    child.tell({ is: 'take', count: 21 });
    const { taken } = await child.report('taken');
    expect((taken as { data: string }[]).at(-1)!.data).toBe('meanwhile 19');
  });

  it('still gives signs of life, and is not taken for lost', async () => {
    const times = { keepAliveMs: 50, idleTimeoutMs: 300 };
    const child = net.child('server.mjs', { options: net.serverOptions(times) });
    const { address } = await child.report('open');
    const client = net.early({
      ...net.serverOptions(times),
      purpose: 'client',
      ...(address as object),
    });
    await client.ready();
    let lost = false;
    client.on('lost', () => (lost = true));
    child.tell({ is: 'stall', forMs: 1500 });
    await child.report('stalling');
    await child.report('stalled');
    expect(lost).toBe(false);
    await soon(client.put('alive'), 'a put');
  });

  it('still sends what it had put', async () => {
    const child = net.child('server.mjs', {
      options: net.serverOptions({ highWaterMark: { bytes: 64 << 20 } }),
    });
    const { address } = await child.report('open');
    const client = net.early<Uint8Array>({
      ...net.serverOptions(),
      purpose: 'client',
      ...(address as object),
    });
    await client.ready();
    await child.report('ini');
    // Far more than the sockets hold at once, put just before JavaScript gets busy.
    child.tell({ is: 'stall', forMs: 2000, first: { count: 40, bytes: 100_000 } });
    await child.report('stalling');
    const start = performance.now();
    let seen = 0;
    for await (const { byteLength } of client) {
      seen += byteLength;
      if (seen === 40 * 100_000) break;
    }
    expect(performance.now() - start).toBeLessThan(1700);
    await child.report('stalled');
  });
});

/** Takes some bytes; true when it is enough. */
type See = (bytes: number) => boolean;
