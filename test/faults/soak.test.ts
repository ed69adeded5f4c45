// Half an hour (CHASKI_SOAK_MINUTES) of everything at once: messages of all sizes in both directions, connections that break, peers that
// come and go. The slope of the memory is printed, and bounded.
import { setTimeout as delay } from 'node:timers/promises';

import { open } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { Cable } from '../integration/net-queue/support/cable.ts';
import { useNet } from '../integration/net-queue/support/net.ts';
import { soon, until } from '../integration/net-queue/support/waiting.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';
import { Chance } from './support/chance.ts';

const minutes = Number(process.env['CHASKI_SOAK_MINUTES'] || 30);
const runMs = (minutes * 60_000) / tcpWorlds.length;
const sampleMs = Math.max(500, runMs / 200);
const keeping = { sessionTimeoutMs: 60_000, keepAliveMs: 100 };
/** In MiB an hour. What is measured for less than half an hour cannot tell growth from warming up. */
const mostGrowth = minutes >= 30 ? 64 : Infinity;

describe.each(tcpWorlds)('a soak, $name', (world) => {
  const net = useNet(world);
  const cables: Cable[] = [];

  afterEach(() => {
    for (const cable of cables.splice(0)) cable.close();
  });

  it(
    `of ${runMs / 60_000} minutes leaves the memory as it was`,
    async () => {
      const chance = new Chance(`soak ${world.name}`);
      const mark = { bytes: 1 << 20, messages: 4096 };
      const server = await net.server({ ...keeping, highWaterMark: mark });
      const cable = await Cable.to((server.address() as { port: number }).port);
      cables.push(cable);
      const steady = await net.client(server, {
        ...keeping,
        port: cable.port,
        highWaterMark: mark,
      });
      await until(() => server.peers.has(steady.id), 'the server hears of its client');
      const counts = { put: 0, got: 0, rejected: 0, visits: 0 };
      server.subscribe(() => (counts.got += 1));
      steady.subscribe(() => (counts.got += 1));
      const put = (queue: typeof server, peer: string, size: number): void => {
        counts.put += 1;
        queue.put(Buffer.alloc(size), peer).catch(() => (counts.rejected += 1));
      };
      const samples: (readonly [hours: number, mebibytes: number])[] = [];
      const start = performance.now();
      // Pools and heaps fill up to their bounds first.
      let nextSample = start + runMs / 3;
      let nextBreak = start;
      while (performance.now() - start < runMs) {
        for (const [queue, peer] of [
          [server, steady.id],
          [steady, server.id],
        ] as const) {
          for (let i = chance.integer(0, 40); i > 0 && !queue.needDrain; i -= 1) {
            const large = chance.next() < 0.01;
            put(queue, peer, large ? chance.integer(65_000, 500_000) : chance.integer(0, 400));
          }
        }
        if (performance.now() > nextBreak) {
          nextBreak = performance.now() + chance.integer(100, 3000);
          cable.cut();
          // Not kept by `net` until the end: a communicator that is held, closed or not, holds its memory.
          const visitor = await open(
            net.clientOptions(server, { ...keeping, highWaterMark: mark }),
          );
          await soon(visitor.put('a visit'), 'a visit');
          counts.put += 1;
          await visitor.close({ force: chance.next() < 0.3 });
          counts.visits += 1;
        }
        if (performance.now() > nextSample) {
          nextSample = performance.now() + sampleMs;
          globalThis.gc?.();
          const hours = (performance.now() - start) / 3_600_000;
          samples.push([hours, process.memoryUsage.rss() / 2 ** 20]);
        }
        await delay(1);
      }
      await soon(Promise.all([server.drain(), steady.drain()]), 'all is acknowledged');
      await until(() => counts.got === counts.put, 'all is delivered');
      const perHour = slope(samples);
      console.log(
        `${world.name}: ${counts.put} messages, ${cable.connections} connections, ${counts.visits} visits; ` +
          `memory ${perHour.toFixed(1)} MiB an hour in the last two thirds, from ${course(samples)} MiB`,
      );
      expect(counts.rejected).toBe(0);
      expect(samples.length).toBeGreaterThan(10);
      expect(perHour).toBeLessThan(mostGrowth);
    },
    runMs + 300_000,
  );
});

/** What was measured, in ten places. */
function course(points: readonly (readonly [number, number])[]): string {
  const step = Math.max(1, Math.floor(points.length / 10));
  const shown = points.filter((_, i) => i % step === 0);
  return shown.map(([, mebibytes]) => mebibytes.toFixed(0)).join(', ');
}

/** Of the line that fits best (least squares). */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (at: 0 | 1): number =>
    points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  let [above, below] = [0, 0];
  for (const [a, b] of points) {
    above += (a - x) * (b - y);
    below += (a - x) ** 2;
  }
  return above / below;
}
