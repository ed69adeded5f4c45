// Those requirements of the original that are not a call (R1 to R15 in docs/kaska.md) and that no other test is about.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { rejection } from '../net-queue/support/waiting.ts';
import { all, Logs, places, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe('publishers and subscribers', () => {
  it('need not run at the same time, nor know of each other (R3)', async () => {
    const dir = await logs.folder();
    const early = await logs.open({ dir });
    await early.client().createTopic('news');
    await early.client().sendMsg('news', 'first');
    await early.client().commit('late reader', 'news', 0);
    await early.close();
    const late = await logs.open({ dir, create: false });
    const reader = late.client();
    expect(await reader.subscribe(['news'])).toBe(1);
    reader.seek('news', await reader.commited('late reader', 'news'));
    expect(Buffer.from((await reader.poll())?.msg ?? []).toString()).toBe('first');
  });

  it.each(places)(
    'are served at the same time, each as if it were alone, in %s (R4)',
    async (place) => {
      const kaska = await logs.openIn(place);
      const [clients, topics, messages] = [60, 10, 20];
      const names = Array.from({ length: topics }, (_, i) => `topic ${i}`);
      await Promise.all(names.map((name) => kaska.client().createTopic(name)));
      const served = Array.from({ length: clients }, async (_, number) => {
        const client = kaska.client();
        const own = names.filter((__, i) => (number + i) % 3 > 0);
        expect(await client.subscribe(own)).toBe(own.length);
        // From the start: others publish already.
        for (const name of own) client.seek(name, 0);
        const target = names[number % topics]!;
        const sent: number[] = [];
        for (let i = 0; i < messages; i += 1) {
          sent.push(await client.sendMsg(target, `${number}/${i}`));
        }
        return { client, own, target, number, sent };
      });
      const perTopic = (clients / topics) * messages;
      for (const { client, own, target, number, sent } of await Promise.all(served)) {
        // What was told of an offset is what is there: each message once, those of a client in its order.
        const mine: [number, string][] = [];
        const polled = new Map(own.map((name) => [name, 0]));
        for (let next = await client.poll(); next !== null; next = await client.poll()) {
          expect(next.offset).toBe(polled.get(next.topic));
          polled.set(next.topic, next.offset + 1);
          const text = Buffer.from(next.msg).toString();
          if (text.startsWith(`${number}/`)) mine.push([next.offset, text]);
        }
        expect([...polled.values()]).toEqual(own.map(() => perTopic));
        const expected = sent.map((at, i) => [at, `${number}/${i}`]);
        expect(mine).toEqual(own.includes(target) ? expected : []);
      }
    },
  );

  it('are both in one client (R5)', async () => {
    const client = (await logs.open()).client();
    await client.createTopic('t');
    await client.subscribe(['t']);
    for (let i = 0; i < 100; i += 1) {
      expect(await client.sendMsg('t', `${i}`)).toBe(i);
      expect((await client.poll())?.offset).toBe(i);
    }
  });
});

describe('calls that cannot reach the log any more', () => {
  it('fail, all of them, as those of the original without its broker', async () => {
    const kaska = await logs.open();
    const client = kaska.client();
    await client.createTopic('t');
    await client.subscribe(['t']);
    await kaska.close();
    const promised = [
      () => client.createTopic('other'),
      () => client.ntopics(),
      () => client.sendMsg('t', 'x'),
      () => client.msgLength('t', 0),
      () => client.endOffset('t'),
      () => client.subscribe(['t']),
      () => client.poll(),
      () => client.commit('me', 't', 0),
      () => client.commited('me', 't'),
    ];
    const closed = { code: 'ERR_CHASKI_CLOSED' };
    for (const call of promised) expect(await rejection(call())).toMatchObject(closed);
    for (const call of [
      () => client.unsubscribe(),
      () => client.position('t'),
      () => client.seek('t', 0),
    ]) {
      expect(call).toThrow(expect.objectContaining(closed));
    }
  });
});

describe('no limit is fixed', () => {
  it('of topics, of clients, and of what they have committed (R8)', async () => {
    const dir = await logs.folder();
    const many = 300;
    const names = Array.from({ length: many }, (_, i) => `number ${i}`);
    const kaska = await logs.open({ dir });
    await Promise.all(names.map((name) => kaska.createTopic(name)));
    const clients = names.map(() => kaska.client());
    await Promise.all(names.map((name, i) => clients[i]!.sendMsg(name, name)));
    await Promise.all(names.map((name, i) => clients[i]!.commit(name, name, i)));
    await kaska.close();
    const again = await logs.open({ dir });
    const client = again.client();
    expect(await client.ntopics()).toBe(many);
    for (const [i, name] of names.entries()) {
      expect(await client.commited(name, name)).toBe(i);
      expect(await client.endOffset(name)).toBe(1);
    }
    expect(await texts(again.topic(names.at(-1)!))).toEqual([names.at(-1)]);
  });

  it.each(places)(
    'of messages: segments follow each other, and offsets go on, in %s (R8)',
    async (place) => {
      const dir = place === ':memory:' ? place : await logs.folder();
      const kaska = await logs.open({ dir });
      const topic = await kaska.createTopic('t', { segmentBytes: 1 << 20, flush: 'os' });
      const [batches, count] = [40, 10_000];
      const values = { data: new Uint8Array(count * 10), lengths: 10 };
      for (let i = 0; i < batches; i += 1) {
        expect(await topic.appendBatch(values, { acks: 1 })).toMatchObject({
          offset: i * count,
          count,
        });
      }
      let next = 0;
      for await (const batch of topic.batches({ until: 'end' })) {
        expect(batch.offset).toBe(next);
        next += batch.length;
      }
      expect(next).toBe(batches * count);
      expect((await topic.read({ from: 123_456 }).next()).value.offset).toBe(123_456);
    },
  );
});

describe('bytes', () => {
  it('beside those of the users are 7 to 12 a record, 61 a batch, all of it big-endian (R2, R12)', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t');
    const [count, length] = [1000, 100];
    await topic.appendBatch({ data: new Uint8Array(count * length).fill(7), lengths: length });
    expect(await all(topic)).toHaveLength(count);
    await kaska.close();
    const folder = join(dir, 'topics', '00000001', '0');
    const log = (await readdir(folder)).find((name) => name.endsWith('.log')) ?? '';
    const bytes = await readFile(join(folder, log));
    const beside = bytes.length - count * length - 61;
    expect(beside / count).toBeGreaterThanOrEqual(7);
    expect(beside / count).toBeLessThanOrEqual(12);
    // Of Kafka's header: base offset, length of what follows, magic, count.
    expect(bytes.readBigInt64BE(0)).toBe(0n);
    expect(bytes.readInt32BE(8)).toBe(bytes.length - 12);
    expect(bytes.readInt8(16)).toBe(2);
    expect(bytes.readInt32BE(57)).toBe(count);
  });
});
