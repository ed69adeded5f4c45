// What bad input does when there is much of it, or for long.
import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import type { Child } from '../integration/net-queue/support/child.ts';
import { useNet } from '../integration/net-queue/support/net.ts';
import { soon, turn, until } from '../integration/net-queue/support/waiting.ts';
import { hello } from '../integration/net-queue/support/wire.ts';
import type { RawPeer } from '../integration/net-queue/support/wire.ts';
import { securedWorlds, tcpWorlds } from '../integration/net-queue/support/worlds.ts';

const mebibyte = 1 << 20;
/** How long a peer does not read, in seconds: CHASKI_SIEGE_SECONDS, or 60. */
const seconds = Number(process.env['CHASKI_SIEGE_SECONDS'] || 60);

describe.each([...tcpWorlds, ...securedWorlds])('much bad input, $name', (world) => {
  const net = useNet(world);

  async function start(options: object = {}): Promise<{ child: Child; address: object }> {
    const setup = { options: { ...net.serverOptions(), ...options } };
    const child = net.child('server.mjs', setup, { execArgv: ['--expose-gc'] });
    const { address } = await child.report('open');
    return { child, address: address as object };
  }

  it.skipIf(world.secured)(
    'of 5,000 connections that stop in the middle of their hello keeps nobody out',
    async () => {
      const { child, address } = await start({ handshakeTimeoutMs: 60_000, maxPeers: 1000 });
      const client = net.early({ ...net.serverOptions(), purpose: 'client', ...address });
      await soon(client.put('before'), 'a put of a good client');
      const before = await rss(child);
      const half: RawPeer[] = [];
      for (let i = 0; i < 5000; i += 1) {
        const raw = net.raw(address);
        raw.write(hello().subarray(0, 40));
        half.push(raw);
        if (i % 50 === 49) {
          await Promise.all(
            half
              .slice(-50)
              .filter(({ socket }) => socket.connecting)
              .map(({ socket }) => Promise.race([once(socket, 'connect'), once(socket, 'close')])),
          );
          await turn();
        }
      }
      // As many as there may be peers wait; the oldest of them have made room.
      await until(
        () => half.filter(({ socket }) => socket.destroyed).length >= 4000,
        'the oldest are hung up on',
      );
      const late = net.early({ ...net.serverOptions(), purpose: 'client', ...address });
      await soon(late.put('amid'), 'a put of who came amid them');
      await soon(client.put('after'), 'another put');
      expect((await rss(child)) - before).toBeLessThan(128 * mebibyte);
      for (const raw of half) raw.destroy();
      await soon(client.put('later'), 'a put when they have gone');
    },
  );

  it(
    `of a peer that does not read for ${seconds} s costs the others nothing`,
    { timeout: (seconds + 240) * 1000 },
    async () => {
      const mark = 1000;
      const server = await net.server<Uint8Array>({
        highWaterMark: { messages: mark, bytes: mebibyte },
        onFull: 'drop-oldest',
      });
      const good = await Promise.all([net.client(server), net.client(server)]);
      const taken = new Map(good.map(({ id }) => [id, 0]));
      for (const client of good) {
        client.subscribe(() => taken.set(client.id, taken.get(client.id)! + 1));
      }
      await until(() => server.peers.size === 2, 'the good ones');
      const deaf = net.raw(server.address()!, { reads: false });
      deaf.write(hello());
      await until(() => server.peers.size === 3, 'the deaf one');
      const message = new Uint8Array(1000);
      let put = 0;
      const dropped = { good: 0, deaf: 0 };
      server.on('dropped', (peer, count) => {
        dropped[taken.has(peer) ? 'good' : 'deaf'] += count;
      });
      // So much at a time that who reads is never behind by the mark.
      const round = async (): Promise<void> => {
        for (let i = 0; i < mark / 4; i += 1) void server.put(message).then(null, () => {});
        put += mark / 4;
        await until(
          () => [...taken.values()].every((count) => count + dropped.good >= put),
          'the good ones have all',
        );
      };
      for (let i = 0; i < 100; i += 1) await round();
      globalThis.gc!();
      const before = process.memoryUsage().rss;
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) await round();
      globalThis.gc!();
      expect(dropped.good).toBe(0);
      expect(dropped.deaf).toBeGreaterThan(0);
      expect([...taken.values()]).toEqual([put, put]);
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * mebibyte);
      console.log(
        `${world.name}: ${put} messages for each, ${dropped.deaf} dropped for the deaf one`,
      );
      deaf.destroy();
      await until(() => server.peers.size === 2, 'it is gone');
    },
  );
});

async function rss(child: Child): Promise<number> {
  child.tell({ is: 'rss' });
  return (await child.report('rss'))['rss'] as number;
}
