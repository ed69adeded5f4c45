// A server of several threads, whose clients come, lose their connections, come back and go all at once.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import { open } from 'chaski/net-queue';
import type { Communicator } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { Cable } from './support/cable.ts';
import { useNet } from './support/net.ts';
import { soon, turn, until } from './support/waiting.ts';
import { threadedWorlds } from './support/worlds.ts';

const keeping = { sessionTimeoutMs: 30_000, keepAliveMs: 100 };

describe.each(threadedWorlds)('a server of several threads, $name', (world) => {
  const net = useNet(world);
  const cables: Cable[] = [];

  afterEach(() => {
    for (const cable of cables.splice(0)) cable.close();
  });

  /** Takes the messages of everybody; each counts from 0. */
  function counting(queue: Communicator, wrong: string[]): Map<string, number> {
    const next = new Map<string, number>();
    queue.subscribe((value, peer) => {
      const expected = next.get(peer) ?? 0;
      if (value !== expected) wrong.push(`${String(value)} of ${peer} instead of ${expected}`);
      next.set(peer, expected + 1);
    });
    return next;
  }

  it('keeps every session whole while connections break everywhere', async () => {
    const wrong: string[] = [];
    const server = await net.server({ ...keeping });
    const atServer = counting(server, wrong);
    const { port } = server.address() as { port: number };
    for (let i = 0; i < 4; i += 1) cables.push(await Cable.to(port));
    const clients = await Promise.all(
      Array.from({ length: 24 }, async (_, i) =>
        net.client(server, { ...keeping, port: cables[i % 4]!.port }),
      ),
    );
    const ids = clients.map(({ id }) => id);
    await until(() => ids.every((id) => server.peers.has(id)), 'all are there');
    const atClients = clients.map((client) => counting(client, wrong));
    const rejected: unknown[] = [];
    const count = 2000;
    for (let i = 0; i < count; i += 1) {
      for (const queue of [server, ...clients]) {
        queue.put(i).catch((error: unknown) => rejected.push(error));
      }
      if (i % 50 === 0) await turn();
      if (i % 200 === 100) cables[(i / 200) & 3]!.cut();
    }
    await soon(Promise.all([server, ...clients].map((queue) => queue.drain())), 'all is delivered');
    await until(
      () =>
        ids.every((id) => atServer.get(id) === count) &&
        atClients.every((next) => next.get(server.id) === count),
      'all arrived',
    );
    expect([wrong, rejected]).toEqual([[], []]);
    expect(cables.every((cable) => cable.connections > 6)).toBe(true);
    const closed = clients.map((client) => client.close());
    await soon(Promise.all([...closed, server.close()]), 'all close');
  });

  it('is left, joined and closed at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const wrong: string[] = [];
      const server = await net.server({ ...keeping });
      const arrived = counting(server, wrong);
      const clients = Array.from({ length: 12 }, () =>
        net.early({ ...net.clientOptions(server), ...keeping }),
      );
      const acknowledged = new Map<string, number>();
      const puts = clients.flatMap((client) =>
        Array.from({ length: 100 }, (_, i) =>
          client.put(i).then(
            () => acknowledged.set(client.id, i + 1),
            () => {},
          ),
        ),
      );
      await until(() => server.peers.size > round, 'some are there');
      const closes = clients.map((client, i) => client.close({ force: i % 3 === 0 }));
      await soon(Promise.all([server.close(), ...closes]), 'all close');
      await soon(Promise.all(puts), 'every put is settled');
      const all = [...acknowledged];
      await until(
        () => all.every(([id, least]) => (arrived.get(id) ?? 0) >= least),
        'what was acknowledged arrives',
      );
      expect(wrong).toEqual([]);
    }
  });

  it('ends with the worker thread that opened it, whatever its threads are doing', async () => {
    for (let round = 0; round < 10; round += 1) {
      const worker = new Worker(new URL('fixtures/server-thread.mjs', import.meta.url), {
        workerData: net.serverOptions(),
      });
      const [place] = (await soon(once(worker, 'message'), 'it listens')) as [{ port: number }];
      const { runOn, security } = net.serverOptions();
      const options = {
        ...place,
        sessionTimeoutMs: 0,
        ...(runOn && { runOn }),
        ...(security && { security }),
      };
      const clients = await Promise.all(
        Array.from({ length: 8 }, async () => net.keep(await open(options))),
      );
      const puts = clients.flatMap((client) =>
        Array.from({ length: 200 }, () => client.put(new Uint8Array(1000)).then(null, () => {})),
      );
      await turn(round);
      expect(await worker.terminate()).toBe(1);
      await until(() => clients.every(({ closed }) => closed), 'its clients hear of it');
      await soon(Promise.all(puts), 'every put is settled');
    }
  });

  it('gives a session to the newest of the connections that ask for it, whichever thread they are on', async () => {
    const server = await net.server({ ...keeping });
    const first = await net.client(server, { ...keeping });
    const { session } = first;
    const lost: unknown[] = [];
    server.on('lost', (peer) => lost.push(peer));
    for (let round = 0; round < 20; round += 1) {
      // The one before is still connected, and is left for this one.
      const next = await net.client(server, { ...keeping, ...session });
      await soon(next.put(round), `the put of round ${round}`);
      expect((await server.get({ timeoutMs: 60_000 })).data).toBe(round);
      await next.close({ force: true });
    }
    expect(server.peers.size).toBeLessThanOrEqual(1);
    expect(lost.length).toBeLessThanOrEqual(20);
  });
});

const [threaded] = threadedWorlds;
const countable = process.platform === 'linux' && threaded !== undefined;
describe.runIf(countable)('the threads of a server', () => {
  const net = useNet(threaded!);

  it('are as many as it asked for', async () => {
    const threads = () =>
      readdirSync('/proc/self/task').filter((task) =>
        readFileSync(`/proc/self/task/${task}/comm`, 'utf8').startsWith('chaski-io'),
      ).length;
    // A thread is there before it has its name.
    await net.server({ workers: 2 });
    await until(() => threads() >= 2, 'two threads');
    await turn();
    const most = threads() + 3;
    await net.server({ workers: most });
    await until(() => threads() === most, 'three more');
    await net.server({ workers: 2 });
    expect(threads()).toBe(most);
  });
});
