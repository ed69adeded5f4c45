import { once } from 'node:events';

import { afterEach, describe, expect, it } from 'vitest';

import { DamagedRecords, OffsetOutOfRange } from 'chaski/kaska';

import { bytesOf, isBytesOf } from '../net-queue/support/payloads.ts';
import { rejection, settled, soon } from '../net-queue/support/waiting.ts';
import { all, Logs, next, places, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const numbers = (count: number, from: number = 0): string[] =>
  Array.from({ length: count }, (_, i) => `${from + i}`);

describe.each(places)('reading from %s', (place) => {
  it('waits at the end for what comes, in order, and ends with break', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    void topic.append('0');
    const read: string[] = [];
    for await (const record of topic.read()) {
      read.push(record.text());
      if (read.length === 1000) break;
      if (read.length % 10 === 1) for (const n of numbers(10, read.length)) void topic.append(n);
    }
    expect(read).toEqual(numbers(1000));
  });

  it('begins at an offset, in the middle of a batch too, at the start, or at the end', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    await topic.appendBatch(numbers(100));
    await topic.appendBatch(numbers(100, 100));
    for (const from of [0, 1, 99, 100, 150, 199]) {
      const [record] = await next(topic.read({ from }), 1);
      expect(record).toMatchObject({ offset: from, topic: 't', partition: 0 });
      expect(record?.offsetBigInt).toBe(BigInt(from));
      expect(record?.text()).toBe(String(from));
      const [batch] = await next(topic.batches({ from }), 1);
      expect(batch?.offset).toBe(from);
      expect(Buffer.from(batch!.value(0)!).toString()).toBe(String(from));
    }
    const late = topic.read({ from: 'end' });
    const first = late.next();
    expect(await settled(first)).toBe('pending');
    await topic.append('new');
    expect((await soon(first, 'a record')).value.text()).toBe('new');
  });

  it("stops where the end was with until: 'end'", async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    expect(await texts(topic)).toEqual([]);
    await topic.appendBatch(numbers(10));
    const reading = topic.read({ until: 'end' });
    const batches = topic.batches({ until: 'end', from: 5 });
    await topic.appendBatch(numbers(10, 10));
    const read: string[] = [];
    for await (const record of reading) read.push(record.text());
    expect(read).toEqual(numbers(10));
    let count = 0;
    for await (const batch of batches) count += batch.length;
    expect(count).toBe(5);
    expect(await reading.next()).toEqual({ value: undefined, done: true });
  });

  it('gives all of a batch without an index, one by one when asked', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    const before = Date.now();
    await topic.appendBatch([
      { value: 'a', key: 'k', headers: { h: 'x' }, timestamp: 5 },
      { value: null, timestamp: 6 },
      'ccc',
    ]);
    const [batch] = await next(topic.batches(), 1);
    if (batch === undefined) throw new Error('there is a batch');
    expect(batch).toMatchObject({ length: 3, offset: 0, partition: 0, compression: 'none' });
    expect(batch.key(0)).toEqual(Uint8Array.of(107));
    expect(batch.key(1)).toBeNull();
    expect(batch.value(1)).toBeNull();
    expect(batch.valueLength(1)).toBe(-1);
    expect(batch.timestamp(0)).toBe(5);
    expect(batch.timestamp(2)).toBeGreaterThanOrEqual(before);
    expect(batch.headers(0)).toEqual([['h', Uint8Array.of(120)]]);
    const start = batch.valueStart(2);
    const bytes = batch.memory.subarray(start, start + batch.valueLength(2));
    expect(Buffer.from(bytes).toString()).toBe('ccc');
    expect([...batch].map((record) => record.offset)).toEqual([0, 1, 2]);
    for (const i of [-1, 3, 0.5, NaN]) {
      expect(() => batch.value(i)).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
      );
    }
  });

  it('reads records that are larger than an arena, among small ones', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    const lengths = [10, 100_000, 20, 3_000_000, 5, 70_000, 65_536, 65_400];
    for (const [i, length] of lengths.entries()) void topic.append(bytesOf(i, length));
    await topic.append(bytesOf(lengths.length, 3));
    const records = await all(topic);
    expect(records).toHaveLength(lengths.length + 1);
    for (const [i, length] of lengths.entries()) {
      expect(isBytesOf(i, length, records[i]!.value!)).toBe(true);
    }
    let read = 0;
    let whole = true;
    for await (const batch of topic.batches({ until: 'end', arenaBytes: 4096 })) {
      for (const record of batch) {
        const length = lengths[read] ?? 3;
        const { value } = record;
        whole &&= isBytesOf(read, length, value!);
        read += 1;
      }
    }
    expect(read).toBe(lengths.length + 1);
    expect(whole).toBe(true);
  });

  it('gives views that stay as they are, whatever is read later', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    for (let i = 0; i < 3000; i += 1) void topic.append(bytesOf(i, 100));
    await topic.append('end');
    const records = await all(topic);
    const values = records.map(({ value }) => value!);
    await all(topic);
    for (let i = 0; i < 3000; i += 1) expect(isBytesOf(i, 100, values[i]!)).toBe(true);
    expect(records[7]?.copy().buffer.byteLength).toBe(100);
  });

  it('finds a time: the first record that is as late', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    for (const timestamp of [100, 300, 200, 400]) await topic.append('x', { timestamp });
    expect(await topic.offsetAt(0)).toBe(0);
    expect(await topic.offsetAt(100)).toBe(0);
    expect(await topic.offsetAt(new Date(101))).toBe(1);
    expect(await topic.offsetAt(301)).toBe(3);
    expect(await topic.offsetAt(401)).toBeUndefined();
    expect((await next(topic.read({ from: new Date(301) }), 1))[0]?.offset).toBe(3);
    const none = topic.read({ from: new Date(500) }).next();
    expect(await settled(none)).toBe('pending');
    await topic.append('late', { timestamp: 1 });
    expect((await soon(none, 'a record')).value.text()).toBe('late');
  });

  it('tells of an offset that is not there, or goes to where something is', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    expect(await rejection(topic.read({ from: 1, until: 'end' }).next())).toMatchObject({
      code: 'ERR_CHASKI_OUT_OF_RANGE',
    });
    expect(await topic.read({ from: 0, until: 'end' }).next()).toMatchObject({ done: true });
    const empty = topic.read({ from: 1, until: 'end', onOutOfRange: 'start' });
    expect(await empty.next()).toMatchObject({ done: true });
    await topic.appendBatch(numbers(3));
    const error = await rejection(topic.read({ from: 4 }).next());
    expect(error).toBeInstanceOf(OffsetOutOfRange);
    expect(error).toMatchObject({
      code: 'ERR_CHASKI_OUT_OF_RANGE',
      topic: 't',
      partition: 0,
      offset: 4,
      start: 0,
      end: 3,
    });
    const [first] = await next(topic.read({ from: 99, onOutOfRange: 'start' }), 1);
    expect(first?.offset).toBe(0);
    const late = topic.read({ from: 99, onOutOfRange: 'end' }).next();
    await topic.append('new');
    expect((await soon(late, 'a record')).value.offset).toBe(3);
    expect(DamagedRecords).toBeDefined();
  });

  it('goes round the partitions, and ends when all have ended', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t', { partitions: 3 });
    for (let i = 0; i < 3; i += 1) await topic.appendBatch(numbers(10 * i), { partition: i });
    const records = await all(topic);
    expect(records).toHaveLength(30);
    expect(records.filter(({ partition }) => partition === 2)).toHaveLength(20);
    expect(() => topic.read({ from: 5 })).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
    );
    const late = topic.read({ from: 'end' });
    const steps = [late.next(), late.next()];
    await topic.append('b', { partition: 1 });
    await topic.append('c', { partition: 2 });
    const got = await soon(Promise.all(steps), 'two records');
    expect(new Set(got.map(({ value }) => value.text()))).toEqual(new Set(['b', 'c']));
  });

  it('serves several readers and writers at once', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    const readers = Array.from({ length: 5 }, () => topic.read());
    const reading = readers.map((reader) => next(reader, 2000));
    for (let i = 0; i < 20; i += 1) {
      await Promise.all(numbers(100, 100 * i).map((n) => topic.append(n)));
    }
    for (const records of await Promise.all(reading)) {
      expect(records.map((record) => record.text())).toEqual(numbers(2000));
    }
  });

  it('ends with a signal, with return, and when the log is closed', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t');
    const controller = new AbortController();
    const aborted = topic.read({ signal: controller.signal });
    const waiting = rejection(aborted.next());
    controller.abort(new Error('enough'));
    expect(await waiting).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
    expect((await aborted.next()).done).toBe(true);
    const before = topic.read({ signal: AbortSignal.abort() });
    expect(await rejection(before.next())).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
    const returned = topic.batches();
    const left = returned.next();
    await returned.return?.();
    expect((await left).done).toBe(true);
    const closing = topic.read();
    const last = closing.next();
    const dated = topic.read({ from: new Date() }).next();
    await kaska.close();
    expect((await soon(last, 'the end')).done).toBe(true);
    expect((await closing.next()).done).toBe(true);
    await Promise.allSettled([dated]);
    expect(() => topic.read()).toThrow(expect.objectContaining({ code: 'ERR_CHASKI_CLOSED' }));
  });

  it('turns the loop while it reads', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    await topic.appendBatch({ data: new Uint8Array(2_000_000), lengths: 10 });
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const until = performance.now() + 40;
    for (;;) {
      let count = 0;
      for await (const record of topic.read({ until: 'end' })) count += record.value!.length;
      expect(count).toBe(2_000_000);
      if (performance.now() > until) break;
    }
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });

  it('is a Node stream, both ways', async () => {
    const topic = await (await logs.openIn(place)).createTopic('t');
    const writable = topic.toWritable({ key: 'k' });
    for (const n of numbers(100)) writable.write(n);
    writable.end();
    await soon(once(writable, 'finish'), 'the end of writing');
    const read: string[] = [];
    for await (const record of topic.toReadable({ until: 'end' })) {
      read.push((record as { text(): string }).text());
    }
    expect(read).toEqual(numbers(100));
  });
});
