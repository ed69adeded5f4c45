// Processes that are killed in mid-stream, at any instant: what was acknowledged is there, in order, once; what is said not to
// have arrived has not; and the other side goes on.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { useNet } from '../integration/net-queue/support/net.ts';
import { soon, until } from '../integration/net-queue/support/waiting.ts';
import { worlds } from '../integration/net-queue/support/worlds.ts';
import { Chance } from './support/chance.ts';
import { Arrivals, Putting } from './support/stream.ts';

const rounds = Math.ceil(50 / 2 / worlds.length);
const mark = { bytes: 1 << 20, messages: 4096 };

describe.each(worlds)('kills in mid-stream, $name', (world) => {
  const net = useNet(world);

  it(`of ${rounds} producers lose nothing that they know to be acknowledged`, async () => {
    const chance = new Chance(`producers ${world.name}`);
    const server = await net.server<Uint8Array>({ highWaterMark: mark });
    const arrivals = new Arrivals();
    server.subscribe((bytes, peer) => {
      arrivals.take(peer, bytes);
    });
    for (let round = 0; round < rounds; round += 1) {
      const child = net.child(new URL('fixtures/numbers.mjs', import.meta.url), {
        options: net.clientOptions(server, { highWaterMark: mark }),
        count: 1e9,
      });
      let acknowledged = 0;
      child.process.on('message', (report: { is: string; count: number }) => {
        if (report.is === 'acknowledged') acknowledged = report.count;
      });
      const { id } = (await child.report('open')) as unknown as { id: string };
      await until(() => arrivals.of(id) > 0, 'the stream runs');
      await delay(chance.integer(0, 150));
      await child.kill();
      await until(() => !server.peers.has(id), 'the server notices');
      await until(() => arrivals.of(id) >= acknowledged, 'what was acknowledged is there');
      expect(arrivals.wrong).toEqual([]);
    }
    const held = (): unknown => server.stats()['heldMessages'];
    await until(() => held() === 0, 'all that had arrived is delivered');
    await soon(server.close(), 'the end of the server');
  });

  it(`of ${rounds} consumers lose nothing that they acknowledged`, async () => {
    const chance = new Chance(`consumers ${world.name}`);
    for (let round = 0; round < rounds; round += 1) {
      const file = net.path();
      const child = net.child(new URL('fixtures/keeper.mjs', import.meta.url), {
        options: net.serverOptions({ highWaterMark: mark }),
        file,
      });
      const { address } = (await child.report('open')) as unknown as { address: object };
      const client = net.early<Uint8Array>({
        ...net.serverOptions(),
        purpose: 'client',
        ...address,
        highWaterMark: mark,
      });
      const putting = new Putting(client, chance);
      await until(() => putting.acknowledged >= 0, 'the stream runs');
      await delay(chance.integer(0, 150));
      await child.kill();
      await soon(putting.done, 'every put is settled');
      await until(() => client.closed, 'the client notices');
      const numbers = new Float64Array(new Uint8Array(readFileSync(`${file}.0`)).buffer);
      expect(numbers.findIndex((number, i) => number !== i)).toBe(-1);
      expect(numbers.length).toBeGreaterThan(putting.acknowledged);
      expect(putting.undelivered.filter((number) => number < numbers.length)).toEqual([]);
      // None at all where the last acknowledgement and the end came together.
      expect([...putting.codes].filter((code) => code !== 'ERR_CHASKI_CLOSED')).toEqual([]);
    }
  });
});
