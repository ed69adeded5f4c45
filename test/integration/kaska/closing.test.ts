import { afterEach, describe, expect, it } from 'vitest';

import { Kaska } from 'chaski/kaska';

import { rejection, soon } from '../net-queue/support/waiting.ts';
import { eventOf } from './support/events.ts';
import { all, Logs, places, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe.each(places)('closing %s', (place) => {
  it('waits until all is acknowledged; afterwards nothing is taken', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t');
    const told = eventOf(kaska, 'close');
    const results = Array.from({ length: 1000 }, (_, i) => topic.append(`${i}`));
    await kaska.close();
    expect(await told).toBeUndefined();
    expect(kaska.closed).toBe(true);
    expect(results.every(({ acked }) => acked)).toBe(true);
    expect((await results[999]!).offset).toBe(999);
    const late = await rejection(topic.append('late'));
    expect([late.code, late.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'no']);
    for (const call of [
      () => topic.appendBatch(['late']),
      () => kaska.createTopic('late'),
      () => topic.writer('late'),
      () => kaska.verify(),
    ]) {
      expect(await rejection(call())).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    }
    expect(() => topic.endOffset()).toThrow(expect.objectContaining({ code: 'ERR_CHASKI_CLOSED' }));
    expect(() => kaska.topic('t')).toThrow(expect.objectContaining({ code: 'ERR_CHASKI_CLOSED' }));
    await kaska.close();
    expect(kaska.unref().ref()).toBe(kaska);
    expect(kaska.stats()).toMatchObject({ topics: 1 });
  });

  it('by force waits for nothing, and says of each append whether it may be there', async () => {
    const dir = place === ':memory:' ? place : await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t');
    await topic.append('kept');
    const results = Array.from({ length: 100 }, () => topic.append(new Uint8Array(100_000)));
    await soon(kaska.close({ force: true }), 'the close');
    const outcomes = await soon(Promise.allSettled(results), 'every append');
    const errors = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    for (const error of errors as unknown[]) {
      expect(error).toMatchObject({ code: 'ERR_CHASKI_CLOSED', delivered: expect.any(String) });
    }
    await kaska.close();
    // Once it is open again, the threads of before are done.
    const again = await logs.open({ dir });
    const stored = again.topics.get('t')?.endOffset() ?? 0;
    const acked = outcomes.flatMap((one) => (one.status === 'fulfilled' ? one.value.offset : []));
    expect(stored).toBeGreaterThanOrEqual(place === ':memory:' ? 0 : acked.length + 1);
  });

  it('is what `await using` does', async () => {
    const kaska = await logs.openIn(place);
    await kaska[Symbol.asyncDispose]();
    expect(kaska.closed).toBe(true);
  });
});

describe('drain', () => {
  it('resolves when all that was appended and committed is acknowledged', async () => {
    const kaska = await logs.open();
    const topic = await kaska.createTopic('t');
    const results = Array.from({ length: 1000 }, (_, i) => topic.append(`${i}`));
    const committed = kaska.positions('me').commit('t', 1);
    await kaska.drain({ timeoutMs: 60_000 });
    expect(results.every(({ acked }) => acked)).toBe(true);
    await committed;
    await kaska.drain();
    void topic.append('one more');
    expect(await rejection(kaska.drain({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_CHASKI_ABORTED',
    });
    expect(await rejection(kaska.drain(5 as never))).toMatchObject({
      code: 'ERR_CHASKI_INVALID_ARGUMENT',
    });
  });
});

describe('a full log', () => {
  const record = new Uint8Array(100_000);

  it('has appends wait up to four times the mark, in order, and refuses those beyond', async () => {
    const kaska = await logs.open({ highWaterMark: 1 << 20 });
    const topic = await kaska.createTopic('t');
    const drained = eventOf(kaska, 'drain');
    const results = Array.from({ length: 400 }, () => topic.append(record));
    // A turn has ended: the last of them is handed over, or waits.
    await Promise.resolve();
    expect(kaska.needDrain).toBe(true);
    const outcomes = await Promise.allSettled(results);
    const offsets = outcomes.flatMap((one) => (one.status === 'fulfilled' ? one.value.offset : []));
    expect(offsets.length).toBeGreaterThanOrEqual(30);
    expect(offsets).toEqual(offsets.map((_, i) => i));
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused as unknown[]) {
      expect(error).toMatchObject({
        code: 'ERR_CHASKI_QUEUE_FULL',
        retryable: true,
        delivered: 'no',
      });
    }
    await drained;
    expect(kaska.needDrain).toBe(false);
    expect((await topic.append(record)).offset).toBe(offsets.length);
    expect(await all(topic)).toHaveLength(offsets.length + 1);
  });

  it("refuses at the mark with onFull 'error'", async () => {
    const kaska = await logs.open({ highWaterMark: 1 << 20, onFull: 'error' });
    const topic = await kaska.createTopic('t');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, () => topic.append(record)),
    );
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(stored).toBeLessThan(100);
    expect(await all(topic)).toHaveLength(stored);
  });

  it('keeps packed values that wait as they were when they were appended', async () => {
    const kaska = await logs.open({ highWaterMark: 1 << 20 });
    const topic = await kaska.createTopic('t');
    const data = new Uint8Array(700_000);
    const before: Promise<unknown>[] = [];
    while (!kaska.needDrain) before.push(topic.appendBatch({ data, lengths: data.length }));
    const values = Buffer.from('aaaaabbbbbccccc');
    const lengths = Uint32Array.of(5, 5, 5);
    const waiting = topic.appendBatch({ data: values, lengths });
    values.fill(0x7a);
    lengths.set([1, 1, 13]);
    await Promise.all([...before, waiting]);
    expect((await texts(topic)).slice(-3)).toEqual(['aaaaa', 'bbbbb', 'ccccc']);
  });

  it('counts the lengths of packed values that wait', async () => {
    const kaska = await logs.open({ highWaterMark: 1 << 20 });
    const topic = await kaska.createTopic('t');
    const data = new Uint8Array(700_000);
    const before: Promise<unknown>[] = [];
    while (!kaska.needDrain) before.push(topic.appendBatch({ data, lengths: data.length }));
    const empty = { data: new Uint8Array(0), lengths: new Uint32Array(100_000) };
    const behind = Array.from({ length: 50 }, () => topic.appendBatch(empty));
    const outcomes = await Promise.allSettled(behind);
    await Promise.all(before);
    expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
  });

  it('holds a Writable back', async () => {
    const kaska = await logs.open({ highWaterMark: 1 << 20 });
    const topic = await kaska.createTopic('t');
    const writable = topic.toWritable();
    for (let i = 0; i < 200; i += 1) {
      if (!writable.write(record)) {
        await new Promise((resolve) => {
          writable.once('drain', resolve);
        });
      }
    }
    await new Promise<void>((resolve) => {
      writable.end(resolve);
    });
    expect(await all(topic)).toHaveLength(200);
  });
});

