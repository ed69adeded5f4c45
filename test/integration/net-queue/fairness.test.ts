// A peer that floods does not keep others from being heard. What counts is the order of delivery, not time.
import type { AckPoint, Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { soon, until } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

type Consume = (
  server: Communicator<Uint8Array>,
  take: (peer: string, bytes: number) => boolean,
) => Promise<void>;

/** Each gives what it gets to `take` until that is false. */
const consumers: Record<string, Consume> = {
  async 'get()'(server, take) {
    for (;;) {
      const message = await server.get();
      message.ack();
      if (!take(message.peer, message.byteLength)) return;
    }
  },
  async 'for await'(server, take) {
    for await (const { peer, byteLength } of server) if (!take(peer, byteLength)) return;
  },
  async 'batches()'(server, take) {
    for await (const batch of server.batches()) {
      for (let i = 0; i < batch.length; i += 1) {
        if (!take(batch.peer, batch.byteLengthAt(i))) return;
      }
    }
  },
  async 'getBatch()'(server, take) {
    for (;;) {
      const batch = await server.getBatch({ max: 10 });
      batch.ack();
      for (let i = 0; i < batch.length; i += 1) {
        if (!take(batch.peer, batch.byteLengthAt(i))) return;
      }
    }
  },
  async 'subscribe()'(server, take) {
    await new Promise<void>((resolve) => {
      const subscription = server.subscribe((data, peer) => {
        if (take(peer, data.length)) return;
        subscription.close();
        resolve();
      });
    });
  },
  async 'subscribeBatches()'(server, take) {
    await new Promise<void>((resolve) => {
      const subscription = server.subscribeBatches((batch) => {
        for (let i = 0; i < batch.length; i += 1) {
          if (take(batch.peer, batch.byteLengthAt(i))) continue;
          subscription.close();
          resolve();
          return;
        }
      });
    });
  },
};

const quietPeers = 50;
/** So long that no two fit into one batch. */
const quietBytes = 40_000;
const perQuiet = 4;
const flood = 20_000;
const batchBytes = 64 * 1024;

describe.each(tcpWorlds)('fairness, $name', (world) => {
  const net = useNet(world);

  describe.each(['received', 'processed'] as const)("with ack: '%s'", (ack) => {
    it.each(Object.keys(consumers))(
      '%s gives every peer its turn, however much one has sent',
      async (name) => {
        const { server, flooder } = await crowded(ack);
        const order: [string, number][] = [];
        let quiet = 0;
        const consume = consumers[name] as Consume;
        const consumed = consume(server, (peer, bytes) => {
          order.push([peer, bytes]);
          if (peer !== flooder) quiet += 1;
          return quiet < quietPeers * perQuiet;
        });
        await soon(consumed, 'the messages of the quiet ones');

        // Between two messages of a quiet peer, and before its first: of each other, no more than a batch.
        const since = new Map<string, Map<string, number>>();
        let worst = 0;
        for (const [peer, bytes] of order) {
          for (const [quietPeer, others] of since) {
            if (quietPeer === peer) continue;
            const sum = (others.get(peer) ?? 0) + bytes;
            others.set(peer, sum);
            worst = Math.max(worst, sum);
          }
          if (peer !== flooder) since.set(peer, new Map());
        }
        // Whoever has had all of his messages waits for nothing any more.
        expect(since.size).toBe(quietPeers);
        const firsts = order.findIndex(([peer]) => peer !== flooder);
        expect(order.slice(0, firsts).reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThan(
          2 * batchBytes,
        );
        expect(worst).toBeLessThan(2 * batchBytes);
      },
    );
  });

  /** A server that holds a flood of one peer and a few messages of each of many others. */
  async function crowded(
    ack: AckPoint,
  ): Promise<{ server: Communicator<Uint8Array>; flooder: string }> {
    const server = await net.server<Uint8Array>({ ack });
    const flooder = await net.client(server);
    void flooder.putMany({ data: new Uint8Array(64 * flood), lengths: 64 });
    await until(() => server.stats()['heldMessages'] === flood, 'the flood');
    const message = new Uint8Array(quietBytes);
    for (let i = 0; i < quietPeers; i += 1) {
      const client = await net.client(server);
      for (let n = 0; n < perQuiet; n += 1) void client.put(message);
    }
    const all = flood + quietPeers * perQuiet;
    await until(() => server.stats()['heldMessages'] === all, 'all messages');
    return { server, flooder: flooder.id };
  }
});
