import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import * as nq from 'chaski/net-queue';
import { ChaskiError, open, Protocol, Purpose } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, settled, soon, turn, values } from './support/waiting.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

describe.each(worlds)('opening, $name', (world) => {
  const net = useNet(world);

  /** A place where nobody listens, and where a server can listen later. */
  async function freePlace(): Promise<{ port: number } | { path: string }> {
    if (world.protocol === Protocol.UNIX) return { path: net.path() };
    const holder = await net.server();
    const { port } = holder.address() as { port: number };
    await holder.close();
    return { port };
  }

  function clientAt(place: object, more: object = {}): nq.Communicator {
    return net.early({ protocol: world.protocol, runOn: world.host, ...place, ...more });
  }

  it('makes a client before its server exists; it connects and delivers when the server comes up', async () => {
    const place = await freePlace();
    const client = clientAt(place);
    const puts = [client.put('first'), client.put('second')];
    const ready = client.ready();
    await turn(10);
    expect(await settled(ready)).toBe('pending');
    expect(client.address()).toBeUndefined();

    const server = await net.server({ ...net.serverOptions(), ...place });
    await soon(ready, 'the client reaches its server');
    await soon(Promise.all(puts), 'both puts');
    expect(await values(server, 2)).toEqual(['first', 'second']);
    expect([...server.peers]).toEqual([client.id]);
    expect([...client.peers]).toEqual([server.id]);
    expect(client.address()).toMatchObject(place);
  });

  it('gives a client that cannot reach its server up after connectTimeoutMs, and not sooner', async () => {
    const place = await freePlace();
    const start = performance.now();
    const patient = clientAt(place, { connectTimeoutMs: 60_000 });
    const client = clientAt(place, { connectTimeoutMs: 300 });
    const put = client.put('nowhere');
    const closed = event(client, 'close');
    const error = await rejection(client.ready());
    expect(performance.now() - start).toBeGreaterThan(290);
    expect(patient.closed).toBe(false);
    expect(error).toBeInstanceOf(ChaskiError);
    expect([error.code, error.retryable]).toEqual(['ERR_CHASKI_NOT_CONNECTED', true]);
    expect(error.message).toMatch(/^Cannot connect to .*; is a server listening there\?$/);
    expect(error.cause).toMatchObject({
      code: world.protocol === Protocol.UNIX ? 'ENOENT' : 'ECONNREFUSED',
      syscall: 'connect',
    });
    await closed;
    expect(client.closed).toBe(true);
    const lost = await rejection(put);
    expect([lost.code, lost.delivered, lost.cause]).toEqual(['ERR_CHASKI_CLOSED', 'no', error]);
    expect((await rejection(client.get())).code).toBe('ERR_CHASKI_CLOSED');
  });

  it('rejects open() with the same error, and leaves nothing open', async () => {
    const place = await freePlace();
    const error = await rejection(
      open({ protocol: world.protocol, runOn: world.host, ...place, connectTimeoutMs: 100 }),
    );
    expect(error.code).toBe('ERR_CHASKI_NOT_CONNECTED');
  });

  it('refuses a place where somebody listens already, and harms nobody there', async () => {
    const { server, client } = await net.pair();
    const place = server.address() as { port: number } | { path: string };
    const error = await rejection(open({ ...net.serverOptions(), ...place }));
    expect([error.code, error.retryable]).toEqual(['ERR_CHASKI_ADDRESS', false]);
    expect(error.message).toBe(
      'port' in place
        ? `Cannot listen at 127.0.0.1:${place.port}: the port is in use; choose another port, or 0 for any.`
        : `Cannot listen at ${place.path}: a server listens there; choose another path.`,
    );
    expect(error.cause).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen' });
    await client.put('still here');
    expect(await values(server, 1)).toEqual(['still here']);
    await net.client(server);
  });

  it('can listen again at once where a server was closed', async () => {
    const first = await net.server();
    const place = first.address()!;
    const client = await net.client(first);
    await client.close();
    await first.close();
    const second = await net.server({ ...net.serverOptions(), ...place });
    expect(second.address()).toEqual(place);
  });

  it('refuses a client of another cluster, tells both why, and goes on', async () => {
    const { server, client } = await net.pair({
      server: { cluster: 'blue' },
      client: { cluster: 'blue' },
    });
    const warned = event(server, 'warning');
    const error = await rejection(open(net.clientOptions(server, { cluster: 'red' })));
    expect(error.code).toBe('ERR_CHASKI_AUTH');
    expect(error.message).toContain('cluster');
    expect((await warned)[0].code).toBe('ERR_CHASKI_AUTH');
    expect([...server.peers]).toEqual([client.id]);
    await client.put('blue');
    expect(await values(server, 1)).toEqual(['blue']);
  });

  it('refuses a second client with an id that is in use; the first one goes on', async () => {
    const { server, client } = await net.pair();
    const warned = event(server, 'warning');
    const error = await rejection(open(net.clientOptions(server, { id: client.id })));
    expect(error.code).toBe('ERR_CHASKI_AUTH');
    expect((await warned)[0].code).toBe('ERR_CHASKI_AUTH');
    await client.put('the first one');
    expect(await values(server, 1)).toEqual(['the first one']);
    await server.put('and back');
    expect(await values(client, 1)).toEqual(['and back']);
  });

  it('lets a client come back under its id after it has left', async () => {
    const { server, client } = await net.pair();
    const left = event(server, 'lost');
    await client.close();
    await left;
    const again = await net.client(server, { id: client.id });
    await again.put('back');
    expect(await values(server, 1)).toEqual(['back']);
  });

  it('refuses a client that has the id of its server', async () => {
    const server = await net.server();
    const error = await rejection(open(net.clientOptions(server, { id: server.id })));
    expect(error.code).toBe('ERR_CHASKI_AUTH');
  });

  it('takes at most maxPeers clients, and another one as soon as one has left', async () => {
    const { server, client } = await net.pair({ server: { maxPeers: 1 } });
    const warned = event(server, 'warning');
    const refused = await rejection(open(net.clientOptions(server, { connectTimeoutMs: 500 })));
    expect(refused.code).toBe('ERR_CHASKI_QUEUE_FULL');
    await warned;
    const left = event(server, 'lost');
    await client.close();
    await left;
    const next = await net.client(server);
    await next.put('my turn');
    expect(await values(server, 1)).toEqual(['my turn']);
  });

  it('does not wait longer for a server that accepts and says nothing than handshakeTimeoutMs', async () => {
    const silent = createServer(() => {});
    const path = net.path();
    silent.listen(world.protocol === Protocol.UNIX ? { path } : { port: 0, host: '127.0.0.1' });
    await once(silent, 'listening');
    const place =
      world.protocol === Protocol.UNIX
        ? { path }
        : { port: (silent.address() as AddressInfo).port };
    try {
      const error = await rejection(
        open({ protocol: world.protocol, runOn: world.host, ...place, handshakeTimeoutMs: 150 }),
      );
      expect([error.code, error.retryable]).toEqual(['ERR_CHASKI_TIMEOUT', true]);
      expect(error.message).toContain("needs compat: 'python'");
    } finally {
      silent.close();
    }
  });

  it('tells a server that speaks something else by ERR_CHASKI_PROTOCOL', async () => {
    const other = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    });
    const path = net.path();
    other.listen(world.protocol === Protocol.UNIX ? { path } : { port: 0, host: '127.0.0.1' });
    await once(other, 'listening');
    const place =
      world.protocol === Protocol.UNIX ? { path } : { port: (other.address() as AddressInfo).port };
    try {
      const error = await rejection(
        open({ protocol: world.protocol, runOn: world.host, ...place }),
      );
      expect(error.code).toBe('ERR_CHASKI_PROTOCOL');
      expect(error.message).toContain("needs compat: 'python'");
    } finally {
      other.close();
    }
  });

  it('bounds ready() by time and by signal without harm to what is being opened', async () => {
    const place = await freePlace();
    const client = clientAt(place, { connectTimeoutMs: Infinity });
    expect((await rejection(client.ready({ timeoutMs: 20 }))).code).toBe('ERR_CHASKI_TIMEOUT');
    const stop = new AbortController();
    const waiting = client.ready({ signal: stop.signal });
    stop.abort(new Error('enough'));
    const error = await rejection(waiting);
    expect(error.code).toBe('ERR_CHASKI_ABORTED');
    expect(error.cause).toMatchObject({ message: 'enough' });
    const late = client.ready({ signal: AbortSignal.abort() });
    expect((await rejection(late)).code).toBe('ERR_CHASKI_ABORTED');
    await net.server({ ...net.serverOptions(), ...place });
    await soon(client.ready(), 'the client reaches its server');
  });

  it('can be closed while it is opening: ready() and puts reject, nothing is left', async () => {
    const place = await freePlace();
    const client = clientAt(place, { connectTimeoutMs: Infinity, closeTimeoutMs: 200 });
    const ready = rejection(client.ready());
    const put = rejection(client.put('nowhere'));
    await soon(client.close(), 'the close');
    expect((await ready).code).toBe('ERR_CHASKI_CLOSED');
    const error = await put;
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'no']);
  });
});

