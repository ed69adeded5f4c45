// Processes that stand still (a suspended laptop, a debugger, a machine out of memory) and go on later.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import type { Child } from '../integration/net-queue/support/child.ts';
import { useNet } from '../integration/net-queue/support/net.ts';
import { event, soon, until } from '../integration/net-queue/support/waiting.ts';
import { worlds } from '../integration/net-queue/support/worlds.ts';
import { Chance } from './support/chance.ts';
import { Arrivals, Putting } from './support/stream.ts';

const impatient = { keepAliveMs: 100, idleTimeoutMs: 700 };
const mark = { bytes: 1 << 20, messages: 4096 };
const keeper = new URL('fixtures/keeper.mjs', import.meta.url);
const numbers = new URL('fixtures/numbers.mjs', import.meta.url);

describe.skipIf(process.platform === 'win32').each(worlds)(
  'processes that stand still, $name',
  (world) => {
    const net = useNet(world);

    function keep(options: object): { child: Child; file: string } {
      const file = net.path();
      const served = net.serverOptions({ highWaterMark: mark, ...options });
      return { child: net.child(keeper, { options: served, file }), file };
    }

    async function connect(child: Child, options: object) {
      const { address } = (await child.report('open')) as unknown as { address: object };
      const place = { ...net.serverOptions<Uint8Array>(), purpose: 'client' as const, ...address };
      return {
        place,
        client: net.early<Uint8Array>({ ...place, highWaterMark: mark, ...options }),
      };
    }

    it('a consumer, for longer than the idle timeout: both sides say so, and it serves the next client', async () => {
      const chance = new Chance(`stopped consumer ${world.name}`);
      for (let round = 0; round < 3; round += 1) {
        const { child, file } = keep(impatient);
        const { client, place } = await connect(child, impatient);
        const putting = new Putting(client, chance);
        await until(() => putting.acknowledged >= 0, 'the stream runs');
        await delay(chance.integer(0, 100));
        child.process.kill('SIGSTOP');
        const [, error] = await event(client, 'lost');
        expect(error?.code).toBe('ERR_CHASKI_TIMEOUT');
        await soon(putting.done, 'every put is settled');
        child.process.kill('SIGCONT');
        await child.report('lost');
        const next = net.early<Uint8Array>({ ...place, ...impatient });
        const more = new Putting(next, chance, 100);
        await soon(more.done, 'puts of the next client');
        expect(more.acknowledged).toBe(99);
        const kept = keptIn(`${file}.0`);
        expect(kept.findIndex((number, i) => number !== i)).toBe(-1);
        expect(kept.length).toBeGreaterThan(putting.acknowledged);
        expect(putting.undelivered.filter((number) => number < kept.length)).toEqual([]);
        expect(keptIn(`${file}.1`)).toEqual(Float64Array.from({ length: 100 }, (_, i) => i));
        await child.kill();
      }
    });

    it('a producer, for longer than the idle timeout: the server lets it go, and it ends by itself later', async () => {
      const chance = new Chance(`stopped producer ${world.name}`);
      const server = await net.server<Uint8Array>({ highWaterMark: mark, ...impatient });
      const arrivals = new Arrivals();
      server.subscribe((bytes, peer) => {
        arrivals.take(peer, bytes);
      });
      for (let round = 0; round < 3; round += 1) {
        const options = net.clientOptions(server, { highWaterMark: mark, ...impatient });
        const child = net.child(numbers, { options, count: 1e9 });
        const { id } = (await child.report('open')) as unknown as { id: string };
        await until(() => arrivals.of(id) > 0, 'the stream runs');
        await delay(chance.integer(0, 100));
        child.process.kill('SIGSTOP');
        const [, error] = await event(server, 'lost');
        expect(error?.code).toBe('ERR_CHASKI_TIMEOUT');
        child.process.kill('SIGCONT');
        await child.report('lost');
        expect(await child.end()).toMatchObject({ code: 0, stderr: '' });
        expect(arrivals.wrong).toEqual([]);
      }
    });

    it('again and again, for less than the idle timeout: everything arrives', async () => {
      const chance = new Chance(`pauses ${world.name}`);
      const { child, file } = keep({ keepAliveMs: 100, idleTimeoutMs: 20_000 });
      const { client } = await connect(child, { keepAliveMs: 100, idleTimeoutMs: 20_000 });
      const putting = new Putting(client, chance, 30_000);
      for (let pause = 0; pause < 4; pause += 1) {
        child.process.kill('SIGSTOP');
        await delay(chance.integer(50, 300));
        child.process.kill('SIGCONT');
        await delay(chance.integer(0, 50));
      }
      await soon(putting.done, 'every put is settled', 20_000);
      expect(putting).toMatchObject({ put: 30_000, acknowledged: 29_999, codes: new Set() });
      const kept = keptIn(`${file}.0`);
      expect(kept.length).toBe(30_000);
      expect(kept.findIndex((number, i) => number !== i)).toBe(-1);
    });
  },
);

function keptIn(file: string): Float64Array {
  return new Float64Array(new Uint8Array(readFileSync(file)).buffer);
}
