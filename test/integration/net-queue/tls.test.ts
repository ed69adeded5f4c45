import { open } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { certificate, trust } from './support/certificates.ts';
import { useNet } from './support/net.ts';
import { bytesOf, isBytesOf } from './support/payloads.ts';
import { rejection, values } from './support/waiting.ts';
import { plainWorlds } from './support/worlds.ts';

const { ca, server: identity, client: guest } = trust();
const ofServer = { security: { key: identity.key, cert: identity.cert } };
const ofClient = { security: { ca: ca.cert } };

describe.each(plainWorlds)('TLS, $name', (world) => {
  const net = useNet(world);

  it('carries messages of all sizes both ways', async () => {
    const { server, client } = await net.pair({ server: ofServer, client: ofClient });
    const lengths = [0, 1, 100, 16_383, 16_384, 16_385, 70_000, 3 << 20];
    for (const [to, from] of [
      [server, client],
      [client, server],
    ] as const) {
      const puts = lengths.map((length, i) => from.put(bytesOf(i, length)));
      const got = (await values(to, lengths.length)) as Uint8Array[];
      expect(got.map((bytes, i) => isBytesOf(i, lengths[i]!, bytes))).toEqual(
        lengths.map(() => true),
      );
      await Promise.all(puts);
    }
    await client.close();
    await server.close();
  });

  it('sends a large message to its end, though nothing comes after it', async () => {
    const { server, client } = await net.pair({ server: ofServer, client: ofClient });
    for (const [i, length] of [130_000, 131_072, 200_000, 5 << 20].entries()) {
      const put = client.put(bytesOf(i, length));
      const [got] = (await values(server, 1)) as [Uint8Array];
      expect(isBytesOf(i, length, got)).toBe(true);
      await put;
    }
  });

  it('hands a session to who shows the same certificate, and to nobody else', async () => {
    const keeping = { sessionTimeoutMs: 30_000 };
    const [own, foreign] = [guest, certificate({ name: 'client', by: ca })].map(
      ({ key, cert }) => ({
        security: { ca: ca.cert, key, cert },
      }),
    );
    const security = { ...ofServer.security, ca: ca.cert };
    const server = await net.server({ ...keeping, security });
    const first = await net.client(server, { ...keeping, ...own });
    const { id } = first;
    const thief = await rejection(open(net.clientOptions(server, { ...keeping, ...foreign, id })));
    expect(thief.code).toBe('ERR_CHASKI_AUTH');
    const heir = await net.client(server, { ...keeping, ...own, id });
    await heir.put('inherited');
    expect(await values(server, 1)).toEqual(['inherited']);
  });

  it('refuses a server of another authority, and says what to do', async () => {
    const other = certificate({ name: 'authority', authority: true });
    const server = await net.server(ofServer);
    const security = { ca: other.cert };
    const error = await rejection(open(net.clientOptions(server, { security })));
    expect(error.code).toBe('ERR_CHASKI_TLS');
    expect(error.message).toContain('security.ca');
  });
});
