// What programs do to a communicator that no example shows.
import { createContext, runInContext } from 'node:vm';

import type { Communicator, CommunicatorEvents } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, soon, until, values } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.each(tcpWorlds)('misuse, $name', (world) => {
  const net = useNet(world);

  it.each(['ini', 'fin', 'lost', 'dropped', 'close'] as const)(
    'by a close() in a listener of %s ends in order',
    async (name: keyof CommunicatorEvents) => {
      const server = await net.server<string>();
      const closed = new Promise<void>((resolve, reject) => {
        server.on(name, () => {
          void server.close({ timeoutMs: 1000 }).then(resolve, reject);
        });
      });
      const client = await net.client(server);
      await client.put('before').catch(() => {});
      if (name === 'dropped') {
        const [peer] = server.peers;
        server.configure(peer!, { onFull: 'drop-newest', highWaterMark: { messages: 1 } });
        for (let i = 0; i < 100; i += 1) void server.put(`${i}`, peer!).catch(() => {});
      }
      if (name === 'fin' || name === 'lost') await client.close();
      if (name === 'close') void server.close();
      await soon(closed, 'the close in the listener');
      expect(server.closed).toBe(true);
      await soon(client.close({ force: true }), 'the end of the other side');
    },
  );

  it('by a close() in a handler, in a callback of a put and in the body of a loop ends in order', async () => {
    const closing: ((server: Communicator<string>) => Promise<void>)[] = [
      (server) =>
        new Promise((resolve, reject) => {
          server.subscribe(() => {
            void server.close({ timeoutMs: 1000 }).then(resolve, reject);
          });
        }),
      async (server) => {
        for await (const _ of server) await server.close({ timeoutMs: 1000 });
      },
      async (server) => {
        await server.get();
        const [peer] = server.peers;
        await server.put('back', peer!).then(async () => server.close({ timeoutMs: 1000 }));
      },
    ];
    for (const close of closing) {
      const { server, client } = await net.pair<string>();
      const done = close(server);
      await client.put('go');
      await soon(done, 'the end');
      expect(server.closed).toBe(true);
      await soon(client.close({ force: true }), 'the end of the other side');
    }
  });

  it('by memory of another realm is no misuse', async () => {
    const { server, client } = await net.pair();
    const foreign = createContext({});
    const make = (code: string): unknown => runInContext(code, foreign);
    await client.put(make('Uint8Array.of(1, 2, 3)'));
    await client.put(make('new Uint8Array(new SharedArrayBuffer(4)).fill(7)'));
    await client.put(make('({ a: [1, new Date(0)], b: null })'));
    await client.put(make('new Uint8Array(100_000).fill(9)'), { transfer: true });
    const [bytes, shared, value, large] = await values(server, 4);
    expect(value).toEqual({ a: [1, new Date(0)], b: null });
    expect([...(bytes as Uint8Array)]).toEqual([1, 2, 3]);
    expect([...(shared as Uint8Array)]).toEqual([7, 7, 7, 7]);
    expect((large as Uint8Array).length).toBe(100_000);
    const detached = make('Uint8Array.of(1)') as Uint8Array<ArrayBuffer>;
    structuredClone(detached, { transfer: [detached.buffer] });
    await expect(async () => client.put(detached)).rejects.toThrow(/detached/u);
  });

  it('by everything at once after the end is refused by code', async () => {
    const { server, client } = await net.pair<string>();
    await client.close();
    expect((await rejection(client.put('late'))).code).toBe('ERR_CHASKI_CLOSED');
    expect((await rejection(client.get())).code).toBe('ERR_CHASKI_CLOSED');
    expect((await rejection(client.send('late'))).code).toBe('ERR_CHASKI_CLOSED');
    expect(client.tryGet()).toBeUndefined();
    await soon(client.close(), 'a second close');
    await soon(client.close({ force: true }), 'a third close');
    for await (const _ of client) throw new Error('a message after the end');
    await until(() => server.peers.size === 0, 'the server hears of it');
  });

  it('by a hundred communicators that come and go, one after the other, leaves nothing behind', async () => {
    const cycle = async (): Promise<void> => {
      const { server, client } = await net.pair<string>();
      await client.put('x');
      const fin = event(server, 'fin');
      await client.close();
      await fin;
      await server.close();
      await net.dispose();
    };
    for (let i = 0; i < 20; i += 1) await cycle();
    const resources = (): number =>
      process.getActiveResourcesInfo().filter((name) => name !== 'Timeout').length;
    globalThis.gc!();
    const [before, used] = [process.memoryUsage(), resources()];
    for (let i = 0; i < 100; i += 1) await cycle();
    globalThis.gc!();
    const after = process.memoryUsage();
    expect(resources()).toBeLessThanOrEqual(used + 2);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(8 << 20);
    expect(after.rss - before.rss).toBeLessThan(48 << 20);
  });
});
