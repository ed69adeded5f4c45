// Sessions under everything that can break a connection or end a process, with an audit of each message.
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import type { Communicator } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { Cable } from '../integration/net-queue/support/cable.ts';
import { useNet } from '../integration/net-queue/support/net.ts';
import { soon, until } from '../integration/net-queue/support/waiting.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';
import { Chance } from './support/chance.ts';

const processor = new URL('fixtures/processor.mjs', import.meta.url);
const keeping = { sessionTimeoutMs: 60_000, keepAliveMs: 100 };
const rounds = 10;

describe.each(tcpWorlds)('sessions, $name', (world) => {
  const net = useNet(world);
  const cables: Cable[] = [];

  afterEach(() => {
    for (const cable of cables.splice(0)) cable.close();
  });

  it('deliver each message once and in order over a network that breaks in every way', async () => {
    const chance = new Chance(`network ${world.name}`);
    const server = await net.server({ ...keeping });
    const { port } = server.address() as { port: number };
    const cable = await Cable.to(port);
    cables.push(cable);
    const client = await net.client(server, { ...keeping, port: cable.port });
    await until(() => server.peers.has(client.id), 'the server hears of its client');
    const next = { server: 0, client: 0 };
    const wrong: unknown[] = [];
    const take = (side: 'server' | 'client') => (data: unknown) => {
      const number = (data as Buffer | Uint8Array).byteLength;
      const { buffer, byteOffset } = data as Uint8Array;
      const value = new DataView(buffer, byteOffset, number).getFloat64(0, true);
      if (value !== next[side]) wrong.push([side, value, next[side]]);
      next[side] += 1;
    };
    server.subscribe(take('server'));
    client.subscribe(take('client'));
    const puts = { server: 0, client: 0 };
    let rejected = 0;
    const end = performance.now() + 20_000;
    let breakAt = 0;
    let silentUntil = Infinity;
    while (performance.now() < end) {
      for (const [side, queue] of [
        ['server', client],
        ['client', server],
      ] as const) {
        if (queue.needDrain) continue;
        for (let i = chance.integer(1, 200); i > 0; i -= 1) {
          const message = Buffer.alloc(chance.next() < 0.002 ? 200_000 : chance.integer(8, 300));
          message.writeDoubleLE(puts[side]);
          puts[side] += 1;
          queue.put(message).catch(() => (rejected += 1));
        }
      }
      if (performance.now() > silentUntil) {
        cable.plug();
        silentUntil = Infinity;
      }
      if (performance.now() > breakAt) {
        breakAt = performance.now() + chance.integer(5, 600);
        const how = chance.of(['cut', 'both', 'near', 'far', 'silence'] as const);
        if (how === 'cut') cable.cut();
        else if (how === 'silence') {
          cable.pull();
          silentUntil = performance.now() + chance.integer(10, 800);
        } else cable.end(how);
      }
      await delay(1);
    }
    cable.plug();
    await soon(Promise.all([server.drain(), client.drain()]), 'all is acknowledged');
    await until(
      () => next.server === puts.server && next.client === puts.client,
      'all is delivered',
    );
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(rejected).toBe(0);
    expect(cable.connections).toBeGreaterThan(20);
    console.log(
      `${world.name}: ${puts.server + puts.client} messages over ${cable.connections} connections`,
    );
  });

  it(`lose nothing when the process of the client is killed ${rounds} times and comes back`, async () => {
    const chance = new Chance(`clients ${world.name}`);
    const server = await net.server({
      ...keeping,
      highWaterMark: { bytes: 1 << 20, messages: 4096 },
    });
    const session = { id: randomUUID(), secret: randomBytes(16).toString('hex') };
    const file = net.path();
    const start = () =>
      net.child(processor, {
        options: { ...net.clientOptions(server), ...keeping, ...session },
        file,
      });
    let child = start();
    await child.report('open');
    await until(() => server.peers.has(session.id), 'the server hears of its client');
    const stream = numbers(server, session.id);
    for (let round = 0; round < rounds; round += 1) {
      await delay(chance.integer(20, 300));
      await child.kill();
      child = start();
      await child.report('open');
    }
    const count = await stream.end();
    expect(wrongIn(file, count)).toEqual([]);
  });

  it(`lose nothing when the process of the server is killed ${rounds} times and comes back`, async () => {
    const chance = new Chance(`servers ${world.name}`);
    const id = randomUUID();
    const file = net.path();
    const options = { ...net.serverOptions(), ...keeping, id };
    let child = net.child(processor, { options, file });
    const { address } = (await child.report('open')) as unknown as { address: { port: number } };
    const client = net.early({
      ...net.serverOptions(),
      ...keeping,
      purpose: 'client',
      port: address.port,
      highWaterMark: { bytes: 1 << 20, messages: 4096 },
    });
    await soon(client.ready(), 'the client is connected');
    const stream = numbers(client);
    for (let round = 0; round < rounds; round += 1) {
      await delay(chance.integer(20, 300));
      await child.kill();
      await delay(chance.integer(0, 100));
      child = net.child(processor, { options: { ...options, port: address.port }, file });
      await child.report('open');
    }
    const count = await stream.end();
    expect(wrongIn(file, count)).toEqual([]);
  });

  it('come back all together, 300 of them, when their server does', async () => {
    const id = randomUUID();
    const file = net.path();
    const options = { ...net.serverOptions(), ...keeping, id };
    let child = net.child(processor, { options, file });
    const { address } = (await child.report('open')) as unknown as { address: { port: number } };
    const clients = Array.from({ length: 300 }, () =>
      net.early({
        ...net.serverOptions(),
        ...keeping,
        purpose: 'client',
        port: address.port,
      }),
    );
    await soon(Promise.all(clients.map((client) => client.ready())), 'all are connected');
    for (let round = 0; round < 3; round += 1) {
      const puts = clients.map((client, i) => client.put(numbered(round * 1000 + i)));
      await child.kill();
      child = net.child(processor, { options: { ...options, port: address.port }, file });
      await child.report('open');
      await soon(Promise.all(puts), `round ${round} is processed`);
    }
    const found = new Set(lines(file).map(([number]) => number));
    expect(found.size).toBe(900);
  });

  it('keep the connection of a peer whose event loop is blocked for 30 s', async () => {
    const server = await net.server({ keepAliveMs: 1000 });
    let away = 0;
    server.on('disconnect', () => (away += 1));
    const child = net.child(new URL('fixtures/blocker.mjs', import.meta.url), {
      options: { ...net.clientOptions(server), keepAliveMs: 1000 },
      forMs: 30_000,
    });
    const { id } = (await child.report('open')) as unknown as { id: string };
    await until(() => server.isConnected(id), 'the server hears of its client');
    const put = server.put('meanwhile', id);
    await soon(put, 'its native part acknowledges');
    await child.report('awake');
    expect(away).toBe(0);
    expect((await server.get({ timeoutMs: 10_000 })).data).toBe('awake');
  });

  it('do not mind a clock that jumps', async () => {
    const server = await net.server({ ...keeping });
    const client = await net.client(server, { ...keeping });
    await until(() => server.peers.has(client.id), 'the server hears of its client');
    let away = 0;
    for (const side of [server, client]) side.on('disconnect', () => (away += 1));
    const real = Date.now;
    try {
      for (const days of [365, -365, 1, 0]) {
        Date.now = () => real() + days * 86_400_000;
        await soon(client.put(days), 'a put is acknowledged');
        expect((await server.get({ timeoutMs: 10_000 })).data).toBe(days);
        await delay(400);
      }
    } finally {
      Date.now = real;
    }
    expect(away).toBe(0);
  });
});

