// Batches that are handed to worker threads.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { fromParcel } from 'chaski/net-queue';
import type { Batch, Parcel } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { settled, soon, take } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

interface Told {
  readonly failed?: true;
  readonly peer: string;
  readonly seq: number;
  readonly deliveries: number;
  readonly byteLength: number;
  readonly values: unknown[];
}

describe.each(tcpWorlds)('a batch for another thread, $name', (world) => {
  const net = useNet(world);
  const workers: Worker[] = [];

  afterEach(async () => {
    await Promise.all(workers.splice(0).map(async (worker) => worker.terminate()));
  });

  function start(options: object = {}): Worker {
    const worker = new Worker(new URL('fixtures/parcels.mjs', import.meta.url), {
      workerData: options,
    });
    workers.push(worker);
    return worker;
  }

  async function post(worker: Worker, parcel: Parcel, fail = false): Promise<Told> {
    const answer = once(worker, 'message');
    worker.postMessage({ parcel, fail }, parcel.transferList);
    const [told] = (await soon(answer, 'the thread answers')) as [Told];
    return told;
  }

  /** All of what was put, in one batch or more. */
  async function batches(queue: { getBatch(): Promise<Batch> }, count: number): Promise<Batch[]> {
    const all: Batch[] = [];
    while (all.reduce((sum, { length }) => sum + length, 0) < count) {
      all.push(await soon(queue.getBatch(), 'a batch'));
    }
    return all;
  }

  it('is read there as here, whatever its messages are', async () => {
    const { server, client } = await net.pair();
    const worker = start();
    const values = [1, 'two', { three: [3] }, null, new Uint8Array([1, 2, 3]), new Uint8Array(0)];
    const large = new Uint8Array(300_000).fill(7);
    await Promise.all([...values, large, ...values].map((value) => client.put(value)));
    const seen: unknown[] = [];
    for (const batch of await batches(server, 13)) {
      const parcel = batch.toParcel();
      const told = await post(worker, parcel);
      expect(told).toMatchObject({ peer: client.id, seq: batch.seq, deliveries: 1 });
      expect(told.byteLength).toBe(batch.byteLength);
      seen.push(...told.values);
      // It was moved, and the batch was not.
      expect(parcel.payloads.length).toBe(0);
      expect(told.values).toEqual(Array.from({ length: batch.length }, (_, i) => batch.at(i)));
    }
    expect(seen).toEqual([...values, large, ...values]);
  });

  it('is acknowledged here when it is done there, and delivered again when it failed', async () => {
    const { server, client } = await net.pair({ server: { ack: 'processed' } });
    const worker = start();
    const put = client.putMany(['a', 'b', 'c']);
    const [first, ...others] = await batches(server, 3);
    expect(others).toEqual([]);
    expect(await post(worker, first!.toParcel(), true)).toEqual({ failed: true });
    expect(await settled(put)).toBe('pending');
    expect(first!.nack()).toBe(3);
    const again = await soon(server.getBatch(), 'it comes again');
    const told = await post(worker, again.toParcel());
    expect(told).toMatchObject({ deliveries: 2, values: ['a', 'b', 'c'] });
    expect(await settled(put)).toBe('pending');
    again.ack();
    await soon(put, 'it is done');
  });

  it('is read with the serializer that both are given', async () => {
    const { server, client } = await net.pair({
      server: { serializer: 'json' },
      client: { serializer: 'json' },
    });
    await client.put({ some: 'thing' });
    const [batch] = await batches(server, 1);
    const parcel = batch!.toParcel();
    expect(() => fromParcel(parcel).at(0)).toThrow(/JSON/);
    expect(await post(start({ serializer: 'json' }), parcel)).toMatchObject({
      values: [{ some: 'thing' }],
    });
  });

  it('is a part of the batch that it was made of', async () => {
    const { server, client } = await net.pair();
    await client.putMany([0, 1, 2, 3, 4, 5]);
    await take(server, 2);
    const parcel = (await server.getBatch({ max: 2 })).toParcel();
    const batch = fromParcel(parcel);
    expect([batch.seq, batch.length, batch.at(0), batch.at(1)]).toEqual([3, 2, 2, 3]);
    expect(batch.byteLengthAt(1)).toBe(1);
    expect(batch.view(1)).toEqual(new Uint8Array([3]));
    for (const i of [-1, 2, 0.5]) expect(() => batch.at(i)).toThrow('an index of the batch');
  });

  it('is refused when it is no parcel any more', async () => {
    const { server, client } = await net.pair();
    await client.put('x');
    const parcel = (await server.getBatch()).toParcel();
    const { peer, seq, deliveries, words, payloads } = parcel;
    const good = { peer, seq, deliveries, words, payloads };
    const wrong = [
      { ...good, payloads: payloads.subarray(1) },
      { ...good, words: [1] },
      { ...good, peer: 7 },
      { ...good, seq: '1' },
      null,
      7,
    ];
    expect(fromParcel(good).at(0)).toBe('x');
    for (const value of wrong) {
      expect(() => fromParcel(value as unknown as Parcel)).toThrow(/toParcel/);
    }
    await post(start(), parcel);
    expect(() => fromParcel(parcel)).toThrow(/toParcel/);
    expect(() => fromParcel(good, { codec: 'auto' } as object)).toThrow(/no such option/);
  });
});
