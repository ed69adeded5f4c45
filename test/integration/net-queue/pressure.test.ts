import type { Communicator, OpenOptions, PutResult } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { numbered, numberIn } from './support/payloads.ts';
import { event, rejection, settled, soon, take, turn, until, values } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

/** Messages of this size leave the sockets room for few, so that the bounds are met soon. */
const length = 16 * 1024;
const mark = { messages: 64 };

describe.each(worlds)('back-pressure, $name', (world) => {
  const net = useNet(world);

  it('reaches the sender when the consumer rests: trySend() says no, and yes again when it goes on', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { highWaterMark: mark },
      client: { highWaterMark: mark },
    });
    const sent = await fill(client, server);
    // Both bounds, what the sockets hold, and one read on top.
    expect(sent).toBeLessThan(2 * mark.messages + (8 << 20) / length);
    expect(client.needDrain).toBe(true);
    const drained = event(client, 'drain');
    await expectNumbers(server, 0, sent);
    await drained;
    expect(client.needDrain).toBe(false);
    expect(client.trySend(numbered(sent, length))).toBe(true);
    await expectNumbers(server, sent, 1);
  });

  it('holds no more for a consumer that rests than its high-water mark, in messages and in bytes', async () => {
    for (const highWaterMark of [{ messages: 64 }, { bytes: 1 << 20 }]) {
      const { server, client } = await net.pair<Uint8Array>({
        server: { highWaterMark },
        client: { highWaterMark: { bytes: 64 << 20 } },
      });
      const puts = Array.from({ length: 1500 }, (_, i) => client.put(numbered(i, length)));
      const most = highWaterMark.messages ?? (1 << 20) / length;
      await until(() => (server.stats()['heldMessages'] ?? 0) >= most, 'the mark is reached');
      await turn(50);
      const held = server.stats();
      // What one read brings may be more than what was missing.
      expect(held['heldMessages']).toBeLessThanOrEqual(most + (128 * 1024) / length);
      await expectNumbers(server, 0, 1500);
      await soon(Promise.all(puts), 'all puts');
    }
  });

  it('lets put() wait up to four marks, then rejects it as not delivered; what was taken arrives', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { ack: 'processed' },
      client: { highWaterMark: mark },
    });
    const most = 4 * mark.messages;
    const puts = Array.from({ length: 2 * most }, (_, i) => client.put(numbered(i)));
    const states = await Promise.all(puts.map((put) => settled(put)));
    expect(states.indexOf('rejected')).toBe(most);
    expect(states.lastIndexOf('pending')).toBe(most - 1);
    for (const put of puts.slice(most)) {
      const { code, delivered, retryable, message } = await rejection(put);
      expect([code, delivered, retryable]).toEqual(['ERR_CHASKI_QUEUE_FULL', 'no', true]);
      expect(message).toContain(String(most));
    }
    for (const [i, message] of (await take(server, most)).entries()) {
      expect(numberIn(message.bytes)).toBe(i);
      message.ack();
    }
    await soon(Promise.all(puts.slice(0, most)), 'all that was taken');
    const next = client.put(numbered(most));
    (await server.get()).ack();
    await soon(next, 'a put after that');
  });

  it('counts bytes as well as messages', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { ack: 'processed' },
      client: { highWaterMark: { bytes: 10_000 } },
    });
    const first = client.put(new Uint8Array(9999));
    expect(client.trySend(new Uint8Array(20_000))).toBe(true);
    expect(client.trySend(new Uint8Array(1))).toBe(false);
    const message = await server.get();
    message.ack();
    await soon(first, 'the first put');
    // 20,000 bytes are not acknowledged, which is over the mark still.
    expect(client.trySend(new Uint8Array(1))).toBe(false);
    (await server.get()).ack();
    await soon(client.writable(), 'room');
    expect(client.trySend(new Uint8Array(1))).toBe(true);
  });

  it('holds before there is a connection too', async () => {
    const client = net.early<Uint8Array>({
      ...net.lonelyOptions(),
      highWaterMark: { messages: 10 },
      connectTimeoutMs: Infinity,
      closeTimeoutMs: 0,
    });
    const puts = Array.from({ length: 50 }, (_, i) => client.put(numbered(i)));
    const states = await Promise.all(puts.map((put) => settled(put)));
    expect(states.filter((state) => state === 'pending')).toHaveLength(40);
    expect(states.slice(40)).toEqual(Array.from({ length: 10 }, () => 'rejected'));
    expect(client.trySend(numbered(50))).toBe(false);
    for (const put of puts) put.catch(() => {});
  });

  it('lets writable() wait for room, in bounds, and ends it with the peer', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { highWaterMark: mark },
      client: { highWaterMark: mark },
    });
    await soon(client.writable(), 'room in an empty queue');
    const sent = await fill(client, server);
    expect((await rejection(client.writable({ timeoutMs: 20 }))).code).toBe('ERR_CHASKI_TIMEOUT');
    const room = client.writable();
    expect(await settled(room)).toBe('pending');
    await expectNumbers(server, 0, sent);
    await soon(room, 'room');

    await fill(client, server);
    const never = rejection(client.writable());
    await server.close({ force: true });
    expect((await never).code).toBe('ERR_CHASKI_CLOSED');
  });

  it('keeps a stream of sends going through a small window, in order', async () => {
    const { server, client } = await net.pair<number>({
      server: { highWaterMark: { messages: 8 } },
      client: { highWaterMark: { messages: 8 } },
    });
    const count = 5000;
    const reading = values(server, count);
    const sends: Promise<void>[] = [];
    for (let i = 0; i < count; i += 1) sends.push(client.send(i));
    await soon(Promise.all(sends), 'all sends');
    expect(await reading).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it('makes trySend() to all peers say no when one of them is full, and queues it for none', async () => {
    const server = await net.server<Uint8Array>({ highWaterMark: mark });
    const slow = await net.client(server, { highWaterMark: mark });
    const quick = await net.client(server, { highWaterMark: mark });
    await until(() => server.peers.size === 2, 'two peers');
    const sent = await fill(server, slow);
    expect(server.trySend(numbered(sent, length))).toBe(false);
    expect(server.trySend(numbered(7), quick.id)).toBe(true);
    await expectNumbers(quick, 7, 1);
    await expectNumbers(slow, 0, sent);
    await turn(20);
    expect(quick.tryGet()).toBeUndefined();
  });

  it('of one slow peer does not stop another', async () => {
    const server = await net.server<Uint8Array>({ highWaterMark: mark });
    const slow = await net.client(server, { highWaterMark: mark });
    const quick = await net.client(server, { highWaterMark: mark });
    await until(() => server.peers.size === 2, 'two peers');
    // Towards the peers: one does not take what it is sent.
    const sent = await fill(server, slow);
    for (let i = 0; i < 1000; i += 1) {
      await soon(
        server.send(numbered(i, length), { peers: [quick.id] }),
        'a send to the quick one',
      );
      await expectNumbers(quick, i, 1);
    }
    await expectNumbers(slow, 0, sent);
    // From the peers: what one of them sent is not taken.
    const up = await fill(slow, server);
    for (let i = 0; i < 1000; i += 1) {
      await soon(quick.put(numbered(i, length)), 'a put of the quick one');
      await expectNumbers(server, i, 1, quick.id);
    }
    await expectNumbers(server, 0, up, slow.id);
    expect([server.tryGet(), slow.tryGet(), quick.tryGet()]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe.each(worlds)('a full queue, $name', (world) => {
  const net = useNet(world);

  /** A client with `onFull` whose server has not taken anything, filled to its mark. */
  async function full(
    onFull: OpenOptions['onFull'] & string,
    more: OpenOptions<Uint8Array> = {},
  ): Promise<{
    server: Communicator<Uint8Array>;
    client: Communicator<Uint8Array>;
    sent: number;
    dropped: number[];
  }> {
    const pair = await net.pair<Uint8Array>({
      server: { highWaterMark: mark, ...more },
      client: { highWaterMark: mark, onFull },
    });
    const dropped: number[] = [];
    pair.client.on('dropped', (peer, count) => {
      expect(peer).toBe(pair.server.id);
      dropped.push(count);
    });
    return { ...pair, sent: await fill(pair.client, pair.server, more.ack), dropped };
  }

  it("with onFull 'error' rejects put() at once, at the mark", async () => {
    const { server, client, sent, dropped } = await full('error');
    const error = await rejection(client.put(numbered(-1, length)));
    expect([error.code, error.delivered, error.retryable]).toEqual([
      'ERR_CHASKI_QUEUE_FULL',
      'no',
      true,
    ]);
    expect(dropped).toEqual([]);
    await expectNumbers(server, 0, sent);
    await soon(client.writable(), 'room');
    await soon(client.put(numbered(sent, length)), 'the next put');
    await expectNumbers(server, sent, 1);
  });

  it("with onFull 'drop-newest' keeps what was there, and tells how many it did not take", async () => {
    const { server, client, sent, dropped } = await full('drop-newest');
    const puts = Array.from({ length: 30 }, (_, i) => client.put(numbered(-i, length)));
    const many = client.putMany([numbered(-1, length), numbered(-2, length)]);
    for (const put of [...puts, many]) {
      const error = await rejection(put);
      expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_QUEUE_FULL', 'no']);
    }
    await until(() => sum(dropped) >= 31, 'the events');
    // Of putMany the first is refused, and then the rest is not tried.
    expect(sum(dropped)).toBe(31);
    await expectNumbers(server, 0, sent);
    await turn(20);
    expect(server.tryGet()).toBeUndefined();
  });

  it.each(['wait', 'error', 'drop-newest', 'drop-oldest'] as const)(
    "with onFull '%s' says of many messages that none was delivered only when that is so",
    async (onFull) => {
      const { server, client } = await net.pair<number>({
        server: { ack: 'processed' },
        client: { onFull, highWaterMark: { messages: 4 } },
      });
      const many = Array.from({ length: 40 }, (_, i) => i);
      const part = await rejection(client.putMany(many));
      expect([part.code, part.delivered, part.retryable]).toEqual([
        'ERR_CHASKI_QUEUE_FULL',
        'unknown',
        false,
      ]);
      // With 'drop-oldest' the first of them has left, or was dropped before a thread could send it.
      const first = onFull === 'drop-oldest' ? many : [0];
      expect(first).toContain((await server.get()).data);
      if (onFull === 'drop-oldest') return;
      const none = await rejection(client.putMany(many));
      expect([none.code, none.delivered, none.retryable]).toEqual([
        'ERR_CHASKI_QUEUE_FULL',
        'no',
        true,
      ]);
    },
  );

  it('says of a message to several peers that it was not delivered only when none of them gets it', async () => {
    const server = await net.server<number>({ onFull: 'error', highWaterMark: { messages: 4 } });
    const slow = await net.client(server, { ack: 'processed' });
    const quick = await net.client(server);
    await until(() => server.peers.size === 2, 'two peers');
    for (let i = 0; i < 4; i += 1) server.put(i, slow.id).catch(() => {});
    for (const put of [server.put(4), server.putMany([5, 6])]) {
      const whole = await rejection(put);
      expect([whole.code, whole.delivered, whole.retryable]).toEqual([
        'ERR_CHASKI_QUEUE_FULL',
        'unknown',
        false,
      ]);
      await soon(put.futures.get(quick.id)!, 'the quick one');
      const part = await rejection(put.futures.get(slow.id)!);
      expect([part.delivered, part.retryable]).toEqual(['no', true]);
    }
    expect((await take(quick, 2)).map(({ data }) => data)).toEqual([4, 5]);
  });

  it("with onFull 'drop-newest' counts what is put by who is told, too", async () => {
    const { client, dropped } = await full('drop-newest');
    let refused = 0;
    const put = (): void => {
      client.put(numbered(0, length)).catch(() => (refused += 1));
    };
    client.on('dropped', () => {
      if (dropped.length < 4) for (let i = 0; i < 5; i += 1) put();
    });
    for (let i = 0; i < 10; i += 1) put();
    await until(() => dropped.length === 4, 'four events');
    await turn(5);
    expect(dropped).toEqual([10, 5, 5, 5]);
    expect(refused).toBe(25);
  });

  it("with onFull 'drop-oldest' keeps the newest, and tells which puts were dropped", async () => {
    const { server, client, sent, dropped } = await full('drop-oldest');
    const extra = 500;
    const puts: PutResult[] = [];
    for (let i = sent; i < sent + extra; i += 1) puts.push(client.put(numbered(i, length)));
    const outcomes = Promise.allSettled(puts);
    const arrived: number[] = [];
    while (arrived.at(-1) !== sent + extra - 1) {
      arrived.push(numberIn((await server.get({ timeoutMs: 60_000 })).bytes));
    }
    // In order, without repeats, and of the last ones none is missing.
    expect(arrived).toEqual([...new Set(arrived)].sort((a, b) => a - b));
    expect(arrived.slice(-mark.messages / 2)).toEqual(
      Array.from({ length: mark.messages / 2 }, (_, i) => sent + extra - mark.messages / 2 + i),
    );
    const missing = sent + extra - arrived.length;
    expect(missing).toBeGreaterThan(0);
    expect(sum(dropped)).toBe(missing);
    const here = new Set(arrived);
    for (const [i, outcome] of (await soon(outcomes, 'all puts settle')).entries()) {
      expect(outcome).toMatchObject(
        here.has(sent + i)
          ? { status: 'fulfilled' }
          : { reason: { code: 'ERR_CHASKI_QUEUE_FULL', delivered: 'no' } },
      );
    }
    await soon(client.put(numbered(1_000_000, length)), 'a put after all that');
  });

  it("with onFull 'drop-oldest' tells of a drain when the consumer takes, not at each put", async () => {
    const { server, client, sent } = await full('drop-oldest');
    let drains = 0;
    client.on('drain', () => (drains += 1));
    for (let i = 0; i < 500; i += 1) {
      client.put(numbered(sent + i, length)).catch(() => {});
      if (i % 2 === 0) await turn();
    }
    await turn(2);
    expect([drains, client.needDrain]).toEqual([0, true]);
    while (numberIn((await server.get({ timeoutMs: 60_000 })).bytes) !== sent + 499);
    await until(() => drains > 0, 'the drain');
    expect(client.needDrain).toBe(false);
  });

  it("with onFull 'drop-oldest' drains when all that was put before is settled, dropped or not", async () => {
    const { server, client } = await net.pair<number>({
      server: { ack: 'processed' },
      client: { onFull: 'drop-oldest', highWaterMark: { messages: 8 } },
    });
    let pending = 0;
    for (let i = 0; i < 8; i += 1) {
      pending += 1;
      const settle = (): void => {
        pending -= 1;
      };
      client.put(i).then(settle, settle);
    }
    await until(() => (server.stats()['heldMessages'] ?? 0) > 0, 'some are on their way');
    let drained = false;
    const drain = client.drain().then(() => (drained = true));
    for (let i = 8; i < 28; i += 1) client.put(i).catch(() => {});
    await turn(5);
    expect(pending).toBeGreaterThan(0);
    expect(drained).toBe(false);
    const left = pending;
    for (const message of await take(server, left)) message.ack();
    await soon(drain, 'the drain');
    expect(pending).toBe(0);
  });

  it("with onFull 'drop-oldest' is acknowledged across the gaps by a consumer that processes", async () => {
    const { server, client, sent, dropped } = await full('drop-oldest', { ack: 'processed' });
    const puts = Array.from({ length: 300 }, (_, i) => client.put(numbered(sent + i, length)));
    const last = puts.at(-1)!;
    for (const put of puts) put.catch(() => {});
    const seqs: number[] = [];
    for await (const { bytes, seq } of server) {
      seqs.push(seq);
      if (numberIn(bytes) === sent + 299) break;
    }
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(sum(dropped)).toBe(sent + 300 - seqs.length);
    expect(await settled(last)).toBe('pending');
    await client.close({ timeoutMs: 300 });
    expect((await rejection(last)).delivered).toBe('unknown');
  });

  it("with onFull 'drop-oldest' and default marks ends 200,000 puts to a consumer that rests with the newest", async () => {
    const { server, client } = await net.pair<Uint8Array>({ client: { onFull: 'drop-oldest' } });
    const total = 200_000;
    let dropped = 0;
    client.on('dropped', (_, count) => (dropped += count));
    for (let i = 0; i < total; i += 1) {
      void client.put(numbered(i, 64));
      if (i % 1000 === 0) await turn();
    }
    let received = 0;
    let newest = -1;
    while (newest !== total - 1) {
      const batch = await server.getBatch({ timeoutMs: 60_000 });
      for (const { bytes } of batch) newest = numberIn(bytes);
      received += batch.length;
    }
    expect(received + dropped).toBe(total);
  });

  it("with onFull 'drop-oldest' never refuses the newest put, however small the mark", async () => {
    for (const messages of [1, 2, 3]) {
      const { server, client } = await net.pair<Uint8Array>({
        server: { ack: 'processed' },
        client: { onFull: 'drop-oldest', highWaterMark: { messages } },
      });
      const puts = Array.from({ length: 10 }, (_, i) => client.put(numbered(i)));
      const outcomes = Promise.allSettled(puts);
      const arrived: number[] = [];
      for await (const message of server) {
        arrived.push(numberIn(message.bytes));
        message.ack();
        if (arrived.at(-1) === 9) break;
      }
      const fulfilled = (await soon(outcomes, 'all puts settle')).flatMap(({ status }, i) =>
        status === 'fulfilled' ? [i] : [],
      );
      expect(fulfilled).toEqual(arrived);
    }
  });
});

/**
 * Puts numbered messages from `from` to `to`, both with `mark`, until nothing is taken and nothing can move any more;
 * returns how many.
 */
async function fill(
  from: Communicator<Uint8Array>,
  to: Communicator<Uint8Array>,
  acknowledges: 'received' | 'processed' = 'received',
): Promise<number> {
  const before = to.stats()['receivedMessages']!;
  let sent = 0;
  await until(() => {
    while (from.trySend(numbered(sent, length), to.id)) sent += 1;
    // Nobody acknowledges what is not processed.
    if (acknowledges === 'processed') return sent === mark.messages;
    const { heldMessages, receivedMessages } = to.stats();
    // The receiver reads no more, and the sender knows of all that it has read.
    return heldMessages! >= mark.messages && sent === receivedMessages! - before + mark.messages;
  }, 'both queues are full');
  return sent;
}

async function expectNumbers(
  communicator: Communicator<Uint8Array>,
  from: number,
  count: number,
  peer?: string,
): Promise<void> {
  const messages = await take(communicator, count, peer);
  expect(messages.map(({ bytes }) => numberIn(bytes))).toEqual(
    Array.from({ length: count }, (_, i) => from + i),
  );
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
