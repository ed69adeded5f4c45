// What users may give, of whatever realm, and what they are told of what they may not.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import vm from 'node:vm';

import { afterEach, describe, expect, it } from 'vitest';

import { Kaska } from 'chaski/kaska';
import type { Bytes, NewRecord } from 'chaski/kaska';

import { rejection } from '../net-queue/support/waiting.ts';
import { all, Logs, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const wrong = { code: 'ERR_CHASKI_INVALID_ARGUMENT' };

/** What `call` throws, or rejects with. */
async function refusal(call: () => unknown): Promise<Error> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('It was taken.');
}

/** Takes the memory of `bytes` away. */
function transfer(bytes: Uint8Array): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
}

describe('values of another realm', () => {
  it('are taken as those of this one', async () => {
    const kaska = await logs.open();
    const topic = await kaska.createTopic('t');
    const values = vm.runInNewContext(`({
      bytes: new Uint8Array([97, 98]),
      lengths: new Uint32Array([1, 1]),
      words: new Uint16Array([0x6463]),
      view: new DataView(new ArrayBuffer(0)),
      date: new Date(5),
      options: { key: 'k' },
      headers: new Map([['h', new Uint8Array([1])]]),
      list: ['x', null],
    })`) as {
      bytes: Uint8Array;
      lengths: Uint32Array;
      words: Uint16Array;
      view: DataView;
      date: Date;
      options: object;
      headers: Map<string, Uint8Array>;
      list: (string | null)[];
    };
    const { bytes, lengths, words, view, date, options, headers, list } = values;
    await topic.append(bytes, { timestamp: date, headers, key: words });
    await topic.append(bytes, options);
    await topic.appendBatch({ data: bytes, lengths });
    await topic.appendBatch(list);
    await topic.append(view);
    expect(await texts(topic)).toEqual(['ab', 'ab', 'a', 'b', 'x', '', '']);
    expect((await all(topic))[0]).toMatchObject({
      timestamp: 5,
      headers: [['h', Uint8Array.of(1)]],
    });
    expect((await topic.read({ from: date }).next()).value.offset).toBe(0);
    expect(await topic.offsetAt(date)).toBe(0);
  });
});

describe('memory that is taken away by the call itself', () => {
  const record = (): Uint8Array => new Uint8Array(16).fill(66);

  it.each<[string, (value: Uint8Array) => NewRecord | Bytes]>([
    [
      'a getter of a record',
      (value) => ({
        value,
        get key() {
          transfer(value);
          return 'k';
        },
      }),
    ],
    [
      'an iterator of headers',
      (value) => ({
        value: 'v',
        headers: (function* headers() {
          yield ['h', value] as const;
          transfer(value);
        })(),
      }),
    ],
  ])('%s: nothing is stored', async (_, make) => {
    const topic = await (await logs.open()).createTopic('t');
    const error = await rejection(topic.appendBatch(['before', make(record())]));
    expect(error).toMatchObject(wrong);
    expect(error.message).toContain('The memory of these bytes is detached');
    await topic.append('after');
    expect(await texts(topic)).toEqual(['after']);
  });

  it('a getter of the options of append(): it throws, and what was appended before is kept', async () => {
    const topic = await (await logs.open()).createTopic('t');
    const before = topic.append('before');
    const value = record();
    const options = {
      get headers() {
        transfer(value);
        return {};
      },
    };
    expect(() => topic.append(value, options)).toThrow(expect.objectContaining(wrong));
    await topic.append('after');
    await before;
    expect(await texts(topic)).toEqual(['before', 'after']);
  });
});

it('what only looks like bytes is refused', async () => {
  const topic = await (await logs.open()).createTopic('t');
  const fakes = [
    new Proxy(new Uint8Array(4), {}),
    Object.create(Uint8Array.prototype) as Uint8Array,
    Object.create(Uint32Array.prototype) as Uint8Array,
  ];
  for (const fake of fakes) {
    expect(await refusal(() => topic.append(fake))).toMatchObject(wrong);
    expect(await refusal(() => topic.append('v', { key: fake }))).toMatchObject(wrong);
    expect(await refusal(() => topic.appendBatch([fake]))).toMatchObject(wrong);
    expect(await refusal(() => topic.appendBatch({ data: fake, lengths: 1 }))).toMatchObject(wrong);
    const lengths = fake as unknown as Uint32Array;
    expect(
      await refusal(() => topic.appendBatch({ data: new Uint8Array(4), lengths })),
    ).toMatchObject(wrong);
  }
  expect((await refusal(() => topic.append(fakes[0]!))).message).toContain('value is a Proxy');
  expect(topic.endOffset()).toBe(0);
});

