// What TLS has to refuse, told to both sides, and what strangers do to a server that speaks it. Nobody else is disturbed.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import * as tls from 'node:tls';

import { open } from 'chaski/net-queue';
import type { Communicator, SecurityOptions } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { certificate, trust } from './support/certificates.ts';
import { useNet } from './support/net.ts';
import { event, rejection, soon, until, values } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const { ca, server: identity, client: guest } = trust();
const good = { key: identity.key, cert: identity.cert };
const day = 24 * 60 * 60 * 1000;

describe.each(tcpWorlds)('TLS refuses, $name', (world) => {
  const net = useNet(world);
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** A server, and a client of it that is connected: it must stay so. */
  async function inUse(
    security: SecurityOptions = good,
    client: SecurityOptions = { ca: ca.cert },
    options: object = {},
  ): Promise<{ server: Communicator; expectUnharmed: () => Promise<void> }> {
    const server = await net.server({ security, ...options });
    const other = await net.client(server, { security: client });
    return {
      server,
      expectUnharmed: async () => {
        await soon(other.put('still here'), 'a put of another client');
        expect(await values(server, 1)).toEqual(['still here']);
        const late = await net.client(server, { security: client });
        await late.close();
      },
    };
  }

  function raw(server: Communicator): Socket {
    const { port } = server.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    sockets.push(socket);
    return socket;
  }

  function foreign(server: Communicator, options: tls.ConnectionOptions): tls.TLSSocket {
    const { port } = server.address() as { port: number };
    const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert, ...options });
    socket.on('error', () => {});
    sockets.push(socket);
    return socket;
  }

  const names = ['127.0.0.1'];
  const other = certificate({ name: 'another authority', authority: true });
  const later = new Date(Date.now() + 5 * day);
  const badServers: [string, () => SecurityOptions, RegExp][] = [
    [
      'has expired',
      () =>
        certificate({
          by: ca,
          names,
          from: new Date('2020-01-01'),
          until: new Date('2020-02-03T12:00:00Z'),
        }),
      /certificate of the server has expired on 2020-02-03; renew it/,
    ],
    [
      'is not valid yet',
      () => certificate({ by: ca, names, from: later, until: new Date(+later + day) }),
      /is not valid before \d{4}-\d\d-\d\d; is this machine's clock right\?/,
    ],
    [
      'is for another host',
      () => certificate({ by: ca, names: ['queue.example', '10.0.0.1'] }),
      /is not one for '127\.0\.0\.1': its names are queue\.example, 10\.0\.0\.1;.*security\.servername/,
    ],
    [
      'has a common name only',
      () => certificate({ by: ca, name: '127.0.0.1' }),
      /it has no names \(subjectAltName; the common name does not count\)/,
    ],
    [
      'is self-signed',
      () => certificate({ names }),
      /is not signed by a certificate authority that is trusted here.*security\.ca/,
    ],
    [
      'is of another authority',
      () => certificate({ by: other, names }),
      /is not signed by a certificate authority that is trusted here.*security\.ca/,
    ],
    [
      'is of an authority that only has the same name',
      () => certificate({ by: certificate({ name: ca.name, authority: true }), names }),
      /another authority than the one of that name/,
    ],
  ];

  it.each(badServers)('a server whose certificate %s', async (_, make, expected) => {
    const { key, cert } = make();
    const server = await net.server({ security: { key: key!, cert: cert! } });
    const warned = event(server, 'warning');
    const error = await rejection(open(net.clientOptions(server, { security: { ca: ca.cert } })));
    expect([error.code, error.retryable]).toEqual(['ERR_CHASKI_TLS', false]);
    expect(error.message).toMatch(expected);
    const [warning] = await warned;
    expect(warning.code).toBe('ERR_CHASKI_TLS');
    expect(warning.message).toMatch(/the client .*certificate of this side/);
  });

  it('an authority as the certificate of a server, unless it is the very one that is trusted', async () => {
    const authority = certificate({ authority: true, names });
    const server = await net.server({ security: { key: authority.key, cert: authority.cert } });
    // What `openssl req -x509` makes.
    const client = await net.client(server, { security: { ca: authority.cert } });
    await client.put('trusted');
    const misused = certificate({ authority: true, names, by: ca });
    const bad = await net.server({ security: { key: misused.key, cert: misused.cert } });
    const error = await rejection(open(net.clientOptions(bad, { security: { ca: ca.cert } })));
    expect(error.code).toBe('ERR_CHASKI_TLS');
    // The name counts for the trusted one too.
    const security = { ca: authority.cert, servername: 'localhost' };
    const wrong = await rejection(open(net.clientOptions(server, { security })));
    expect(wrong.message).toContain("is not one for 'localhost'");
  });

  const badClients: [string, () => SecurityOptions, RegExp, RegExp][] = [
    [
      'shows none',
      () => ({}),
      /the client showed no certificate/,
      /security\.key and security\.cert/,
    ],
    [
      'shows an expired one',
      () => certificate({ by: ca, from: new Date('2020-01-01'), until: new Date('2020-02-01') }),
      /certificate of the client has expired on 2020-02-01/,
      /certificate of this side has expired/,
    ],
    [
      'shows a self-signed one',
      () => certificate({ name: 'stranger' }),
      /not signed by a certificate authority that is trusted here/,
      /does not trust the certificate of this side/,
    ],
    [
      'shows one of another authority',
      () => certificate({ by: other }),
      /not signed by a certificate authority that is trusted here/,
      /does not trust the certificate of this side/,
    ],
    [
      'shows one of an authority that only has the same name',
      () => certificate({ by: certificate({ name: ca.name, authority: true }) }),
      /another authority than the one of that name/,
      /certificate of this side|gave up/,
    ],
    [
      'shows one signed with MD5',
      () => {
        const old = certificate({ name: 'old', authority: true, kind: 'rsa', hash: 'md5' });
        return certificate({ by: old, hash: 'md5' });
      },
      /the certificate of the client /,
      /certificate of this side|gave up/,
    ],
  ];

  it.each(badClients)('a client that %s', async (_, make, forServer, forClient) => {
    const mutual = { ...good, ca: ca.cert };
    const known = { ca: ca.cert, key: guest.key, cert: guest.cert };
    const { server, expectUnharmed } = await inUse(mutual, known);
    const warned = event(server, 'warning');
    const { key, cert } = make();
    const security = { ca: ca.cert, ...(key && cert ? { key, cert } : {}) };
    const error = await rejection(open(net.clientOptions(server, { security })));
    expect(error.code).toBe('ERR_CHASKI_TLS');
    expect(error.message).toMatch(forClient);
    const [warning] = await warned;
    expect(warning.code).toBe('ERR_CHASKI_TLS');
    expect(warning.message).toMatch(forServer);
    await expectUnharmed();
  });

  it('nothing in a client whose common name has a NUL in it: names of clients decide nothing', async () => {
    const odd = certificate({ name: 'guest\0.example', by: ca });
    const known = { ca: ca.cert, key: odd.key, cert: odd.cert };
    const { server, expectUnharmed } = await inUse({ ...good, ca: ca.cert }, known);
    await expectUnharmed();
    expect(server.closed).toBe(false);
  });

  it('a key of 1024 bits and a signature by MD5, when it is opened', async () => {
    const weak = certificate({ kind: 'rsa', bits: 1024, names });
    const error = await rejection(open(net.serverOptions({ security: weakly(weak) })));
    expect(error.code).toBe('ERR_CHASKI_TLS');
    expect(error.message).toContain('RSA of at least 2048 bits');
    const old = certificate({ kind: 'rsa', hash: 'md5', names });
    const server = await net.server({ security: weakly(old) });
    const authority = certificate({ kind: 'rsa', hash: 'md5', authority: true });
    const signed = certificate({ by: authority, hash: 'md5', names });
    const second = await net.server({ security: weakly(signed) });
    for (const [to, root] of [
      [server, ca],
      [second, authority],
    ] as const) {
      const security = { ca: root.cert };
      const refused = await rejection(open(net.clientOptions(to, { security })));
      expect(refused.code).toBe('ERR_CHASKI_TLS');
    }
  });

  it('a client in plain, and tells both why', async () => {
    const { server, expectUnharmed } = await inUse();
    const warned = event(server, 'warning');
    const error = await rejection(open(net.clientOptions(server)));
    expect(error.code).toBe('ERR_CHASKI_TLS');
    expect(error.message).toContain('open both with the option security');
    const [warning] = await warned;
    expect(warning.code).toBe('ERR_CHASKI_TLS');
    expect(warning.message).toContain('the client does not speak TLS');
    await expectUnharmed();
  });

  it('a server in plain, to which it says nothing but hello, and tells both why', async () => {
    const server = await net.server();
    const warned = event(server, 'warning');
    const error = await rejection(open(net.clientOptions(server, { security: { ca: ca.cert } })));
    expect(error.code).toBe('ERR_CHASKI_TLS');
    expect(error.message).toContain('the server does not speak TLS');
    const [warning] = await warned;
    expect(warning.code).toBe('ERR_CHASKI_TLS');
    expect(warning.message).toContain('open both with the option security');
  });

  it('to say anything in plain, whatever the server does', async () => {
    const heard: Buffer[] = [];
    const bait = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => heard.push(bytes));
      // An alert, and then what a server in plain says.
      socket.write(Buffer.from('15030300020228', 'hex'));
      socket.write('CHSKNQ\r\n');
    });
    bait.listen(0, '127.0.0.1');
    await once(bait, 'listening');
    const { port } = bait.address() as AddressInfo;
    const client = net.early({ port, runOn: world.host, security: { ca: ca.cert } });
    client.put('a secret').catch(() => {});
    expect((await rejection(client.ready())).code).toBe('ERR_CHASKI_TLS');
    await until(() => heard.length > 0, 'the client is heard');
    bait.close();
    const all = Buffer.concat(heard);
    expect([all.readUInt8(0), all.readUInt8(1)]).toEqual([22, 3]);
    expect(all.includes('CHSKNQ')).toBe(false);
    expect(all.includes('a secret')).toBe(false);
  });

  it('TLS 1.0 and 1.1, and 1.2 where it is told to', async () => {
    const { server, expectUnharmed } = await inUse();
    const strict = await net.server({ security: { ...good, minVersion: 'TLSv1.3' } });
    for (const [to, version] of [
      [server, 'TLSv1'],
      [server, 'TLSv1.1'],
      [strict, 'TLSv1.2'],
    ] as const) {
      const warned = event(to, 'warning');
      const ciphers = 'DEFAULT@SECLEVEL=0';
      const socket = foreign(to, { minVersion: version, maxVersion: version, ciphers });
      const [error] = (await soon(once(socket, 'error'), 'an error')) as [Error];
      expect(error.message).toMatch(/alert/i);
      expect((await warned)[0].code).toBe('ERR_CHASKI_TLS');
    }
    await expectUnharmed();
  });

  it('to negotiate anew', async () => {
    const { server, expectUnharmed } = await inUse();
    const socket = foreign(server, { maxVersion: 'TLSv1.2' });
    await soon(once(socket, 'secureConnect'), 'a handshake of TLS 1.2');
    expect(socket.getProtocol()).toBe('TLSv1.2');
    socket.renegotiate({}, () => {});
    await soon(closed(socket), 'the end of the connection');
    await expectUnharmed();
  });

  it('a client that takes its leave right after its first words', async () => {
    const { server, expectUnharmed } = await inUse();
    const warned = event(server, 'warning');
    const greeting = await clientHello();
    const socket = raw(server);
    // A warning: close_notify.
    socket.write(Buffer.concat([greeting, Buffer.from('15030300020100', 'hex')]));
    await soon(closed(socket), 'the server hangs up');
    expect((await warned)[0].code).toMatch(/ERR_CHASKI_(TLS|CLOSED)/);
    await expectUnharmed();
  });

  it('to wait for one that says nothing, or one byte after the other', async () => {
    const { server, expectUnharmed } = await inUse(
      good,
      { ca: ca.cert },
      { handshakeTimeoutMs: 300 },
    );
    const warnings: string[] = [];
    server.on('warning', ({ code }) => warnings.push(code));
    const silent = raw(server);
    const slow = raw(server);
    const greeting = await clientHello();
    let sent = 0;
    const timer = setInterval(() => {
      if (slow.writable) slow.write(greeting.subarray(sent, (sent += 1)));
    }, 20);
    // Meanwhile nobody else waits.
    await expectUnharmed();
    await Promise.all([
      soon(closed(silent), 'the silent one is hung up on'),
      soon(closed(slow), 'the slow one is hung up on'),
    ]);
    clearInterval(timer);
    await until(() => warnings.length === 2, 'both are told');
    expect(warnings).toEqual(['ERR_CHASKI_TIMEOUT', 'ERR_CHASKI_TIMEOUT']);
    expect(sent).toBeLessThan(greeting.length);
    await expectUnharmed();
  });

  it('records that were changed, cut or made up, at whatever place', async () => {
    const { server, expectUnharmed } = await inUse();
    const greeting = await clientHello();
    let warnings = 0;
    server.on('warning', () => (warnings += 1));
    const attempts: Buffer[] = [];
    for (let at = 0; at < greeting.length; at += 7) {
      const flipped = Buffer.from(greeting);
      flipped[at]! ^= 1 << (at % 8);
      attempts.push(flipped, greeting.subarray(0, at));
    }
    attempts.push(Buffer.from('1603014801', 'hex'), Buffer.alloc(40_000, 0x16));
    for (const attempt of attempts) {
      const socket = raw(server);
      await once(socket, 'connect');
      socket.end(attempt);
      await soon(closed(socket), 'the server hangs up');
    }
    await until(() => warnings >= attempts.length, 'all are told');
    expect(warnings).toBe(attempts.length);
    await expectUnharmed();
  });

  it('to take a connection that was cut off for one that ended', async () => {
    const { server } = await inUse();
    const proxied = await relay(server);
    const client = await net.client(server, { ...proxied.place, security: { ca: ca.cert } });
    const lost = event(client, 'lost');
    const lostThere = event(server, 'lost');
    await client.put('before');
    proxied.cut();
    expect((await lost)[1]?.message).toMatch(/without the goodbye of TLS/);
    expect((await lostThere)[1]?.code).toBe('ERR_CHASKI_CLOSED');
  });

  /** A proxy that can end both of its connections in order, which everybody on the way can do. */
  async function relay(server: Communicator): Promise<{ place: object; cut: () => void }> {
    const ends: Socket[] = [];
    const proxy = createServer((near) => {
      const far = raw(server);
      near.on('error', () => {});
      near.pipe(far, { end: false });
      far.pipe(near, { end: false });
      ends.push(near, far);
      sockets.push(near);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    proxy.unref();
    return {
      place: { host: '127.0.0.1', port },
      cut: () => {
        for (const end of ends) end.end();
        proxy.close();
      },
    };
  }
});

/** Whatever is wrong, and whatever comes meanwhile. */
async function closed(socket: Socket): Promise<void> {
  socket.resume();
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
}

function weakly({ key, cert }: { key: string; cert: string }): SecurityOptions {
  return { key, cert };
}

/** The first words of a client, as node:tls says them. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = tls.connect({ port, host: '127.0.0.1' });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}