describe('a writer with a name', () => {
  it('stores nothing twice under a sequence, also after the log was opened again', async () => {
    const dir = await logs.folder();
    const first = await logs.open({ dir });
    const topic = await first.createTopic('t', { partitions: 2 });
    const writer = await topic.writer('loader');
    expect(writer.name).toBe('loader');
    expect(writer.lastSequence(0)).toBeUndefined();
    expect(await writer.appendBatch(['0', '1', '2'], { sequence: 0, partition: 0 })).toMatchObject({
      count: 3,
    });
    expect(writer.lastSequence(0)).toBe(2);
    expect(await writer.appendBatch(['0', '1', '2'], { sequence: 0, partition: 0 })).toMatchObject({
      count: 0,
    });
    expect(
      await writer.appendBatch(['1', '2', '3', '4'], { sequence: 1, partition: 0 }),
    ).toMatchObject({
      count: 2,
      offset: 3,
    });
    for (const sequence of [6, 9, 2 ** 30, 2 ** 31 - 1]) {
      expect(await rejection(writer.appendBatch(['9'], { sequence, partition: 0 }))).toMatchObject({
        code: 'ERR_CHASKI_OUT_OF_ORDER',
        delivered: 'no',
      });
    }
    await writer.appendBatch(
      { data: Buffer.from('xy'), lengths: 1 },
      { sequence: 100, partition: 1 },
    );
    await first.close();
    const again = await logs.open({ dir });
    const same = await again.topic('t').writer('loader');
    expect(same.lastSequence(0)).toBe(4);
    expect(same.lastSequence(1)).toBe(101);
    await same.appendBatch(['3', '4', '5'], { sequence: 3, partition: 0 });
    const other = await again.topic('t').writer('another');
    await other.appendBatch(['other'], { sequence: 0, partition: 0 });
    expect(await texts(again.topic('t'), 0)).toEqual(['0', '1', '2', '3', '4', '5', 'other']);
    expect(await texts(again.topic('t'), 1)).toEqual(['x', 'y']);
    const wrong = [{}, { sequence: 0 }, { sequence: 0, partition: 2 }, 5];
    for (const sequence of [-1, 2 ** 31]) wrong.push({ sequence, partition: 0 });
    for (const options of wrong) {
      expect(await rejection(same.appendBatch(['x'], options as never))).toMatchObject({
        code: 'ERR_CHASKI_INVALID_ARGUMENT',
      });
    }
  });
});

describe('retention', () => {
  it('deletes whole segments, the oldest first, and readers are told where the log begins', async () => {
    const kaska = await logs.open();
    const topic = await kaska.createTopic('t', { segmentBytes: 1 << 20, retentionBytes: 2 << 20 });
    const value = new Uint8Array(200_000);
    const reading = topic.read();
    expect((await Promise.all([reading.next(), topic.append(value)]))[0].value.offset).toBe(0);
    while (topic.startOffset() === 0) await topic.append(value);
    const start = topic.startOffset();
    expect(await rejection(topic.read({ from: 0 }).next())).toMatchObject({
      code: 'ERR_CHASKI_OUT_OF_RANGE',
      start,
    });
    const first = await topic.read({ from: 0, onOutOfRange: 'start' }).next();
    expect(first.value.offset).toBeGreaterThanOrEqual(start);
    const client = kaska.client();
    expect(await client.subscribe(['t'])).toBe(1);
    expect(await client.msgLength('t', 0)).toBe(0);
    client.seek('t', 0);
    expect(await rejection(client.poll())).toMatchObject({ code: 'ERR_CHASKI_OUT_OF_RANGE' });
    const lenient = kaska.client({ onOutOfRange: 'start' });
    await lenient.subscribe(['t']);
    lenient.seek('t', 0);
    expect((await lenient.poll())?.offset).toBeGreaterThanOrEqual(start);
  });
});

it('many topics, and offsets beyond 2^32, are nothing special', async () => {
  const kaska = await Kaska.open({ dir: ':memory:' });
  const names = Array.from({ length: 1000 }, (_, i) => `topic ${i}`);
  await Promise.all(names.map((name) => kaska.createTopic(name)));
  expect(kaska.topics.size).toBe(1000);
  await Promise.all(names.map((name) => kaska.topic(name).append(name)));
  for (const name of names.slice(990)) expect(await texts(kaska.topic(name))).toEqual([name]);
  await kaska.positions('me').commit('topic 0', 2 ** 53 - 1);
  expect(kaska.positions('me').committed('topic 0')).toBe(2 ** 53 - 1);
  await kaska.close();
});
