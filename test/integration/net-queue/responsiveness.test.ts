import { writeFileSync } from 'node:fs';

import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import type { Child } from './support/child.ts';
import { useNet } from './support/net.ts';
import { soon, take, until } from './support/waiting.ts';
import { Frame, hello } from './support/wire.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(tcpWorlds)('a consumer of a queue that is always full, $name', (world) => {
  const net = useNet(world);

  const ways = {
    'for await': async (server: Communicator<Uint8Array>, see: See) => {
      for await (const _ of server) if (see(1)) break;
    },
    batches: async (server: Communicator<Uint8Array>, see: See) => {
      for await (const batch of server.batches()) if (see(batch.length)) break;
    },
    subscribe: (server: Communicator<Uint8Array>, see: See) =>
      new Promise<void>((resolve) => {
        const subscription = server.subscribe(() => {
          if (!see(1)) return;
          subscription.close();
          resolve();
        });
      }),
    get: async (server: Communicator<Uint8Array>, see: See) => {
      for (;;) {
        await server.get();
        if (see(1)) return;
      }
    },
    getBatch: async (server: Communicator<Uint8Array>, see: See) => {
      for (;;) if (see((await server.getBatch()).length)) return;
    },
  };

  it.each(Object.keys(ways) as (keyof typeof ways)[])(
    'leaves timers their time: %s',
    async (way) => {
      const server = await net.server<Uint8Array>();
      const flood = net.child('flood.mjs', { options: net.clientOptions(server), length: 64 });
      await flood.report('open');
      await until(() => server.stats()['heldMessages']! > 60_000, 'a full queue');
      let messages = 0;
      let before = 0;
      let most = 0;
      const stop = eachTurn(() => {
        most = Math.max(most, messages - before);
        before = messages;
      });
      let timers = 0;
      const timer = setInterval(() => (timers += 1), 1);
      try {
        // Ends by itself also where the loop never turns.
        await ways[way](server, (count) => {
          messages += count;
          return (messages >= 300_000 && timers >= 25) || messages >= 20_000_000;
        });
      } finally {
        clearInterval(timer);
        stop();
      }
      expect(timers).toBeGreaterThanOrEqual(25);
      // 4,096, what is left of a batch, and what another waiter takes in the same turn.
      expect(most).toBeLessThanOrEqual(4 * 4096);
    },
  );
});

describe.each(worlds)('a process whose JavaScript is busy, $name', (world) => {
  const net = useNet(world);

  /** Nothing of JavaScript runs in `child` until what this returns is called; `first` is put right before. */
  function stall(child: Child, first?: { count: number; bytes: number }): () => void {
    const file = net.path();
    child.tell({ is: 'stall', until: file, first });
    return () => {
      writeFileSync(file, '');
    };
  }

  it('still acknowledges what arrives meanwhile', async () => {
    const child = net.child('server.mjs', { options: net.serverOptions() });
    const { address } = await child.report('open');
    const client = net.early({ ...net.serverOptions(), purpose: 'client', ...(address as object) });
    await client.put('first');
    const end = stall(child);
    await child.report('stalling');
    for (let i = 0; i < 20; i += 1) await soon(client.put(`meanwhile ${i}`), 'a put');
    end();
    await child.report('stalled');
    child.tell({ is: 'take', count: 21 });
    const { taken } = await child.report('taken');
    expect((taken as { data: string }[]).at(-1)!.data).toBe('meanwhile 19');
  });

  it('still gives signs of life', async () => {
    const child = net.child('server.mjs', {
      options: net.serverOptions({ keepAliveMs: 20, idleTimeoutMs: 0 }),
    });
    const { address } = await child.report('open');
    const raw = net.raw(address as object);
    raw.write(hello());
    await child.report('ini');
    const end = stall(child);
    await child.report('stalling');
    const beats = (): number => raw.frames.filter(({ type }) => type === Frame.BEAT).length;
    const before = beats();
    await until(() => beats() >= before + 20, 'signs of life');
    end();
    await child.report('stalled');
    expect(raw.socket.destroyed).toBe(false);
    raw.destroy();
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
    const end = stall(child, { count: 40, bytes: 100_000 });
    await child.report('stalling');
    const messages = await take(client, 40);
    expect(messages.map(({ byteLength }) => byteLength)).toEqual(Array(40).fill(100_000));
    end();
    await child.report('stalled');
  });
});

/** Calls `act` in each turn of the event loop, until what it returns is called. */
function eachTurn(act: () => void): () => void {
  let next = setImmediate(function again() {
    act();
    next = setImmediate(again);
  });
  return () => {
    clearImmediate(next);
  };
}

/** Takes a count of messages; true when it is enough. */
type See = (messages: number) => boolean;
