// Several processes at one TCP port.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

import { open } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, soon, until } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.runIf(process.platform === 'linux').each(tcpWorlds)('a shared port, $name', (world) => {
  const net = useNet(world);

  /** A port that is free, as far as one can know. */
  async function freePort(): Promise<number> {
    const probe = createServer();
    await once(probe.listen(0, '127.0.0.1'), 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    return port;
  }

  it('has the processes of a cluster, and each client is the client of one of them', async () => {
    const port = await freePort();
    const setup = { processes: 2, options: { port, reusePort: true } };
    const child = net.child('sharers.mjs', setup);
    await child.report('open');
    await child.report('open');
    const serving = new Map<string, number>();
    // The system deals them out by chance: 40 of one process would be very bad luck, and then there are more.
    while (new Set(serving.values()).size < 2 && serving.size < 400) {
      const clients = await Promise.all(
        Array.from({ length: 40 }, async () => net.keep(await open({ port, runOn: world.host }))),
      );
      for (const client of clients) {
        const asked = client.get({ timeoutMs: 60_000 });
        await client.put('hello');
        expect((await asked).data).toMatch(/^\d+: hello$/);
      }
      for (let i = 0; i < clients.length; i += 1) {
        const { peer, process: number } = await child.report('ini');
        expect(serving.has(String(peer))).toBe(false);
        serving.set(String(peer), Number(number));
      }
    }
    expect(new Set(serving.values())).toEqual(new Set([0, 1]));
    child.tell({ is: 'close' });
    await child.end();
  });

  it('loses the clients of the process that dies, and has room for them elsewhere', async () => {
    const port = await freePort();
    const child = net.child('sharers.mjs', { processes: 2, options: { port, reusePort: true } });
    await child.report('open');
    await child.report('open');
    const clients = await Promise.all(
      Array.from({ length: 40 }, async () => net.keep(await open({ port, runOn: world.host }))),
    );
    const dealt = await Promise.all(clients.map(async () => child.report('ini')));
    child.tell({ is: 'end', which: 0 });
    const lost = new Set(
      dealt.filter(({ process: number }) => number === 0).map(({ peer }) => peer),
    );
    await until(
      () => clients.filter((client) => client.closed).length === lost.size,
      'its clients hear of it',
    );
    const next = net.keep(await open({ port, runOn: world.host }));
    const asked = next.get({ timeoutMs: 60_000 });
    await soon(next.put('again'), 'another process takes it');
    expect((await asked).data).toMatch(/again$/);
    child.tell({ is: 'close' });
    await child.end();
  });

  it('has to be wanted by all of them: a port is never shared silently', async () => {
    for (const [first, second] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const) {
      const server = await net.server({ reusePort: first });
      const { port } = server.address() as { port: number };
      const refused = await rejection(open(net.serverOptions({ port, reusePort: second })));
      expect(refused).toMatchObject({
        code: 'ERR_CHASKI_ADDRESS',
        cause: { code: 'EADDRINUSE' },
      });
    }
  });

  it('keeps no sessions', async () => {
    const server = await net.server({ reusePort: true, sessionTimeoutMs: 0 });
    const client = await net.client(server, { sessionTimeoutMs: 30_000 });
    await server.close({ force: true });
    await until(() => client.closed, 'the client does not wait');
    expect(client.isConnected()).toBe(false);
  });
});
