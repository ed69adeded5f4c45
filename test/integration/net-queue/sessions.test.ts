// Sessions that outlive their connections and their processes, over real sockets.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';

import { open } from 'chaski/net-queue';
import type { Communicator } from 'chaski/net-queue';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';

import { Cable } from './support/cable.ts';
import { useNet } from './support/net.ts';
import { rejection, soon, take, until } from './support/waiting.ts';
import { securedWorlds, tcpWorlds, threadedWorlds } from './support/worlds.ts';

/** Reserved, and served by nobody. */
const nobodysPort = 1;
const keeping = { sessionTimeoutMs: 30_000, keepAliveMs: 100 };

describe.each([...tcpWorlds, ...securedWorlds, ...threadedWorlds])('a session, $name', (world) => {
  const net = useNet(world);
  const cables: Cable[] = [];

  afterEach(() => {
    for (const cable of cables.splice(0)) cable.close();
  });

  async function cableTo(server: Communicator): Promise<Cable> {
    const { port } = server.address() as { port: number };
    const cable = await Cable.to(port);
    cables.push(cable);
    return cable;
  }

  async function connect(
    options: { server?: object; client?: object } = {},
  ): Promise<{ server: Communicator; client: Communicator; cable: Cable }> {
    const server = await net.server({ ...keeping, ...options.server });
    const cable = await cableTo(server);
    const client = await net.client(server, { ...keeping, port: cable.port, ...options.client });
    await until(() => server.peers.has(client.id), 'the server hears of its client');
    return { server, client, cable };
  }

  it('goes on over the next connection: nothing is lost, repeated or reordered in either direction', async () => {
    const { server, client, cable } = await connect();
    const seen: { server: number[]; client: number[] } = { server: [], client: [] };
    server.subscribe((value) => seen.server.push(value as number));
    client.subscribe((value) => seen.client.push(value as number));
    const count = 30_000;
    let rejected = 0;
    let puts = 0;
    let cut = 0;
    for (let i = 0; i < count; i += 1) {
      for (const side of [server, client]) {
        puts += 1;
        side.put(i).catch(() => {
          rejected += 1;
        });
      }
      if (i % 3000 === 1500) {
        await until(() => cable.connections > cut, 'there is a connection to be cut');
        cut = cable.connections;
        cable.cut();
      }
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    await soon(Promise.all([server.drain(), client.drain()]), 'everything is acknowledged');
    const all = Array.from({ length: count }, (_, i) => i);
    await until(() => seen.server.length >= count && seen.client.length >= count, 'all arrived');
    expect(seen.server).toEqual(all);
    expect(seen.client).toEqual(all);
    expect([puts, rejected]).toEqual([2 * count, 0]);
    expect(cable.connections).toBeGreaterThanOrEqual(10);
  });

  it('carries messages of every size across a cut', async () => {
    const { server, client, cable } = await connect();
    const sizes = [0, 1, 65_516, 65_517, 1 << 20, 5 << 20, 100, 3 << 20];
    const puts = sizes.map((size, i) => client.put(new Uint8Array(size).fill(i + 1)));
    await new Promise(setImmediate);
    cable.cut();
    await soon(Promise.all(puts), 'all are acknowledged');
    const got = await payloads<Uint8Array>(server, sizes.length);
    expect(got.map((bytes) => bytes.length)).toEqual(sizes);
    expect(got.every((bytes, i) => bytes.every((byte) => byte === i + 1))).toBe(true);
  });

  it('tells both sides that the connection is lost, and that it is back', async () => {
    const { server, client, cable } = await connect();
    const away = [once(server, 'disconnect'), once(client, 'disconnect')];
    const back = [once(server, 'reconnect'), once(client, 'reconnect')];
    cable.cut();
    const [[atServer, why], [atClient]] = (await soon(Promise.all(away), 'both hear of it')) as [
      [string, { code: string }],
      [string],
    ];
    expect([atServer, atClient]).toEqual([client.id, server.id]);
    expect(why.code).toBe('ERR_CHASKI_CLOSED');
    await soon(Promise.all(back), 'both are back');
    expect([...server.peers]).toEqual([client.id]);
    expect([server.isConnected(client.id), client.isConnected()]).toEqual([true, true]);
  });

  it('leaves a connection that has fallen silent within 3 × keepAliveMs, and finds another', async () => {
    const { server, client, cable } = await connect();
    const away = [once(server, 'disconnect'), once(client, 'disconnect')];
    cable.pull();
    const put = client.put('while away');
    await soon(Promise.all(away), 'both notice');
    expect(client.isConnected()).toBe(false);
    cable.plug();
    await soon(put, 'it is delivered over the next connection');
    expect(await payloads(server, 1)).toEqual(['while away']);
  });

  it('ends when nobody comes back in time', async () => {
    const { server, client, cable } = await connect({
      server: { sessionTimeoutMs: 300 },
      client: { sessionTimeoutMs: 300 },
    });
    cable.pull();
    const put = client.put('never');
    const lost = once(server, 'lost');
    await expect(put).rejects.toMatchObject({ code: 'ERR_CHASKI_CLOSED', delivered: 'unknown' });
    const [id, error] = (await soon(lost, 'the server gives it up')) as [string, { code: string }];
    expect([id, error.code]).toEqual([client.id, 'ERR_CHASKI_TIMEOUT']);
    await until(() => client.closed, 'the client ends');
  });

  it('goes on in a new process of the client, which gets what the old one had not done', async () => {
    const server = await net.server({ ...keeping });
    const first = await net.client(server, { ...keeping, ack: 'processed' });
    await until(() => server.peers.has(first.id), 'the server hears of its client');
    const puts = ['a', 'b', 'c'].map((value) => server.put(value, first.id));
    const got = await first.get();
    got.ack();
    await soon(puts[0] as Promise<void>, 'the first one is done');
    expect((await first.get()).data).toBe('b');
    const { session } = first;
    const child = net.child('resumer.mjs', {
      session,
      port: (server.address() as { port: number }).port,
      security: net.clientOptions(server).security,
    });
    // The old process is as good as dead: the new one takes its place.
    const told = (await child.report('got')) as unknown as {
      got: [string, number, number][];
    };
    expect(told.got).toEqual([
      ['b', 2, 2],
      ['c', 3, 2],
    ]);
    await soon(Promise.all(puts), 'all are done');
    expect(await payloads(server, 1)).toEqual(['from the new process']);
  });

  // Over TLS the certificate counts as well: see tls.test.ts.

  describe('whose server comes back under another id', () => {
    async function replace(cable: Cable): Promise<Communicator> {
      const next = await net.server(keeping);
      cable.lead((next.address() as { port: number }).port);
      cable.cut();
      return next;
    }

    it('tells its client that the one is gone and the other is there, and what was put goes on', async () => {
      const { server, client, cable } = await connect({ server: { ack: 'processed' } });
      const told: string[][] = [];
      for (const name of ['ini', 'disconnect', 'reconnect', 'lost'] as const) {
        client.on(name, (peer: string) => told.push([name, peer]));
      }
      const waiting = [client.get({ peer: server.id }), client.getBatch({ peer: server.id })].map(
        rejection,
      );
      const any = client.get();
      const put = client.put('not done');
      expect((await take(server, 1))[0]?.data).toBe('not done');
      const next = await replace(cable);
      for (const error of await Promise.all(waiting)) {
        expect(error).toMatchObject({ code: 'ERR_CHASKI_CLOSED', peer: server.id });
        expect(error.message).toContain(next.id);
      }
      expect((await take(next, 1))[0]).toMatchObject({ data: 'not done', deliveries: 2 });
      await soon(put, 'the put is acknowledged');
      expect(told).toEqual([
        ['disconnect', server.id],
        ['lost', server.id],
        ['ini', next.id],
      ]);
      expect([...client.peers]).toEqual([next.id]);
      expect([client.isConnected(server.id), client.isConnected(next.id)]).toEqual([false, true]);
      expect((await rejection(client.put(1, server.id))).code).toBe('ERR_CHASKI_NOT_CONNECTED');
      await next.put('to the one who waits for anybody', client.id);
      expect(await soon(any, 'a message')).toMatchObject({ peer: next.id });
    });

    it('keeps apart what the one and the other have sent', async () => {
      const { server, client, cable } = await connect();
      await server.put('a');
      await server.put('b');
      const next = await replace(cable);
      await until(() => next.peers.has(client.id), 'the client is there');
      await next.put('c');
      await next.put('d');
      const first = await client.getBatch({ max: 1 });
      expect(first).toMatchObject({ peer: server.id, length: 1 });
      expect((await client.get({ peer: next.id })).data).toBe('c');
      expect(await client.get({ peer: server.id })).toMatchObject({ data: 'b', peer: server.id });
      expect(await client.get()).toMatchObject({ data: 'd', peer: next.id, seq: 4 });
    });

    it('gives what is left of each when it has closed', async () => {
      const { server, client, cable } = await connect();
      await server.put('a');
      const next = await replace(cable);
      await until(() => next.peers.has(client.id), 'the client is there');
      await next.put('b');
      await client.close({ force: true });
      expect(await client.get()).toMatchObject({ data: 'a', peer: server.id });
      expect(await client.get()).toMatchObject({ data: 'b', peer: next.id });
    });
  });

  it('is kept by a client whose server is not there for a while', async () => {
    const id = randomUUID();
    const { client, cable } = await connect({ server: { id } });
    await client.put('for the first');
    cable.lead(nobodysPort);
    cable.cut();
    await until(() => !client.isConnected(), 'the client notices');
    const put = client.put('for the second');
    const second = await net.server({ ...keeping, id });
    cable.lead((second.address() as { port: number }).port);
    await soon(put, 'the new server takes it');
    expect(await payloads(second, 1)).toEqual(['for the second']);
  });
});

// Over TLS the certificate proves the same: tls.test.ts.
describe.each(tcpWorlds)('a session that only its secret proves, $name', (world) => {
  const net = useNet(world);

  it('is not taken by somebody who knows its id only', async () => {
    const server = await net.server(keeping);
    const { port } = server.address() as { port: number };
    const cable = await Cable.to(port);
    onTestFinished(() => {
      cable.close();
    });
    const client = await net.client(server, { ...keeping, port: cable.port });
    await until(() => server.peers.has(client.id), 'the server hears of its client');
    for (const away of [false, true]) {
      if (away) {
        cable.pull();
        await soon(once(server, 'disconnect'), 'it is away');
      }
      const thief = open({ id: client.id, port, runOn: world.host, connectTimeoutMs: 2000 });
      await expect(soon(thief, 'an answer')).rejects.toMatchObject({ code: 'ERR_CHASKI_AUTH' });
    }
  });
});

/** What the next messages hold. */
async function payloads<T>(queue: Communicator, count: number): Promise<T[]> {
  return (await take(queue, count)).map(({ data }) => data as T);
}
