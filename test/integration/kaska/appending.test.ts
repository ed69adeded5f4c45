import { afterEach, describe, expect, it } from 'vitest';

import { rejection } from '../net-queue/support/waiting.ts';
import { all, Logs, places, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe.each(places)('appending to %s', (place) => {
  it('gives records offsets without gaps, in the order of the calls', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    const results = Array.from({ length: 5000 }, (_, i) => topic.append(`value ${i}`));
    expect((await Promise.all(results)).map(({ offset }) => offset)).toEqual(
      Array.from({ length: 5000 }, (_, i) => i),
    );
    expect(await texts(topic)).toEqual(Array.from({ length: 5000 }, (_, i) => `value ${i}`));
    expect(topic.startOffset()).toBe(0);
    expect(topic.endOffset()).toBe(5000);
  });

  it.each(['all', 1, 0] as const)('acknowledges with acks %s', async (acks) => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t');
    const { partition } = await topic.append('a', { acks });
    expect(partition).toBe(0);
    await topic.append('b');
    expect(await texts(topic)).toEqual(['a', 'b']);
  });

  it('flushes what was appended before, whatever its acks', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t', { flush: 'os', partitions: 2 });
    const syncs = () => kaska.stats()['syncs'] ?? 0;
    await topic.flush();
    const before = syncs();
    for (let i = 0; i < 5000; i += 1) void topic.append(`value ${i}`, { acks: 0 });
    await topic.flush();
    expect(topic.endOffset(0) + topic.endOffset(1)).toBe(5000);
    expect(syncs() > before).toBe(place !== ':memory:');
    await kaska.close();
    expect(await rejection(topic.flush())).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
  });

  it('makes durable together what is appended in one turn', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t');
    const turns = 20;
    for (let turn = 0; turn < turns; turn += 1) {
      const batch = [{ value: 'a' }, { value: 'b' }];
      const line = async () => topic.appendBatch(batch, { acks: 'all' });
      await Promise.all(Array.from({ length: 8 }, line));
    }
    expect(topic.endOffset()).toBe(turns * 16);
    // One each, but for those that a slow disk had the committer write.
    expect(kaska.stats()['syncs'] ?? 0).toBeLessThan(turns * 4);
  });

  it('keeps key, value, headers and time, null and empty apart', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    void topic.append('plain');
    void topic.append(null);
    void topic.append('');
    void topic.append('v', { key: '' });
    void topic.append('v', { key: 'k', timestamp: new Date(0) });
    void topic.append(new Uint16Array([0x0102]), { key: Uint8Array.of(255), timestamp: -5 });
    void topic.append('v', { headers: { a: 'ä', b: null, c: '' } });
    await topic.append('v', {
      headers: [
        ['same', '1'],
        ['same', Uint8Array.of(0, 255)],
      ],
      timestamp: 4_300_000_000_000,
    });
    const records = await all(topic);
    expect(records.map(({ key }) => key && Buffer.from(key).toString('latin1'))).toEqual([
      null,
      null,
      null,
      '',
      'k',
      '\u00ff',
      null,
      null,
    ]);
    expect(records.map(({ value }) => value && Buffer.from(value).toString('latin1'))).toEqual([
      'plain',
      null,
      '',
      'v',
      'v',
      '\u0002\u0001',
      'v',
      'v',
    ]);
    expect(records[4]?.timestamp).toBe(0);
    expect(records[5]?.timestamp).toBe(-5);
    expect(records[7]?.timestamp).toBe(4_300_000_000_000);
    expect(Math.abs((records[0]?.timestamp ?? 0) - Date.now())).toBeLessThan(600_000);
    expect(records[0]?.headers).toEqual([]);
    expect(records[6]?.headers).toEqual([
      ['a', new Uint8Array(Buffer.from('ä'))],
      ['b', null],
      ['c', new Uint8Array(0)],
    ]);
    expect(records[7]?.headers).toEqual([
      ['same', Uint8Array.of(49)],
      ['same', Uint8Array.of(0, 255)],
    ]);
  });

  it('copies before it returns', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    for (const length of [1, 15, 16, 5000, 70_000, 200_000]) {
      const memory = new Uint8Array(length).fill(7);
      const result = topic.append(memory);
      memory.fill(9);
      const { offset } = await result;
      const records = await all(topic);
      const value = records[offset]?.value ?? new Uint8Array(0);
      expect(value.length).toBe(length);
      expect(value.every((byte) => byte === 7)).toBe(true);
    }
  });

  it('appends many at once: values, records, and packed bytes', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    expect(await topic.appendBatch(['a', null, { value: 'c', key: 'k' }])).toEqual({
      partition: 0,
      offset: 0,
      count: 3,
      parts: [{ partition: 0, offset: 0, count: 3 }],
    });
    const packed = { data: Buffer.from('ddeeff'), lengths: 2 };
    expect(await topic.appendBatch(packed)).toMatchObject({ offset: 3, count: 3 });
    const various = { data: Buffer.from('ghhi'), lengths: Uint32Array.of(1, 2, 0, 1) };
    expect(await topic.appendBatch(various)).toMatchObject({ offset: 6, count: 4 });
    expect(await topic.appendBatch([])).toEqual({ partition: 0, offset: -1, count: 0, parts: [] });
    expect(await texts(topic)).toEqual(['a', '', 'c', 'dd', 'ee', 'ff', 'g', 'hh', '', 'i']);
  });

  it('splits what is over maxBatchBytes, and refuses a record that is', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t', { maxBatchBytes: 1024 });
    const { parts, count } = await topic.appendBatch(
      Array.from({ length: 20 }, () => new Uint8Array(400)),
    );
    expect(count).toBe(20);
    expect(parts.length).toBeGreaterThan(8);
    const packed = { data: new Uint8Array(8000), lengths: 400 };
    expect((await topic.appendBatch(packed)).count).toBe(20);
    expect(await rejection(topic.append(new Uint8Array(1025)))).toMatchObject({
      code: 'ERR_CHASKI_TOO_LARGE',
      delivered: 'no',
    });
    const fits = topic.append(new Uint8Array(800));
    const largest = topic.append(new Uint8Array(990));
    expect((await fits).offset).toBe(40);
    expect(await rejection(largest)).toMatchObject({ code: 'ERR_CHASKI_TOO_LARGE' });
    await expect(topic.appendBatch(['a', new Uint8Array(1025)])).rejects.toMatchObject({
      code: 'ERR_CHASKI_TOO_LARGE',
    });
    expect(topic.endOffset()).toBe(41);
  });

  it('keeps records of different acks and of batches in the order of the calls', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    void topic.append('1');
    void topic.append('2', { acks: 1 });
    const batch = topic.appendBatch(['3', '4']);
    void topic.append('5', { acks: 0 });
    await topic.append('6');
    await batch;
    expect(await texts(topic)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('turns the loop, however quickly what is awaited is acknowledged', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t', { flush: 'os' });
    for (const append of [
      () => topic.append('x', { acks: 0 }),
      () => topic.append('x', { acks: 1 }),
      () => topic.appendBatch(['x'], { acks: 1 }),
      () => topic.appendBatch({ data: Buffer.from('x'), lengths: 1 }, { acks: 1 }),
    ]) {
      const timer = new AbortController();
      setTimeout(() => {
        timer.abort();
      }, 1);
      while (!timer.signal.aborted) await append();
    }
    expect(topic.endOffset()).toBeGreaterThan(2);
  });

  it('keeps one that is wrong from being appended, and nothing else', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    const first = topic.append('a');
    expect(() => topic.append(5 as never)).toThrow(expect.objectContaining(wrong));
    expect(() => topic.append('x', { keys: 'k' } as never)).toThrow(expect.objectContaining(wrong));
    expect(() => topic.append('x', { timestamp: 0.5 })).toThrow(expect.objectContaining(wrong));
    expect(() => topic.append('x', { partition: 1 })).toThrow(expect.objectContaining(wrong));
    expect(() => topic.append('x', { acks: 2 as never })).toThrow(expect.objectContaining(wrong));
    expect(() => topic.append('x', { headers: ['h'] as never })).toThrow(
      expect.objectContaining(wrong),
    );
    await expect(topic.appendBatch(['b', {} as never])).rejects.toMatchObject(wrong);
    await expect(topic.appendBatch('text' as never)).rejects.toMatchObject(wrong);
    await expect(topic.appendBatch(new Uint8Array(4) as never)).rejects.toMatchObject(wrong);
    await first;
    expect(await texts(topic)).toEqual(['a']);
  });
});

