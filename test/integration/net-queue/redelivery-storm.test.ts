// Puts, cancels, nacks and lost connections at random, all at once: what was cancelled never arrives, all else is processed once
// and acknowledged.
import type { Communicator, Message, PutResult } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { Cable } from './support/cable.ts';
import { useNet } from './support/net.ts';
import { soon, turn } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

/** Numbers that look random and are the same for each seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Outcome = { id: number; put: PutResult; cancelled: boolean };

async function putMany(
  client: Communicator<Uint8Array>,
  count: number,
  below: (most: number) => number,
  cut: () => void,
): Promise<Outcome[]> {
  const all: Outcome[] = [];
  for (let id = 0; id < count; id += 1) {
    if (client.needDrain) await client.writable();
    const length = below(100) === 0 ? 70_000 : 4 + below(300);
    const data = new Uint8Array(length);
    new DataView(data.buffer).setUint32(0, id);
    all.push({ id, put: client.put(data, {}), cancelled: false });
    for (let n = below(3); n > 0; n -= 1) {
      const victim = all[all.length - 1 - below(Math.min(all.length, 40))]!;
      if (!victim.cancelled) victim.cancelled = victim.put.cancel();
    }
    if (below(50) === 0) await turn();
    if (below(500) === 0) cut();
  }
  return all;
}

describe.each(tcpWorlds)('a storm of puts, cancels and nacks, $name', (world) => {
  const net = useNet(world);

  it.each([
    [1, false],
    [2, false],
    [3, true],
    [4, true],
  ])('loses and doubles nothing, seed %i, connections are lost: %s', async (seed, cuts) => {
    const below = random(seed);
    const sessionTimeoutMs = cuts ? 60_000 : 0;
    const server = await net.server<Uint8Array>({
      ack: 'processed',
      highWaterMark: { messages: 200, bytes: 500_000 },
      sessionTimeoutMs,
    });
    const cable = await Cable.to((server.address() as { port: number }).port);
    const client = await net.client<Uint8Array>(server, {
      port: cable.port,
      highWaterMark: { messages: 300, bytes: 500_000 },
      sessionTimeoutMs,
    });
    const done = new Map<number, number>();
    const deliveries = new Map<number, number>();
    /** Whether the message is done with. */
    const process = (message: Message<Uint8Array>): boolean => {
      const { bytes } = message;
      const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      const before = deliveries.get(id) ?? 0;
      expect(message.deliveries).toBeGreaterThan(before);
      deliveries.set(id, message.deliveries);
      if (message.deliveries < 4 && below(4) === 0) return false;
      done.set(id, (done.get(id) ?? 0) + 1);
      return true;
    };
    const reading = (async () => {
      while (!server.closed) {
        try {
          for await (const message of server) {
            const dice = below(200);
            if (dice === 0) break;
            if (dice === 1) throw new Error('on purpose');
            if (!process(message)) message.nack({ delayMs: below(3) });
          }
        } catch (error) {
          if ((error as Error).message !== 'on purpose') throw error;
        }
        if (server.closed) return;
        const message = await server.get().catch(() => undefined);
        if (message === undefined) return;
        if (process(message)) message.ack();
        else message.nack();
        const batch = await server.getBatch({ max: 5 }).catch(() => undefined);
        for (const each of batch ?? []) if (!process(each)) each.nack();
        batch?.ack();
      }
    })();
    const cut = (): void => {
      if (cuts) cable.cut();
    };
    const all = await soon(putMany(client, 5000, below, cut), 'all puts');
    const outcomes = await soon(Promise.allSettled(all.map(({ put }) => put)), 'all outcomes');
    await soon(client.drain(), 'draining');
    outcomes.forEach(({ status }, i) => {
      const { id, cancelled } = all[i]!;
      expect([id, status, done.get(id)]).toEqual(
        cancelled ? [id, 'rejected', undefined] : [id, 'fulfilled', 1],
      );
    });
    expect(all.some(({ cancelled }) => cancelled)).toBe(true);
    expect([...deliveries.values()].some((count) => count > 1)).toBe(true);
    await client.close();
    await server.close();
    await reading;
    cable.close();
  });
});
