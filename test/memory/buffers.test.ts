import { MessageChannel, Worker } from 'node:worker_threads';

import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from '../integration/net-queue/support/net.ts';
import { bytesOf, isBytesOf } from '../integration/net-queue/support/payloads.ts';
import { rejection, soon, take, turn } from '../integration/net-queue/support/waiting.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';

/** Gathered in a slab, one frame of its own, a buffer of its own. */
const lengths = [1, 16, 1000, 32_768, 32_769, 65_516, 65_517, 3 << 20];

describe.each(tcpWorlds)('memory of users, $name', (world) => {
  const net = useNet(world);

  /** Whether the next message is what `bytesOf` gives. */
  async function arrives(server: Communicator<Uint8Array>, length: number): Promise<boolean> {
    const [message] = await take(server, 1);
    return isBytesOf(length, length, message!.bytes);
  }

  it('that was detached before is refused by a typed error, in every way to put', async () => {
    const { server, client } = await net.pair();
    const views = [
      new Uint8Array(100),
      new Float64Array(10),
      new DataView(new ArrayBuffer(8)),
      new Uint8Array(70_000),
    ];
    for (const view of views) structuredClone(view.buffer, { transfer: [view.buffer] });
    const detached = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error;
    for (const view of [...views, views[0]!.buffer]) {
      expect(() => client.put(view)).toThrow(detached);
      expect(() => client.trySend(view)).toThrow(detached);
      expect(() => client.putMany([view])).toThrow(detached);
      expect((await rejection(client.send(view))).code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    }
    expect(() => client.putMany({ data: views[0] as Uint8Array, lengths: 1 })).toThrow(detached);
    await client.put('after');
    const [message] = await take(server, 1);
    expect([message!.seq, message!.data]).toEqual([1, 'after']);
  });

  it('that was detached is refused in code that has run hot with memory of every kind, too', async () => {
    // V8 11 (Node 20) takes the old length of detached memory there, once it has met a resizable buffer.
    const { server, client } = await net.pair<Uint8Array>({
      server: { highWaterMark: { messages: 1 << 20 } },
      client: { highWaterMark: { messages: 1 << 20 } },
    });
    server.subscribe(() => {});
    const lengths = [8, 100];
    const all = lengths.flatMap((length) => [
      new Uint8Array(length),
      Buffer.alloc(length),
      new Uint8Array(new SharedArrayBuffer(length)),
      new Uint8Array(resizable(length)),
    ]);
    all.push(new Uint8Array(0));
    const detached = lengths.map((length) => {
      const bytes = new Uint8Array(length);
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      return bytes;
    });
    const ways = [
      (bytes: Uint8Array) => client.put(bytes),
      (bytes: Uint8Array) => client.trySend(bytes),
      (bytes: Uint8Array) => client.putMany([bytes]),
      (bytes: Uint8Array) => client.putMany({ data: bytes, lengths: 1 }),
    ];
    const missed: string[] = [];
    for (let round = 0; round < 12; round += 1) {
      for (const way of ways) {
        for (let i = 0; i < 1000; i += 1) void way(all[i % all.length]!);
        for (const bytes of detached) {
          try {
            void way(bytes);
            missed.push(`round ${round}: ${String(way)}`);
          } catch (error) {
            if ((error as { code?: string }).code !== 'ERR_CHASKI_INVALID_ARGUMENT') {
              missed.push(`round ${round}: ${String(error)}`);
            }
          }
        }
      }
      await client.writable();
      await turn();
    }
    expect(missed).toEqual([]);
  });

  it('may be detached right after put', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    for (const length of lengths) {
      const bytes = new Uint8Array(bytesOf(length, length));
      const put = client.put(bytes);
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      expect(bytes.length).toBe(0);
      expect(await arrives(server, length)).toBe(true);
      await soon(put, 'the put');
    }
  });

  it('may be changed right after put, and after putMany of packed bytes', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    for (const length of lengths) {
      const bytes = new Uint8Array(bytesOf(length, length));
      const put = client.put(bytes);
      bytes.fill(0xee);
      expect(await arrives(server, length)).toBe(true);
      await soon(put, 'the put');

      const packed = new Uint8Array(bytesOf(length, length));
      const ends = Uint32Array.of(length);
      const many = client.putMany({ data: packed, lengths: ends });
      packed.fill(0xee);
      ends[0] = 0;
      expect(await arrives(server, length)).toBe(true);
      await soon(many, 'the packed bytes');
    }
  });

  it('may be shrunk right after put; shrunk under its view before, it is refused', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    for (const length of lengths) {
      const buffer = resizable(length);
      const bytes = new Uint8Array(buffer);
      bytes.set(bytesOf(length, length));
      const put = client.put(bytes);
      buffer.resize(0);
      expect(await arrives(server, length)).toBe(true);
      await soon(put, 'the put');
    }
    const buffer = resizable(100);
    const fixed = [
      new Uint8Array(buffer, 50, 50),
      new Uint16Array(buffer, 40, 20),
      new DataView(buffer, 50, 50),
    ];
    const tracking = new Uint8Array(buffer);
    buffer.resize(60);
    for (const view of fixed) {
      expect(() => client.put(view as Uint8Array)).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error,
      );
    }
    await client.put(tracking);
    const [message] = await take(server, 1);
    expect(message!.byteLength).toBe(60);
  });

  it('may be shared, and its views anywhere in it', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    for (const length of lengths) {
      const shared = new SharedArrayBuffer(length + 3);
      const bytes = new Uint8Array(shared, 3, length);
      bytes.set(bytesOf(length, length));
      const put = client.put(bytes);
      bytes.fill(0xee);
      expect(await arrives(server, length)).toBe(true);
      await soon(put, 'the put');
    }
    const shared = new SharedArrayBuffer(12);
    new Uint8Array(shared).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const lengthsShared = new Uint32Array(new SharedArrayBuffer(8));
    lengthsShared.set([5, 7]);
    await client.putMany({ data: new Uint8Array(shared), lengths: lengthsShared });
    const parts = (await take(server, 2)).map(({ data }) => [...data]);
    expect(parts).toEqual([
      [1, 2, 3, 4, 5],
      [6, 7, 8, 9, 10, 11, 12],
    ]);
  });

  it('may be written to by another thread all the time; lengths stay what they were', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const shared = new SharedArrayBuffer(200_000);
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const scribble = `
      const { workerData } = require('node:worker_threads');
      const bytes = new Uint8Array(workerData.shared);
      for (let n = 0; Atomics.load(workerData.flag, 0) === 0; n += 1) bytes.fill(n);
    `;
    const worker = new Worker(scribble, { eval: true, workerData: { shared, flag } });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    const words = new Uint32Array(shared, 0, 1000);
    let puts = 0;
    for (let round = 0; round < 200; round += 1) {
      const length = lengths[round % 6]!;
      await client.put(new Uint8Array(shared, 0, length));
      const [message] = await take(server, 1);
      expect(message!.byteLength).toBe(length);
      // Lengths that change while they are looked at: refused or taken, as they were at one moment.
      try {
        client.putMany({ data: new Uint8Array(shared), lengths: words }).catch(() => {});
      } catch {
        puts += 1;
      }
    }
    expect(puts).toBe(200);
    Atomics.store(flag, 0, 1);
    await soon(ended, 'the end of the worker');
  });

  it('may be put while it is being encoded by a serializer that detaches it', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      client: {
        serializer: {
          encode: (value) => {
            structuredClone(value.buffer, { transfer: [value.buffer as ArrayBuffer] });
            return value;
          },
          decode: (bytes) => bytes,
        },
      },
    });
    expect(() => client.put(new Uint8Array(10))).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error,
    );
    expect(server.tryGet()).toBeUndefined();
  });

  it('may be taken away by an iterable in the middle of putMany', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const first = new Uint8Array(bytesOf(1000, 1000));
    function* thief(): Generator<Uint8Array> {
      yield first;
      structuredClone(first.buffer, { transfer: [first.buffer] });
      yield new Uint8Array(bytesOf(40_000, 40_000));
    }
    await client.putMany(thief());
    expect(await arrives(server, 1000)).toBe(true);
    expect(await arrives(server, 40_000)).toBe(true);
  });

  it('that was received may be transferred to another thread without harm to other messages', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const { port1, port2 } = new MessageChannel();
    try {
      for (const length of [100, 40_000, 70_000]) {
        const before = client.putMany([bytesOf(1, 50), bytesOf(2, length), bytesOf(3, 50)]);
        const [one, two] = await take(server, 2);
        const view = two!.data;
        const outcome = transfer(() => {
          port1.postMessage(view, [view.buffer as ArrayBuffer]);
        });
        expect(outcomes).toContain(outcome);
        expect(isBytesOf(1, 50, one!.bytes)).toBe(true);
        const [three] = await take(server, 1);
        expect(isBytesOf(3, 50, three!.bytes)).toBe(true);
        await soon(before, 'the puts');
        await client.put(bytesOf(4, 50));
        const [four] = await take(server, 1);
        expect(isBytesOf(4, 50, four!.bytes)).toBe(true);
      }
    } finally {
      port1.close();
      port2.close();
    }
  });

  it('that was received may be cloned, transferred and written to, by structuredClone too', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    for (let round = 0; round < 50; round += 1) {
      void client.putMany([bytesOf(1, 100), bytesOf(2, 100), bytesOf(3, 100_000)]);
      const [one] = await take(server, 1);
      const outcome = transfer(() => {
        structuredClone(one!.data.buffer, { transfer: [one!.data.buffer as ArrayBuffer] });
      });
      expect(outcomes).toContain(outcome);
      const [two, three] = await take(server, 2);
      expect(isBytesOf(2, 100, two!.bytes)).toBe(true);
      expect(isBytesOf(3, 100_000, three!.bytes)).toBe(true);
      // Written to, it is the writer's own affair.
      new Uint8Array(three!.data.buffer).fill(0);
    }
  });
});

/** Newer versions of Node refuse to transfer what others use, older ones copy it. */
const outcomes = ['copied', 'DataCloneError'];

function transfer(act: () => void): string {
  try {
    act();
    return 'copied';
  } catch (error) {
    return (error as Error).name;
  }
}

interface Resizable extends ArrayBuffer {
  resize(length: number): void;
}

function resizable(length: number): Resizable {
  const Buffer = ArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => Resizable;
  return new Buffer(length, { maxByteLength: length });
}
