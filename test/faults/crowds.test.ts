// Many clients: more than the server has file descriptors for, and storms of them that come and go.
import { setTimeout as delay } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import type { Child } from '../integration/net-queue/support/child.ts';
import { useNet } from '../integration/net-queue/support/net.ts';
import { soon, until } from '../integration/net-queue/support/waiting.ts';
import { RawPeer } from '../integration/net-queue/support/wire.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';

const host = new URL('fixtures/host.mjs', import.meta.url);
const stormMs = 30_000 / tcpWorlds.length;
const mebibyte = 2 ** 20;

interface How {
  readonly messages: number;
  readonly greeted: number;
  readonly lost: number;
  readonly peers: number;
  readonly warnings: Readonly<Record<string, number>>;
}

describe.each(tcpWorlds)('crowds, $name', (world) => {
  const net = useNet(world);

  async function ask(child: Child): Promise<How> {
    child.tell({ is: 'how' });
    return (await child.report('how')) as unknown as How;
  }

  /** The most that it has used so far. */
  async function memory(child: Child): Promise<number> {
    child.tell({ is: 'memory' });
    return (await child.report('memory'))['most'] as number;
  }

  /** Asks until it is as wanted. */
  async function askUntil(child: Child, what: string, wanted: (how: How) => boolean): Promise<How> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const how = await ask(child);
      if (wanted(how)) return how;
      if (performance.now() > deadline) throw new Error(`${what}: ${JSON.stringify(how)}`);
      await delay(20);
    }
  }

  it.skipIf(process.platform === 'win32')(
    'a server without file descriptors left warns, serves those it has, and others later',
    async () => {
      const setup = { options: net.serverOptions({ handshakeTimeoutMs: 60_000 }) };
      const child = net.child(host, setup, { descriptors: 64 });
      const { address } = (await child.report('open')) as unknown as { address: object };
      const options = { ...net.serverOptions(), purpose: 'client' as const, ...address };
      const first = net.early(options);
      await soon(first.put('first'), 'a put before');
      const crowd = Array.from({ length: 100 }, () => new RawPeer(address));
      await askUntil(
        child,
        'a warning',
        ({ warnings }) => (warnings['ERR_CHASKI_ADDRESS'] ?? 0) > 0,
      );
      await soon(first.put('amid'), 'a put of who was there before');
      const late = net.early({ ...options, connectTimeoutMs: 20_000 });
      const waiting = late.put('late');
      for (const peer of crowd) peer.destroy();
      await soon(waiting, 'a put of who came amid the crowd', 20_000);
      await soon(first.put('after'), 'a put after');
      const how = await askUntil(child, 'all messages', ({ messages }) => messages === 4);
      expect(how.peers).toBe(2);
    },
  );

  it(`storms of 1,000 clients for ${stormMs / 1000} s leave nothing behind`, async () => {
    const setup = { options: net.serverOptions() };
    const child = net.child(host, setup, { execArgv: ['--expose-gc'] });
    const { address } = (await child.report('open')) as unknown as { address: object };
    const options = { ...net.serverOptions(), purpose: 'client' as const, ...address };
    const early = await memory(child);
    const storm = net.child(
      new URL('fixtures/storm.mjs', import.meta.url),
      { options: { ...options, connectTimeoutMs: 20_000 }, width: 1000, forMs: stormMs },
      { execArgv: ['--max-old-space-size=2048'] },
    );
    expect(await storm.end(stormMs + 60_000)).toMatchObject({ code: 0, stderr: '' });
    const totals = (await storm.report('totals')) as unknown as Record<string, number>;
    const how = await askUntil(child, 'the last one has gone', ({ peers }) => peers === 0);
    expect(how.greeted).toBe(how.lost);
    expect(how.messages).toBeGreaterThanOrEqual(totals['acknowledged']!);
    expect(how.messages).toBeLessThanOrEqual(10 * how.greeted);
    expect(totals['clients']).toBeGreaterThan(1000);
    // What 1,000 clients at a time take, and no more for tens of thousands one after the other.
    const most = (await memory(child)) - early;
    console.log(
      `${world.name}: ${totals['clients']} clients, ${totals['refused']} refused, ` +
        `${how.messages} messages, at most ${Math.round(most / mebibyte)} MiB more`,
    );
    expect(most).toBeLessThan(256 * mebibyte);
    const last = net.early(options);
    await soon(last.put('still there'), 'a put after the storm');
    await until(() => last.peers.size === 1, 'it is served');
  });
});
