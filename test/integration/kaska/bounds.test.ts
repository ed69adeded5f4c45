// What highWaterMark and onFull promise, within one turn of the loop too.
import { afterEach, describe, expect, it } from 'vitest';

import { rejection } from '../net-queue/support/waiting.ts';
import { eventOf } from './support/events.ts';
import { Logs, places, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const value = 'x'.repeat(1000);
const full = { code: 'ERR_CHASKI_QUEUE_FULL', delivered: 'no', retryable: true };

describe("with onFull 'error'", () => {
  it.each([1000, 100_000, 1 << 20])(
    'a turn appends %d bytes, and what is beyond is refused',
    async (mark) => {
      const kaska = await logs.open({ highWaterMark: mark, onFull: 'error' });
      const topic = await kaska.createTopic('t');
      const drained = eventOf(kaska, 'drain');
      const results = Array.from({ length: 5000 }, () => topic.append(value));
      expect(kaska.needDrain).toBe(true);
      const outcomes = await Promise.allSettled(results);
      const taken = outcomes.findIndex(({ status }) => status === 'rejected');
      // As many as there is room for, and one if it is for less.
      expect(taken).toBeLessThanOrEqual(Math.max(1, mark / 1000));
      expect(taken).toBeGreaterThanOrEqual(Math.max(1, Math.floor(mark / 1100)));
      expect(outcomes.slice(taken).every(({ status }) => status === 'rejected')).toBe(true);
      const refused = await rejection(results[taken]!);
      expect(refused).toMatchObject(full);
      const [, waiting = 0, most = 0] = /(\d+) bytes .* the (\d+) /.exec(refused.message) ?? [];
      expect(Number(waiting)).toBeGreaterThanOrEqual(1000 * taken);
      expect(Number(most)).toBe(mark);
      expect(refused.message).toContain("'drain'");
      await drained;
      expect(kaska.needDrain).toBe(false);
      await topic.append('next');
      expect(topic.endOffset()).toBe(taken + 1);
    },
  );

  it('a batch is taken as a whole or refused as a whole', async () => {
    const kaska = await logs.open({ highWaterMark: 10_000, onFull: 'error' });
    const topic = await kaska.createTopic('t', { maxBatchBytes: 4096 });
    const values = Array.from({ length: 50 }, () => value);
    const packed = { data: Buffer.from(value.repeat(50)), lengths: 1000 };
    const [first, ...others] = [
      topic.appendBatch(values),
      topic.appendBatch(values),
      topic.appendBatch(packed),
      topic.append(value),
    ].map((result) =>
      result.then(
        () => 'taken',
        (error: unknown) => error,
      ),
    );
    expect(await first).toBe('taken');
    for (const other of others) expect(await other).toMatchObject(full);
    expect(topic.endOffset()).toBe(50);
    await topic.appendBatch(packed);
    expect(topic.endOffset()).toBe(100);
  });

  it.each([
    [':memory:', 'all'],
    ['a folder', 1],
    ['a folder', 0],
  ] as const)('what is written at once does not count: %s, acks %s', async (place, acks) => {
    const dir = place === ':memory:' ? place : await logs.folder();
    const kaska = await logs.open({ dir, highWaterMark: 4 << 20, onFull: 'error' });
    const topic = await kaska.createTopic('t', { flush: 'os' });
    // More than the mark; a disk that is slow now may refuse some, and says so.
    const results = Array.from({ length: 6000 }, () => topic.append(value, { acks }));
    const outcomes = await Promise.allSettled(results);
    await topic.flush();
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(topic.endOffset()).toBe(stored);
    expect(stored).toBeGreaterThanOrEqual(place === ':memory:' ? 6000 : 1);
  });

  it('a Writable waits in place of being refused', async () => {
    const kaska = await logs.open({ highWaterMark: 3000, onFull: 'error' });
    const topic = await kaska.createTopic('t');
    const writable = topic.toWritable({ headers: new Map([['h', 'v']]).entries() });
    for (let i = 0; i < 50; i += 1) writable.write(`${i} ${value}`);
    await new Promise<void>((resolve, reject) => {
      writable.once('error', reject);
      writable.end(resolve);
    });
    expect((await texts(topic)).map((text) => parseInt(text, 10))).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
  });
});

describe("with onFull 'wait'", () => {
  it('appends of a turn beyond the mark wait, those beyond four times the mark are refused', async () => {
    const kaska = await logs.open({ highWaterMark: 100_000 });
    const topic = await kaska.createTopic('t');
    const results = Array.from({ length: 1000 }, () => topic.append(value));
    const outcomes = await Promise.allSettled(results);
    const taken = outcomes.findIndex(({ status }) => status === 'rejected');
    expect(taken).toBeLessThanOrEqual(400);
    expect(taken).toBeGreaterThanOrEqual(380);
    expect(await rejection(results[taken]!)).toMatchObject(full);
    expect(topic.endOffset()).toBe(outcomes.filter(({ status }) => status === 'fulfilled').length);
  });

  it('who looks at needDrain in a loop is told within the turn', async () => {
    const kaska = await logs.open({ highWaterMark: 100_000 });
    const topic = await kaska.createTopic('t');
    for (let rounds = 0; rounds < 5; rounds += 1) {
      const drained = eventOf(kaska, 'drain');
      let last;
      let count = 0;
      while (!kaska.needDrain) {
        last = topic.append(value);
        count += 1;
      }
      expect(count).toBeLessThanOrEqual(101);
      await drained;
      await last;
    }
  });
});

it.each(['wait', 'error'] as const)(
  'appends to a topic that was deleted take no room for long: %s',
  async (onFull) => {
    const kaska = await logs.open({ highWaterMark: 1000, onFull });
    const topic = await kaska.createTopic('t', { partitions: 2 });
    await kaska.deleteTopic('t');
    const drained = eventOf(kaska, 'drain');
    const results = Array.from({ length: 3 }, () => topic.append(value));
    for (const result of results) {
      expect((await rejection(result)).code).toMatch(/NOT_FOUND|QUEUE_FULL/);
    }
    await drained;
    const writable = topic.toWritable();
    writable.write(value);
    writable.write(value);
    const failed = new Promise((resolve) => {
      writable.once('error', resolve);
    });
    expect(await failed).toMatchObject({ code: 'ERR_CHASKI_NOT_FOUND' });
  },
);

it('a log that is closed by force drains, too', async () => {
  const kaska = await logs.open({ highWaterMark: 100_000 });
  const topic = await kaska.createTopic('t');
  const results = Array.from({ length: 300 }, () => topic.append(value));
  expect(kaska.needDrain).toBe(true);
  const drained = eventOf(kaska, 'drain');
  await kaska.close({ force: true });
  await drained;
  expect(kaska.needDrain).toBe(false);
  await Promise.allSettled(results);
});

it('a Writable waits for appends beside it', async () => {
  const kaska = await logs.open({ highWaterMark: 1000, onFull: 'error' });
  const topic = await kaska.createTopic('t');
  const writable = topic.toWritable();
  for (let i = 0; i < 10; i += 1) {
    writable.write(`written ${value}`);
    void topic.append(`beside ${value}`);
    await new Promise(setImmediate);
  }
  await new Promise<void>((resolve, reject) => {
    writable.once('error', reject);
    writable.end(resolve);
  });
  expect((await texts(topic)).filter((text) => text.startsWith('written'))).toHaveLength(10);
});

it('what waits for room is stored as it was, whatever is appended meanwhile', async () => {
  const kaska = await logs.open({ highWaterMark: 1 << 20 });
  const topic = await kaska.createTopic('t');
  for (let round = 0; round < 5; round += 1) {
    const data = new Uint8Array(700_000);
    for (let i = 0; i < 5; i += 1) void topic.appendBatch({ data, lengths: data.length });
    const expected: string[] = [];
    for (let i = 0; i < 20; i += 1) {
      expected.push(`${round} ${i}`, `${round} ${i} in a batch`);
      void topic.append(`${round} ${i}`);
      // What was gathered is handed over before it.
      void topic.appendBatch([`${round} ${i} in a batch`]);
    }
    await kaska.drain();
    expect((await texts(topic)).slice(-expected.length)).toEqual(expected);
  }
});

describe.each(places)('a log that is closed while some wait for room: %s', (place) => {
  it('lets go of them all', async () => {
    const dir = place === ':memory:' ? place : await logs.folder();
    const kaska = await logs.open({ dir, highWaterMark: 1000 });
    const topic = await kaska.createTopic('t');
    const writable = topic.toWritable();
    const failed = new Promise((resolve) => {
      writable.once('error', resolve);
    });
    for (let i = 0; i < 100; i += 1) writable.write(value);
    await kaska.close({ force: true });
    expect(await failed).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    expect(kaska.needDrain).toBe(false);
  });
});