describe.each(tcpWorlds)('opening over TCP, $name', (world) => {
  const net = useNet(world);

  it("takes the seed's names for the same things", async () => {
    const server = net.keep(
      await nq.open(Protocol.TCP, Purpose.SERVER, { netloc: ['127.0.0.1', 0], runOn: world.host }),
    );
    const { host, port } = server.address() as { host: string; port: number };
    expect(host).toBe('127.0.0.1');
    const client = net.keep(
      nq.new('tcp', 'client', {
        netloc: { host, port },
        connection: { max_size: 4 << 20 },
        workers: 1,
        runOn: world.host,
      }),
    );
    await client.put('hello');
    expect(await values(server, 1)).toEqual(['hello']);
  });

  it('looks host names up', async () => {
    const server = await net.server({ host: 'localhost' });
    const client = await net.client(server, { host: 'localhost' });
    await client.put('by name');
    expect(await values(server, 1)).toEqual(['by name']);
    const error = await rejection(
      open({ host: 'no-such-host.invalid', port: 9, connectTimeoutMs: 300, runOn: world.host }),
    );
    expect(error.code).toBe('ERR_CHASKI_ADDRESS');
    expect(error.message).toContain('no-such-host.invalid');
    expect(error.cause).toMatchObject({ code: 'ENOTFOUND', syscall: 'getaddrinfo' });
  });

  it('listens on IPv6 where it is asked to', async () => {
    const server = await net.server({ host: '::1' });
    const client = await net.client(server);
    await client.put('six');
    expect(await values(server, 1)).toEqual(['six']);
  });
});

