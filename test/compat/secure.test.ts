// TLS with the Python package net-queue, in both roles.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { trust } from '../integration/net-queue/support/certificates.ts';
import { event, soon, take } from '../integration/net-queue/support/waiting.ts';
import { interpreter, pattern, seen, versions } from './support/python.ts';
import { client, clientOf, python, server } from './support/worlds.ts';

// The package reads files only.
const folder = mkdtempSync(join(tmpdir(), 'chaski-python-'));
const { ca, server: identity } = trust();
const files = {
  key: join(folder, 'key.pem'),
  cert: join(folder, 'cert.pem'),
  ca: join(folder, 'ca.pem'),
};
writeFileSync(files.key, identity.key);
writeFileSync(files.cert, identity.cert);
writeFileSync(files.ca, ca.cert);

const ofServer = { security: { key: files.key, cert: files.cert } };
const ofClient = { security: { ca: files.ca } };
const sizes = [0, 15, 16, 17, 16_384, 70_000, 20 << 20];

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(interpreter === undefined).each(versions)(
  'net-queue %s of Python over TLS',
  (version) => {
    it('exchanges messages with a server of chaski, which has native peers too', async () => {
      const [queue, port] = await server(ofServer);
      const peer = await python(version, 'client', { port, secure: { cert: files.ca } });
      const native = await client(port, ofClient);
      const putting = peer.put(sizes.map((size, seed) => ({ size, seed })));
      for (const [seed, size] of sizes.entries()) {
        const [message] = await take(queue, 1);
        expect(seen('', message!.copy())).toEqual(seen('', pattern(size, seed)));
        void queue.put(message!.bytes);
      }
      await putting;
      const expected = sizes.map((size, seed) => seen(queue.id, pattern(size, seed)));
      expect(await peer.get(sizes.length)).toEqual(expected);
      expect(await take(native, sizes.length)).toHaveLength(sizes.length);
      const lost = event(queue, 'lost');
      await peer.close();
      expect((await lost)[1]).toBeUndefined();
      await soon(native.close(), 'the end of a client');
      await soon(queue.close(), 'the end');
    });

    it('exchanges messages with a client of chaski', async () => {
      const peer = await python(version, 'server', {
        secure: { key: files.key, cert: files.cert },
      });
      const queue = await clientOf(peer, ofClient);
      for (const [seed, size] of sizes.entries()) void queue.put(pattern(size, seed));
      const expected = sizes.map((size, seed) => seen(queue.id, pattern(size, seed)));
      expect(await peer.get(sizes.length)).toEqual(expected);
      const putting = peer.put(sizes.map((size, seed) => ({ size, seed })));
      for (const [seed, size] of sizes.entries()) {
        const [message] = await take(queue, 1);
        expect(seen('', message!.copy())).toEqual(seen('', pattern(size, seed)));
      }
      await putting;
      await soon(queue.close(), 'the end');
      await peer.close();
    });
  },
);
