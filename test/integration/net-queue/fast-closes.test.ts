import { readdirSync } from 'node:fs';

import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { soon, until, values } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

describe.each(worlds)('clients that put and close at once, $name', (world) => {
  const net = useNet(world);

  it('deliver every message, a thousand of them; nothing is left open, and the server can close', async () => {
    const rounds = 20;
    const together = 50;
    // The first one makes what stays for the life of the process.
    await net.pair();
    await net.dispose();
    const before = openFiles();

    const server = await net.server<string>();
    let came = 0;
    const ends: (string | undefined)[] = [];
    server.on('ini', () => (came += 1));
    server.on('lost', (_, error) => ends.push(error?.message));
    const seen: string[] = [];
    server.subscribe((data) => seen.push(data));
    const sent: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const closing = Array.from({ length: together }, async (_, i) => {
        const client: Communicator<string> = net.early(net.clientOptions(server));
        const text = `${round}/${i}`;
        sent.push(text);
        const put = client.put(text);
        await client.close();
        await put;
        expect(client.closed).toBe(true);
      });
      await soon(Promise.all(closing), 'a round of closes');
    }
    await until(() => ends.length >= rounds * together, 'the server has seen all of them go');
    expect(came).toBe(rounds * together);
    expect(ends.filter((message) => message !== undefined)).toEqual([]);
    await until(() => seen.length >= sent.length, 'every message has been delivered');
    expect(new Set(seen)).toEqual(new Set(sent));
    expect(seen).toHaveLength(sent.length);
    expect(server.peers.size).toBe(0);
    await soon(server.close(), 'the close of the server');
    await until(() => openFiles() <= before, 'all descriptors are closed');
  });

  it('leave timers, setImmediate and the subscription of the server their turns', async () => {
    const rounds = 20;
    const together = 50;
    const server = await net.server<string>();
    let seen = 0;
    server.subscribe(() => (seen += 1));
    let turns = 0;
    let immediate = setImmediate(function again() {
      turns += 1;
      immediate = setImmediate(again);
    });
    let timers = 0;
    const timer = setInterval(() => (timers += 1), 1);
    try {
      for (let round = 0; round < rounds; round += 1) {
        const closing = Array.from({ length: together }, async (_, i) => {
          const client: Communicator<string> = net.early(net.clientOptions(server));
          const put = client.put(`${round}/${i}`);
          await client.close();
          await put;
        });
        await Promise.all(closing);
      }
    } finally {
      clearImmediate(immediate);
      clearInterval(timer);
    }
    // Each round takes several round trips, so there are more than that, unless something keeps the loop to itself.
    expect(turns).toBeGreaterThanOrEqual(rounds);
    expect(timers).toBeGreaterThan(0);
    expect(seen).toBeGreaterThan(0);
    await until(() => seen === rounds * together, 'every message has been delivered');
  });

  it('also deliver what does not fit into the sockets at once', async () => {
    const server = await net.server<Uint8Array>();
    const reading = values(server, 10 * 20);
    const closing = Array.from({ length: 10 }, async () => {
      const client: Communicator<Uint8Array> = net.early(net.clientOptions(server));
      const puts = Array.from({ length: 20 }, () => client.put(new Uint8Array(300_000)));
      await client.close();
      await Promise.all(puts);
    });
    await soon(Promise.all(closing), 'the closes');
    expect((await soon(reading, 'all messages')).every(({ length }) => length === 300_000)).toBe(
      true,
    );
  });

  it('and servers that come and go do not use descriptors up', async () => {
    await net.pair();
    await net.dispose();
    const before = openFiles();
    for (let round = 0; round < 100; round += 1) {
      const { server, client } = await net.pair();
      void client.put(round);
      await Promise.all([server.close(), client.close()]);
    }
    await until(() => openFiles() <= before, 'all descriptors are closed');
    expect(openFiles()).toBeLessThanOrEqual(before);
  });
});

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}