describe.each(worlds.filter(({ protocol }) => protocol === Protocol.UNIX))(
  'opening at a socket file, $name',
  (world) => {
    const net = useNet(world);

    it('replaces the file that a killed server left behind', async () => {
      const path = net.path();
      const child = net.child('server.mjs', { options: { protocol: 'unix', path } });
      await child.report('open');
      await child.kill();
      expect(existsSync(path)).toBe(true);
      const server = await net.server({ path });
      const client = await net.client(server);
      await client.put('new life');
      expect(await values(server, 1)).toEqual(['new life']);
    });

    it('does not touch the file of a server that lives', async () => {
      const path = net.path();
      const child = net.child('server.mjs', { options: { protocol: 'unix', path } });
      await child.report('open');
      const error = await rejection(open(net.serverOptions({ path })));
      expect(error.code).toBe('ERR_CHASKI_ADDRESS');
      const client = net.keep(await open({ protocol: 'unix', path, runOn: world.host }));
      await soon(client.put('still yours'), 'the living server takes a message');
    });

    it('removes its file when it is closed', async () => {
      const path = net.path();
      const server = await net.server({ path });
      expect(existsSync(path)).toBe(true);
      await server.close();
      expect(existsSync(path)).toBe(false);
    });

    it('refuses a path in a folder that does not exist', async () => {
      const path = `${net.path()}/not/there.sock`;
      const error = await rejection(open(net.serverOptions({ path })));
      expect(error.code).toBe('ERR_CHASKI_ADDRESS');
      expect(error.cause).toMatchObject({ code: 'ENOENT', syscall: 'listen' });
    });

    it('leaves a file that is no socket alone, and says what is in the way', async () => {
      const path = net.path();
      await writeFile(path, 'precious');
      const error = await rejection(open(net.serverOptions({ path })));
      expect(error.code).toBe('ERR_CHASKI_ADDRESS');
      expect(error.message).toBe(
        `Cannot listen at ${path}: a file is there and is no socket; remove it, or choose another path.`,
      );
      expect(await readFile(path, 'utf8')).toBe('precious');
      await rm(path);
    });

    it('takes a path as long as the system does, and says the limit of a longer one', async () => {
      const limit = process.platform === 'linux' ? 107 : 103;
      const path = net.path().padEnd(limit, 'x');
      const server = await net.server({ path });
      await net.client(server);
      const tooLong = { ...net.serverOptions(), path: `${path}x` };
      for (const purpose of ['server', 'client'] as const) {
        const error = await rejection(open({ ...tooLong, purpose, connectTimeoutMs: 100 }));
        expect([error.code, error.retryable]).toEqual(['ERR_CHASKI_INVALID_ARGUMENT', false]);
        expect(error.message).toContain(`at most ${limit} bytes`);
      }
    });
  },
);