function numbered(number: number): Buffer {
  const message = Buffer.alloc(8 + (number % 100));
  message.writeDoubleLE(number);
  return message;
}

/** Puts numbers until told to end; then all of them are acknowledged. */
function numbers(queue: Communicator, peer?: string): { end(): Promise<number> } {
  let count = 0;
  const stop = new AbortController();
  const rejected: unknown[] = [];
  const done = (async () => {
    while (!stop.signal.aborted) {
      if (!queue.needDrain) {
        for (let i = 0; i < 50; i += 1) {
          const message = numbered(count);
          const put = peer === undefined ? queue.put(message) : queue.put(message, peer);
          put.catch((error: unknown) => rejected.push(error));
          count += 1;
        }
      }
      await delay(1);
    }
  })();
  return {
    async end() {
      stop.abort();
      await done;
      await soon(queue.drain(), 'all is processed', 120_000);
      expect(rejected).toEqual([]);
      return count;
    },
  };
}

function lines(file: string): (readonly [number, number])[] {
  const numbers = new Float64Array(new Uint8Array(readFileSync(file)).buffer);
  return Array.from({ length: numbers.length / 2 }, (_, i) => [
    numbers[2 * i]!,
    numbers[2 * i + 1]!,
  ]);
}

/** Each number has to be there, in order; what is there again has to say that it was delivered before. */
function wrongIn(file: string, count: number): unknown[] {
  let next = 0;
  let repeated = 0;
  const wrong: unknown[] = [];
  for (const [number, deliveries] of lines(file)) {
    if (number === next) next += 1;
    else if (number < next && deliveries > 1) repeated += 1;
    else wrong.push({ number, deliveries, next });
    if (wrong.length > 10) break;
  }
  if (next !== count || count < 1000) wrong.push({ next, count });
  console.log(`${count} messages, ${repeated} of them written down again`);
  return wrong;
}
