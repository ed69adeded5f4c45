import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, soon, take, turn, until } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(worlds)('events, $name', (world) => {
  const net = useNet(world);

  it('tell a server of each peer that comes, says its last, and goes; in that order', async () => {
    const server = await net.server();
    const told: unknown[] = [];
    server.on('ini', (peer) => told.push(['ini', peer]));
    server.on('fin', (peer) => told.push(['fin', peer]));
    server.on('lost', (peer, error) => told.push(['lost', peer, error]));
    const client = await net.client(server);
    await client.close();
    await until(() => told.length === 3, 'three events');
    expect(told).toEqual([
      ['ini', client.id],
      ['fin', client.id],
      ['lost', client.id, undefined],
    ]);
  });

  it('tell a client of its server in the same way, and of the end', async () => {
    const server = await net.server();
    const told: string[] = [];
    const client = net.early(net.clientOptions(server));
    client.on('ini', (peer) => told.push(`ini ${peer}`));
    client.on('fin', (peer) => told.push(`fin ${peer}`));
    client.on('lost', (peer, error) => told.push(`lost ${peer} ${error?.code ?? 'in order'}`));
    client.on('close', () => told.push('close'));
    await client.ready();
    await server.close();
    await until(() => client.closed, 'the client closes');
    await until(() => told.includes('close'), 'its last event');
    expect(told).toEqual([
      `ini ${server.id}`,
      `fin ${server.id}`,
      `lost ${server.id} in order`,
      'close',
    ]);
  });

  it('tell that a peer was killed, and why; its messages can still be got', async () => {
    const server = await net.server();
    const child = net.child('client.mjs', { options: net.clientOptions(server) });
    const { id } = await child.report('open');
    child.tell({ is: 'put', data: 'testament' });
    await child.report('put');
    const lost = event(server, 'lost');
    await child.kill();
    const [peer, error] = await lost;
    expect(peer).toBe(id);
    expect(error?.code).toBe('ERR_CHASKI_CLOSED');
    expect(server.peers.size).toBe(0);
    const [message] = await take(server, 1);
    expect([message?.peer, message?.data]).toEqual([id, 'testament']);
  });

  it('tell a listener about a peer before any of its messages', async () => {
    const server = await net.server();
    const order: string[] = [];
    server.on('ini', () => order.push('ini'));
    server.subscribe(() => order.push('message'));
    const client = net.early(net.clientOptions(server));
    await client.put('right away');
    await until(() => order.length === 2, 'both');
    expect(order).toEqual(['ini', 'message']);
  });

  it('take a silent peer for lost after idleTimeoutMs, and only then', async () => {
    // Far more than a machine that is busy lets a thread wait.
    const times = { keepAliveMs: 50, idleTimeoutMs: 2000 };
    const server = await net.server(times);
    const quiet = await net.client(server, times);
    const child = net.child('client.mjs', {
      options: net.clientOptions(server, { keepAliveMs: 50 }),
    });
    const { id } = await child.report('open');
    await until(() => server.peers.size === 2, 'two peers');
    const lost = event(server, 'lost');
    const start = performance.now();
    child.process.kill('SIGSTOP');
    const [peer, error] = await lost;
    expect([peer, error?.code]).toEqual([id, 'ERR_CHASKI_TIMEOUT']);
    expect(performance.now() - start).toBeGreaterThan(1800);
    // The quiet one has said as little, but it is there.
    expect([...server.peers]).toEqual([quiet.id]);
  });

  it('tell `close` once, after which nothing else is told', async () => {
    const { server, client } = await net.pair();
    const told: string[] = [];
    for (const name of ['ini', 'fin', 'lost', 'drain', 'warning', 'close'] as const) {
      server.on(name, () => told.push(name));
    }
    void client.put('x');
    await Promise.all([client.close(), server.close()]);
    await turn(10);
    expect(told.filter((name) => name === 'close')).toHaveLength(1);
    expect(told.at(-1)).toBe('close');
  });
});

describe.each(tcpWorlds)('events, $name', (world) => {
  const net = useNet(world);

  it('reach node:diagnostics_channel too', async () => {
    const told: unknown[] = [];
    const listen = (message: unknown, name: string | symbol): void => {
      told.push([name, (message as { id: string }).id]);
    };
    const names = ['open', 'lost', 'close'].map((name) => `chaski:net-queue:${name}`);
    for (const name of names) subscribe(name, listen);
    try {
      const { server, client } = await net.pair();
      await client.close();
      await server.close();
      await turn(5);
      expect(told).toContainEqual(['chaski:net-queue:open', server.id]);
      expect(told).toContainEqual(['chaski:net-queue:open', client.id]);
      expect(told).toContainEqual(['chaski:net-queue:lost', server.id]);
      expect(told).toContainEqual(['chaski:net-queue:close', client.id]);
      expect(told).toContainEqual(['chaski:net-queue:close', server.id]);
    } finally {
      for (const name of names) unsubscribe(name, listen);
    }
  });

  it('make what a listener throws an uncaught exception, and lose nothing by it', async () => {
    const child = net.child('throwing.mjs');
    const { uncaught, messages } = await child.report('done');
    expect(uncaught).toEqual(['in ini', 'in a callback']);
    expect(messages).toEqual([1, 2, 3]);
    expect((await soon(child.exited, 'its end')).code).toBe(0);
  });
});
