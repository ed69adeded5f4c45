import type { Communicator, Message } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { bytesOf, isBytesOf, numberIn } from './support/payloads.ts';
import { soon, until } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

describe.each(worlds)('order, $name', (world) => {
  const net = useNet(world);

  const ways = {
    'for await': async (server: Communicator<Uint8Array>, see: See): Promise<void> => {
      for await (const { peer, seq, bytes } of server) if (see(peer, seq, bytes)) break;
    },
    batches: async (server: Communicator<Uint8Array>, see: See): Promise<void> => {
      for await (const batch of server.batches()) {
        let last = false;
        for (const { peer, seq, bytes } of batch) last = see(peer, seq, bytes);
        if (last) break;
      }
    },
    subscription: (server: Communicator<Uint8Array>, see: See): Promise<void> =>
      new Promise((resolve) => {
        const subscription = server.subscribe((bytes, peer, seq) => {
          if (!see(peer, seq, bytes)) return;
          subscription.close();
          resolve();
        });
      }),
    get: async (server: Communicator<Uint8Array>, see: See): Promise<void> => {
      for (;;) {
        const { peer, seq, bytes }: Message = await server.get();
        if (see(peer, seq, bytes)) return;
      }
    },
  };

  it.each(Object.keys(ways) as (keyof typeof ways)[])(
    'of the messages of each of several processes is kept, each exactly once: %s',
    async (way) => {
      const [clients, count] = [4, 20_000];
      const server = await net.server<Uint8Array>();
      const children = Array.from({ length: clients }, () =>
        net.child('numbers.mjs', { options: net.clientOptions(server), count, length: 64 }),
      );
      const next = new Map<string, number>();
      const wrong: string[] = [];
      let total = 0;
      const reading = ways[way](server, (peer, seq, bytes) => {
        const expected = next.get(peer) ?? 0;
        const number = numberIn(bytes);
        if (number !== expected || seq !== expected + 1 || bytes.byteLength !== 64) {
          wrong.push(`${peer}: ${number} (seq ${seq}) instead of ${expected}`);
        }
        next.set(peer, number + 1);
        total += 1;
        return total === clients * count;
      });
      await soon(reading, 'all messages');
      expect(wrong).toEqual([]);
      expect([...next.values()]).toEqual(Array.from({ length: clients }, () => count));
      for (const child of children) {
        expect(await child.report('acknowledged')).toMatchObject({ count });
        expect((await child.end()).code).toBe(0);
      }
      expect(server.tryGet()).toBeUndefined();
    },
  );

  it('is kept among small and large messages that travel mixed, in both directions at once', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const lengths = Array.from({ length: 600 }, (_, i) => mixed[i % mixed.length]!);
    const run = async (from: Communicator<Uint8Array>, to: Communicator<Uint8Array>) => {
      const reading = (async () => {
        let seen = 0;
        for await (const { bytes } of to) {
          if (!isBytesOf(seen, lengths[seen]!, bytes)) throw new Error(`message ${seen} is wrong`);
          seen += 1;
          if (seen === lengths.length) break;
        }
      })();
      for (const [i, length] of lengths.entries()) {
        await from.writable();
        from.put(bytesOf(i, length)).catch(() => {});
      }
      await soon(reading, 'all messages');
      await soon(from.drain(), 'all acknowledgements');
    };
    await Promise.all([run(client, server), run(server, client)]);
    expect([server.tryGet(), client.tryGet()]).toEqual([undefined, undefined]);
  });

  it('is kept among put, putMany, packed bytes, send and trySend', async () => {
    const { server, client } = await net.pair<number | Uint8Array>();
    const seen: number[] = [];
    server.subscribe((data) => seen.push(typeof data === 'number' ? data : data[0]!));
    const sends: PromiseLike<void>[] = [];
    let n = 0;
    for (let round = 0; round < 40; round += 1) {
      sends.push(client.put(n++));
      sends.push(client.putMany([n++, Uint8Array.of(n++), n++]));
      sends.push(client.putMany({ data: Uint8Array.of(n++, n++), lengths: 1 }));
      expect(client.trySend(new Uint8Array(40_000).fill(n++))).toBe(true);
      sends.push(client.send(n++));
      sends.push(client.put(Uint8Array.of(n++)));
      n %= 256 - 16;
    }
    await soon(Promise.all(sends), 'all messages');
    await until(() => seen.length === 40 * 9, 'all calls');
    const expected: number[] = [];
    for (let round = 0, value = 0; round < 40; round += 1, value %= 256 - 16) {
      for (let i = 0; i < 9; i += 1) expected.push(value++);
    }
    expect(seen).toEqual(expected);
  });
});

/** Takes one message; true when it was the last. */
type See = (peer: string, seq: number, bytes: Uint8Array) => boolean;

/** Small ones among those that have buffers of their own, and those that just do not. */
const mixed = [
  0, 1, 16, 64, 65_516, 1, 65_517, 100, 32_768, 32_769, 3, 131_072, 0, 7, 300_000, 8, 65_536, 1000,
];
