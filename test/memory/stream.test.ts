import { describe, expect, it } from 'vitest';

import type { Child } from '../integration/net-queue/support/child.ts';
import { useNet } from '../integration/net-queue/support/net.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';

const mebibyte = 1 << 20;
/** One heap of malloc: what several of them keep for later looks like a leak for a while. */
const exposed = { execArgv: ['--expose-gc'], env: { MALLOC_ARENA_MAX: '1' } };

describe.each(tcpWorlds)('memory along a stream, $name', (world) => {
  const net = useNet(world);

  async function start(setup: { consume: string; see?: string; length: number }): Promise<{
    sender: Child;
    receiver: Child;
  }> {
    const receiver = net.child(
      new URL('fixtures/receiver.mjs', import.meta.url),
      { options: net.serverOptions(), ...setup },
      exposed,
    );
    const { address } = await receiver.report('open');
    const options = { ...net.serverOptions(), purpose: 'client', ...(address as object) };
    const sender = net.child(
      new URL('fixtures/sender.mjs', import.meta.url),
      { options, ...setup },
      exposed,
    );
    await sender.report('open');
    return { sender, receiver };
  }

  async function stream(sender: Child, receiver: Child, bytes: number): Promise<[number, number]> {
    sender.tell({ is: 'stream', bytes });
    const { rss } = await sender.report('streamed');
    return [rss as number, (await memory(receiver)).rss];
  }

  it.each([
    ['for await', 'view', 64, 24],
    ['batches', undefined, 64, 48],
    ['subscribe', undefined, 1000, 96],
    ['for await', 'view', 100_000, 192],
    ['for await', 'view', 3 << 20, 192],
  ] as const)(
    'stays where it is on both sides: %s, %s of %i bytes',
    async (consume, see, length, portion) => {
      const { sender, receiver } = await start({
        consume,
        length,
        ...(see === undefined ? {} : { see }),
      });
      const samples: [number, number][] = [];
      for (let i = 0; i < 10; i += 1) {
        samples.push(await stream(sender, receiver, portion * mebibyte));
      }
      for (const side of [0, 1] as const) {
        const rss = samples.map((sample) => sample[side] / mebibyte);
        const growth = median(rss.slice(6)) - median(rss.slice(2, 6));
        expect(growth, `${['sender', 'receiver'][side]}: ${rss.join()}`).toBeLessThan(16);
      }
    },
  );

  it.each([
    ['hold copy', 64],
    ['hold data', 64],
    ['hold message', 64],
    ['hold data', 1000],
    ['hold message', 1000],
    ['hold data', 40_000],
  ] as const)(
    'is not held as a whole by one message in a thousand: %s of %i bytes',
    async (see, length) => {
      const { sender, receiver } = await start({ consume: 'for await', see, length });
      await stream(sender, receiver, 16 * mebibyte);
      const before = await memory(receiver);
      const streamed = length < 100 ? 160 : 400;
      await stream(sender, receiver, streamed * mebibyte);
      const after = await memory(receiver);
      expect(after.held - before.held).toBeGreaterThan(
        ((streamed * mebibyte) / length / 1000) * 0.9,
      );
      // Far below what was streamed.
      expect(after.used - before.used).toBeLessThan(40 * mebibyte);
    },
  );
});

async function memory(child: Child): Promise<{ rss: number; used: number; held: number }> {
  child.tell({ is: 'memory' });
  return (await child.report('memory')) as unknown as { rss: number; used: number; held: number };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)]! + sorted[Math.floor(middle)]!) / 2;
}
