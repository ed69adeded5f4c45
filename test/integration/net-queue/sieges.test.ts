import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import type { Child } from './support/child.ts';
import { useNet } from './support/net.ts';
import { soon, turn } from './support/waiting.ts';
import { control, data, Frame, header, hello, RawPeer } from './support/wire.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

const mebibyte = 1 << 20;

/** Server processes under many or greedy connections: their memory is looked at from outside. */
describe.each(tcpWorlds)('a besieged server, $name', (world) => {
  const net = useNet(world);

  async function start(options: object = {}): Promise<{ child: Child; address: object }> {
    const child = net.child(
      'server.mjs',
      { options: { ...net.serverOptions(), ...options } },
      { execArgv: ['--expose-gc'] },
    );
    const { address } = await child.report('open');
    return { child, address: address as object };
  }

  it('serves others while 2,000 connections say nothing, and gets rid of them in time', async () => {
    const { child, address } = await start({ handshakeTimeoutMs: 5000 });
    const before = await rss(child);
    const silent: RawPeer[] = [];
    for (let i = 0; i < 2000; i += 1) {
      silent.push(new RawPeer(address));
      if (i % 100 === 99) await turn();
    }
    await soon(
      Promise.all(
        silent
          .filter(({ socket }) => socket.connecting)
          .map(({ socket }) => once(socket, 'connect')),
      ),
      'all connections',
    );
    const client = net.early({ ...net.serverOptions(), purpose: 'client', ...address });
    await soon(client.put('good'), 'a put of a good client');
    // 4 KiB each for what they might say; far below what a session takes.
    expect((await rss(child)) - before).toBeLessThan(48 * mebibyte);
    await soon(Promise.all(silent.map(({ closed }) => closed)), 'all are hung up on');
    for (let i = 0; i < silent.length; i += 1) {
      expect(await child.report('warning')).toMatchObject({ code: 'ERR_CHASKI_TIMEOUT' });
    }
    await soon(client.put('still good'), 'another put');
  });

  it('takes no memory for what a peer only announces', async () => {
    const { child, address } = await start();
    const before = await rss(child);
    const greedy = Array.from({ length: 100 }, () => new RawPeer(address));
    for (const raw of greedy) {
      const length = (256 << 20) + 4;
      const word = Buffer.alloc(4);
      word.writeUInt32LE(256 << 20);
      raw.write(hello(), header({ length, count: 1, seq: 1 }), word, Buffer.alloc(1000));
    }
    for (let i = 0; i < greedy.length; i += 1) await child.report('ini');
    const client = net.early({ ...net.serverOptions(), purpose: 'client', ...address });
    await soon(client.put('good'), 'a put of a good client');
    expect((await rss(child)) - before).toBeLessThan(32 * mebibyte);
    for (const raw of greedy) raw.destroy();
    for (let i = 0; i < greedy.length; i += 1) await child.report('lost');
    await soon(client.put('still good'), 'another put');
  });

  it('holds no more than its mark for each of many peers that send what nobody takes', async () => {
    const { child, address } = await start({ highWaterMark: { bytes: mebibyte } });
    const before = await rss(child);
    const floods = Array.from({ length: 20 }, () => new RawPeer(address));
    const message = Buffer.alloc(60_000, 1);
    for (const raw of floods) {
      raw.write(hello());
      // 12 MiB from each; what is not taken stays in the sockets.
      for (let seq = 1; seq <= 200; seq += 1) raw.write(data(seq, message));
    }
    for (let i = 0; i < floods.length; i += 1) await child.report('ini');
    let held = 0;
    while (held < floods.length * (mebibyte - message.length)) {
      held = (await stats(child))['heldBytes']!;
    }
    // What one read brings may be more than what was missing.
    expect(held).toBeLessThan(floods.length * (mebibyte + 256 * 1024));
    expect((await rss(child)) - before).toBeLessThan(20 * 2 * mebibyte);
    child.tell({ is: 'consume' });
    for (const raw of floods) raw.write(control(Frame.FIN, 200));
    for (let i = 0; i < floods.length; i += 1) {
      expect(await child.report('fin')).toBeDefined();
    }
  });

  it('forgets 3,000 connections that come with noise and go', async () => {
    const { child, address } = await start();
    const client = net.early({ ...net.serverOptions(), purpose: 'client', ...address });
    await client.put('good');
    const storm = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 100) {
        const noisy = Array.from({ length: 100 }, () => new RawPeer(address));
        for (const [n, raw] of noisy.entries()) {
          if (n % 3 === 0) raw.write(Buffer.from('noise'));
          else raw.write(hello(), n % 3 === 1 ? data(1, Buffer.from('x')) : header({ type: 9 }));
          if (n % 3 === 1) raw.socket.end();
        }
        await soon(Promise.all(noisy.map(({ closed }) => closed)), 'a hundred are gone');
      }
    };
    child.tell({ is: 'consume' });
    await storm(1000);
    const before = await rss(child);
    await storm(2000);
    expect((await rss(child)) - before).toBeLessThan(16 * mebibyte);
    await soon(client.put('still good'), 'another put');
  });
});

describe.each(worlds)('a server and a peer that never reads, $name', (world) => {
  const net = useNet(world);

  it('does not pile up what it has to say to it', async () => {
    const child = net.child(
      'server.mjs',
      { options: net.serverOptions({ keepAliveMs: 5 }) },
      { execArgv: ['--expose-gc'] },
    );
    const { address } = await child.report('open');
    child.tell({ is: 'consume' });
    const raw = net.raw(address as object, { reads: false });
    raw.write(hello());
    await child.report('ini');
    // Each message comes alone, and each is worth an acknowledgement.
    const count = 60_000;
    const send = async (from: number, to: number): Promise<void> => {
      for (let seq = from; seq <= to; seq += 1) {
        raw.write(data(seq, Buffer.alloc(1)));
        await turn();
      }
    };
    await send(1, 10_000);
    const before = await rss(child);
    const { slabsLive } = await stats(child);
    await send(10_001, count);
    const after = (await stats(child))['slabsLive']!;
    // What is being received, and one that is being written; 50,000 acknowledgements would take twelve.
    expect(after).toBeLessThanOrEqual(slabsLive! + 4);
    expect((await rss(child)) - before).toBeLessThan(16 * mebibyte);
    raw.destroy();
    await child.report('lost');
  });
});

async function rss(child: Child): Promise<number> {
  child.tell({ is: 'rss' });
  return (await child.report('rss'))['rss'] as number;
}

async function stats(child: Child): Promise<Record<string, number>> {
  child.tell({ is: 'stats' });
  return (await child.report('stats')) as unknown as Record<string, number>;
}
