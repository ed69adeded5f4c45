// What the option security takes, and what it refuses when it is given, before anything is opened.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { pathToFileURL } from 'node:url';

import { open } from 'chaski/net-queue';
import type { SecurityOptions } from 'chaski/net-queue';
import { afterAll, afterEach, describe, expect, it } from 'vitest';

import { certificate, trust } from './support/certificates.ts';
import { useNet } from './support/net.ts';
import { rejection, soon, values } from './support/waiting.ts';
import { control, data, Frame, hello } from './support/wire.ts';
import { tcpWorlds } from './support/worlds.ts';

const { ca, server: identity, client: guest } = trust();
const folder = mkdtempSync(join(tmpdir(), 'chaski-tls-'));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const keyFile = file('server-key.pem', identity.key);
const certFile = file('server.pem', identity.cert);
const caFile = file('ca.pem', ca.cert);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.each(tcpWorlds)('the option security, $name', (world) => {
  const net = useNet(world);
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  afterEach(() => {
    if (extra === undefined) delete process.env['NODE_EXTRA_CA_CERTS'];
    else process.env['NODE_EXTRA_CA_CERTS'] = extra;
  });

  async function exchange(server: SecurityOptions, client: SecurityOptions): Promise<unknown[]> {
    const pair = await net.pair({ server: { security: server }, client: { security: client } });
    await pair.client.put('there');
    const got = await values(pair.server, 1);
    await pair.client.close();
    await pair.server.close();
    return got;
  }

  it('takes PEM as text, as bytes, as a path and as a URL', async () => {
    const { key, cert } = identity;
    const forms: [SecurityOptions, SecurityOptions][] = [
      [{ key, cert }, { ca: ca.cert }],
      [
        { key: Buffer.from(key), cert: new TextEncoder().encode(cert) },
        { ca: Buffer.from(ca.cert) },
      ],
      [{ key: keyFile, cert: certFile }, { ca: caFile }],
      [
        { key: pathToFileURL(keyFile), cert: pathToFileURL(certFile) },
        { ca: pathToFileURL(caFile) },
      ],
    ];
    for (const [server, client] of forms) expect(await exchange(server, client)).toEqual(['there']);
  });

  it('takes the names of the Python package, for a certificate that is its own authority', async () => {
    const own = certificate({ authority: true, kind: 'rsa', names: ['127.0.0.1'] });
    expect(
      await exchange({ key: own.key, certificate: own.cert }, { certificate: own.cert }),
    ).toEqual(['there']);
  });

  it('takes several authorities, in one file or in a list', async () => {
    const other = certificate({ authority: true });
    const { key, cert } = identity;
    expect(await exchange({ key, cert }, { ca: [other.cert, caFile] })).toEqual(['there']);
    expect(await exchange({ key, cert }, { ca: other.cert + ca.cert })).toEqual(['there']);
  });

  it('takes a chain that leads to the authority', async () => {
    const middle = certificate({ name: 'middle', authority: true, by: ca });
    const leaf = certificate({ by: middle, names: ['127.0.0.1'] });
    expect(
      await exchange({ key: leaf.key, cert: leaf.cert + middle.cert }, { ca: ca.cert }),
    ).toEqual(['there']);
    const server = await net.server({ security: { key: leaf.key, cert: leaf.cert } });
    const error = await rejection(open(net.clientOptions(server, { security: { ca: ca.cert } })));
    expect(error.code).toBe('ERR_CHASKI_TLS');
  });

  it('asks clients for certificates with ca, unless it is told not to', async () => {
    const { key, cert } = identity;
    expect(
      await exchange({ key, cert, ca: ca.cert }, { ca: ca.cert, key: guest.key, cert: guest.cert }),
    ).toEqual(['there']);
    expect(await exchange({ key, cert, ca: ca.cert, requestCert: false }, { ca: ca.cert })).toEqual(
      ['there'],
    );
    // A certificate that nobody asks for does no harm.
    expect(
      await exchange({ key, cert }, { ca: ca.cert, key: guest.key, cert: guest.cert }),
    ).toEqual(['there']);
  });

  it('expects the name that it is told to expect', async () => {
    const named = certificate({ by: ca, names: ['queue.example'] });
    const { key, cert } = named;
    expect(await exchange({ key, cert }, { ca: ca.cert, servername: 'queue.example' })).toEqual([
      'there',
    ]);
    const wild = certificate({ by: ca, names: ['*.queue.example'] });
    expect(
      await exchange(
        { key: wild.key, cert: wild.cert },
        { ca: ca.cert, servername: 'one.queue.example' },
      ),
    ).toEqual(['there']);
  });

  it('without ca trusts whom the system trusts, and NODE_EXTRA_CA_CERTS', async () => {
    const { key, cert } = identity;
    process.env['NODE_EXTRA_CA_CERTS'] = caFile;
    expect(await exchange({ key, cert }, {})).toEqual(['there']);
    delete process.env['NODE_EXTRA_CA_CERTS'];
    const server = await net.server({ security: { key, cert } });
    expect((await rejection(open(net.clientOptions(server, { security: {} })))).code).toBe(
      'ERR_CHASKI_TLS',
    );
    process.env['NODE_EXTRA_CA_CERTS'] = join(folder, 'nothing.pem');
    const error = await rejection(open(net.clientOptions(server, { security: {} })));
    expect(error.message).toContain('NODE_EXTRA_CA_CERTS');
  });

  it('speaks TLS 1.2 and 1.3 with a client of node:tls', async () => {
    const { key, cert } = identity;
    const server = await net.server({ security: { key, cert } });
    const { port } = server.address() as { port: number };
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert, maxVersion: version });
      await soon(once(socket, 'secureConnect'), 'the handshake');
      expect(socket.getProtocol()).toBe(version);
      socket.resume();
      const payload = Buffer.alloc(40_000, 7);
      socket.write(Buffer.concat([hello(), data(1, payload), control(Frame.FIN, 1)]));
      expect(await values(server, 1)).toEqual([new Uint8Array(payload)]);
      socket.destroy();
    }
  });

  const { key, cert } = identity;
  const badServers: [string, object, string, RegExp][] = [
    ['no key', { cert }, 'INVALID_ARGUMENT', /security\.key/],
    ['no certificate', { key }, 'INVALID_ARGUMENT', /security\.cert/],
    ['a name to expect', { key, cert, servername: 'x' }, 'INVALID_ARGUMENT', /servername/],
    [
      'requestCert without ca',
      { key, cert, requestCert: true },
      'INVALID_ARGUMENT',
      /security\.ca/,
    ],
    [
      'an option that there is not',
      { key, cert, rejectUnauthorized: false },
      'INVALID_ARGUMENT',
      /rejectUnauthorized/,
    ],
    ['TLS 1.1', { key, cert, minVersion: 'TLSv1.1' }, 'INVALID_ARGUMENT', /minVersion/],
    ['no options at all', [], 'INVALID_ARGUMENT', /security/],
    ['a number for a key', { key: 7, cert }, 'INVALID_ARGUMENT', /security\.key/],
    ['an empty list of authorities', { key, cert, ca: [] }, 'INVALID_ARGUMENT', /security\.ca/],
    [
      'two names for one thing',
      { key, cert, certificate: cert },
      'INVALID_ARGUMENT',
      /certificate/,
    ],
    ['a file that is not there', { key: '/nowhere/key.pem', cert }, 'TLS', /security\.key.*ENOENT/],
    ['a folder', { key: folder, cert }, 'TLS', /security\.key.*EISDIR/],
    [
      'an empty file of authorities',
      { key, cert, ca: file('empty.pem', '') },
      'TLS',
      /security\.ca has no certificate/,
    ],
    ['the key of another', { key: guest.key, cert }, 'TLS', /not the key of security\.cert/],
    ['a certificate for a key', { key: cert, cert }, 'TLS', /no private key/],
    ['a key for a certificate', { key, cert: key }, 'TLS', /security\.cert has no certificate/],
    [
      'an encrypted key',
      { key: key.replaceAll('PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'), cert },
      'TLS',
      /security\.key is encrypted.*openssl pkey/,
    ],
  ];

  it.each(badServers)('refuses, for a server, %s', async (_, security, code, words) => {
    const error = await rejection(open(net.serverOptions({ security })));
    expect(error.code).toBe(`ERR_CHASKI_${code}`);
    expect(error.message).toMatch(words);
    // A key is nobody's business.
    expect(error.message).not.toContain(key.split('\n')[1]);
  });

  const badClients: [string, object, string, RegExp][] = [
    ['a key without a certificate', { key }, 'INVALID_ARGUMENT', /security\.cert/],
    ['a certificate without a key', { cert }, 'INVALID_ARGUMENT', /security\.key/],
    ['requestCert', { requestCert: true }, 'INVALID_ARGUMENT', /requestCert/],
    ['no name to expect', { servername: '' }, 'INVALID_ARGUMENT', /servername/],
    [
      'a name that is none',
      { servername: 'two words', ca: ca.cert },
      'INVALID_ARGUMENT',
      /servername/,
    ],
    ['authorities that are none', { ca: '-----BEGIN NONSENSE-----' }, 'TLS', /security\.ca/],
  ];

  it.each(badClients)('refuses, for a client, %s', async (_, security, code, words) => {
    const { host } = world;
    const error = await rejection(open({ port: 1, runOn: host, security }));
    expect(error.code).toBe(`ERR_CHASKI_${code}`);
    expect(error.message).toMatch(words);
  });
});