const wrong = { code: 'ERR_CHASKI_INVALID_ARGUMENT' };

describe('partitions', () => {
  it('are chosen by the key as Kafka does; without one, in turn', async () => {
    const topic = await (await logs.open()).createTopic('t', { partitions: 4 });
    const keys = Array.from({ length: 100 }, (_, i) => `key ${i % 20}`);
    const placed = await Promise.all(keys.map((key, i) => topic.append(String(i), { key })));
    const byKey = new Map<string, number>();
    for (const [i, { partition }] of placed.entries()) {
      const key = keys[i] as string;
      expect(byKey.get(key) ?? partition).toBe(partition);
      byKey.set(key, partition);
    }
    expect(new Set(byKey.values()).size).toBe(4);
    for (let partition = 0; partition < 4; partition += 1) {
      const offsets = placed.filter((one) => one.partition === partition);
      expect(offsets.map(({ offset }) => offset)).toEqual(offsets.map((_, i) => i));
      const records = await all(topic, partition);
      expect(records.map((record) => placed[Number(record.text())])).toEqual(
        records.map(({ offset }) => ({ partition, offset })),
      );
    }
    // murmur2 of Kafka's own tests.
    const known = await topic.append('x', { key: '21' });
    expect(known.partition).toBe((-973932308 & 0x7fffffff) % 4);
    const turns = new Set<number>();
    for (let i = 0; i < 4; i += 1) turns.add((await topic.append('x')).partition);
    expect(turns.size).toBe(4);
    expect((await topic.append('x', { partition: 2, key: '21' })).partition).toBe(2);
  });

  it('share a batch of records with keys', async () => {
    const topic = await (await logs.open()).createTopic('t', { partitions: 3 });
    const records = Array.from({ length: 60 }, (_, i) => ({ value: `${i}`, key: `${i}` }));
    const { count, parts } = await topic.appendBatch(records);
    expect(count).toBe(60);
    expect(new Set(parts.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2]));
    const read = (await texts(topic)).map(Number).toSorted((a, b) => a - b);
    expect(read).toEqual(Array.from({ length: 60 }, (_, i) => i));
  });
});

describe.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'a topic with compression %s',
  (compression) => {
    it('gives back what it was given, small and large', async () => {
      const kaska = await logs.open();
      const topic = await kaska.createTopic('t', { compression });
      const values = [1, 100, 10_000, 300_000].map((length) =>
        Buffer.from(
          Array.from({ length }, (_, i) => `${i % 1000} `)
            .join('')
            .slice(0, length),
        ),
      );
      await topic.appendBatch(values);
      await topic.append('alone', { key: 'k', headers: { h: 'v' } });
      const records = await all(topic);
      expect(
        records.slice(0, 4).map(({ value }) => Buffer.compare(value!, values.shift()!)),
      ).toEqual([0, 0, 0, 0]);
      expect(records[4]).toMatchObject({ headers: [['h', Uint8Array.of(118)]] });
      for await (const batch of topic.batches({ until: 'end' })) {
        expect(batch.compression).toBe(compression);
        expect(batch.value(0)).toEqual(records[batch.offset]?.value);
      }
    });
  },
);