it('packed values of no bytes are no records, and no error', async () => {
  const topic = await (await logs.open()).createTopic('t');
  const none = { partition: 0, offset: -1, count: 0, parts: [] };
  const data = new Uint8Array(0);
  expect(await topic.appendBatch({ data, lengths: 3 })).toEqual(none);
  expect(await topic.appendBatch({ data, lengths: new Uint32Array(0) })).toEqual(none);
  const writer = await topic.writer('w');
  expect(await writer.appendBatch({ data, lengths: 3 }, { sequence: 0 })).toEqual(none);
});

describe('messages', () => {
  it('name what was given as it is', async () => {
    const kaska = await logs.open();
    const topic = await kaska.createTopic('t');
    const never = new Date(NaN);
    const told = async (call: () => unknown): Promise<string> => {
      const error = await refusal(call);
      expect(error).toMatchObject(wrong);
      return error.message;
    };
    expect(await told(() => topic.append('x', { timestamp: never }))).toContain('an invalid Date');
    expect(await told(() => topic.read({ from: never }))).toContain('an invalid Date');
    expect(await told(() => topic.offsetAt(never))).toContain('an invalid Date');
    const positions = kaska.positions('me');
    expect(await told(() => positions.commit('t', 5n as never))).toContain('offset is 5n');
    expect(await told(() => topic.read({ from: 5n as never }))).toContain('from is 5n');
    expect(await told(() => logs.open({ highWaterMark: 0 }))).toContain('a whole number of bytes');
    expect(await told(() => logs.open({ closeTimeoutMs: 0.5 }))).toContain('a whole number of ms');
    expect(await told(() => kaska.createTopic('u', { retentionMs: -1 }))).toContain('of ms');
    const maxBatchBytes = 2 ** 30;
    expect(await told(() => kaska.createTopic('u', { maxBatchBytes }))).toMatch(
      /^maxBatchBytes is/,
    );
    expect(await told(() => logs.open({ dir: 'a\0b' }))).toContain('no NUL');
    const construct = Kaska as unknown as new (options: object) => Kaska;
    expect(await told(() => new construct({ dir: ':memory:' }))).toContain('Kaska.open');
  });

  it('call a topic that was deleted by its name', async () => {
    const kaska = await logs.open();
    const topic = await kaska.createTopic('gone', { partitions: 2 });
    const writer = await topic.writer('before');
    const reading = topic.read();
    const asleep = reading.next();
    await topic.append('x', { partition: 0 });
    await asleep;
    await kaska.deleteTopic('gone');
    const calls: (() => unknown)[] = [
      () => topic.append('x'),
      () => topic.append('x', { partition: 1, acks: 1 }),
      () => topic.appendBatch(['x']),
      () => topic.writer('w'),
      () => topic.flush(),
      () => topic.endOffset(0),
      () => topic.offsetAt(0, 0),
      () => topic.read().next(),
      () => topic.read({ from: new Date(0) }).next(),
      () => reading.next(),
      () => writer.appendBatch(['x'], { sequence: 0, partition: 0 }),
      () => topic.appendBatch(['x'], { partition: 1 }),
    ];
    for (const call of calls) {
      const error = await refusal(call);
      expect(error).toMatchObject({ code: 'ERR_CHASKI_NOT_FOUND' });
      expect(error.message).toContain("The topic 'gone' was deleted");
    }
    for (const call of [...calls.slice(0, 3), ...calls.slice(-2)]) {
      expect(await refusal(call)).toMatchObject({ delivered: 'no' });
    }
  });

  it('say that dir is a file', async () => {
    const file = join(await logs.folder(), 'file');
    await writeFile(file, 'x');
    for (const dir of [file, join(file, 'below')]) {
      const error = await rejection(logs.open({ dir }));
      expect(error).toMatchObject(wrong);
      expect(error.message).toMatch(/dir is '.*file.*', which .* a file/);
    }
  });
});

describe('the topics of a log', () => {
  it('are a view that changes by itself, and that nobody can change', async () => {
    const kaska = await logs.open();
    const { topics } = kaska;
    const topic = await kaska.createTopic('t');
    expect(topics).toBe(kaska.topics);
    expect([topics.size, topics.has('t'), topics.get('t')]).toEqual([1, true, topic]);
    expect([...topics]).toEqual([['t', topic]]);
    expect([...topics.keys(), ...topics.values(), ...topics.entries()]).toEqual([
      't',
      topic,
      ['t', topic],
    ]);
    const seen: unknown[] = [];
    topics.forEach((...each) => seen.push(each));
    expect(seen).toEqual([[topic, 't', topics]]);
    for (const name of ['set', 'delete', 'clear']) expect(name in topics).toBe(false);
    expect(() => Map.prototype.clear.call(topics)).toThrow(TypeError);
    expect(kaska.topic('t')).toBe(topic);
    await kaska.deleteTopic('t');
    expect(topics.size).toBe(0);
  });
});
