// Sentences of docs/kaska.md that no other test shows.
import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { rejection } from '../net-queue/support/waiting.ts';
import { all, Logs, next, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const wrong = { code: 'ERR_CHASKI_INVALID_ARGUMENT' };

it('a record has text(), json() and copy(), of null too', async () => {
  const topic = await (await logs.open()).createTopic('t');
  await topic.appendBatch(['{"a":[1]}', null, 'no json']);
  const [object, none, text] = await all(topic);
  expect(object?.json()).toEqual({ a: [1] });
  expect([none?.text(), none?.json(), none?.copy()]).toEqual(['', null, new Uint8Array(0)]);
  expect(() => text?.json()).toThrow(SyntaxError);
  expect(text?.copy().buffer.byteLength).toBe(7);
});

it('headers are pairs in order, whose names may repeat, however they were given', async () => {
  const topic = await (await logs.open()).createTopic('t');
  const pairs: [string, string | null][] = [
    ['b', '1'],
    ['a', null],
    ['b', '2'],
  ];
  void topic.append('v', { headers: pairs });
  void topic.append('v', { headers: new Map(pairs) });
  await topic.append('v', { headers: { b: '1', a: null } });
  const read = (await all(topic)).map(({ headers }) =>
    headers.map(([name, value]) => [name, value && Buffer.from(value).toString()]),
  );
  expect(read[0]).toEqual(pairs);
  expect(read[1]).toEqual([
    ['b', '2'],
    ['a', null],
  ]);
  expect(read[2]).toEqual(pairs.slice(0, 2));
});

it('a reading from the end begins where the end was when it was made', async () => {
  const topic = await (await logs.open()).createTopic('t');
  await topic.append('before');
  const reading = topic.read({ from: 'end' });
  await topic.append('after');
  expect((await next(reading, 1))[0]?.text()).toBe('after');
});

it('more than 2^20 values are several batches', async () => {
  const topic = await (await logs.open({ dir: ':memory:' })).createTopic('t');
  const { count, parts } = await topic.appendBatch({
    data: new Uint8Array(2 ** 20 + 1),
    lengths: 1,
  });
  expect([count, parts.map((part) => part.count)]).toEqual([2 ** 20 + 1, [2 ** 20, 1]]);
});

it('a writer with a name: its first number is free, each call needs one, what is stored has none', async () => {
  const topic = await (await logs.open()).createTopic('t');
  const writer = await topic.writer('w');
  for (const options of [undefined, {}]) {
    expect(await rejection(writer.appendBatch(['x'], options as never))).toMatchObject(wrong);
  }
  expect(await writer.appendBatch(['a', 'b'], { sequence: 500 })).toMatchObject({ offset: 0 });
  expect(writer.lastSequence()).toBe(501);
  const again = await writer.appendBatch(['a', 'b'], { sequence: 500 });
  expect(again).toMatchObject({ offset: -1, count: 0 });
  expect(await texts(topic)).toEqual(['a', 'b']);
});

it('a position may be beyond the end: reading from it says so', async () => {
  const kaska = await logs.open();
  const topic = await kaska.createTopic('t');
  await topic.append('a');
  await kaska.positions('me').commit('t', 5, { metadata: 'from a backup' });
  expect(kaska.positions('me').metadata('t')).toBe('from a backup');
  const from = { position: 'me' };
  expect(await rejection(topic.read({ from, until: 'end' }).next())).toMatchObject({
    code: 'ERR_CHASKI_OUT_OF_RANGE',
    offset: 5,
    end: 1,
  });
  const lenient = topic.read({ from, until: 'end', onOutOfRange: 'start' });
  expect((await next(lenient, 1))[0]?.offset).toBe(0);
});

it('what is changed on the disk under an open log is read as it is; verify() and the next opening find it', async () => {
  const dir = await logs.folder();
  const kaska = await logs.open({ dir });
  const topic = await kaska.createTopic('t');
  for (const value of ['aaaa', 'bbbb', 'cccc']) await topic.append(value);
  const log = await open(join(dir, 'topics', '00000001', '0', '00000000000000000000.log'), 'r+');
  const bytes = await log.readFile();
  await log.write('X', bytes.indexOf('bbbb'));
  await log.close();
  expect(await texts(topic)).toEqual(['aaaa', 'Xbbb', 'cccc']);
  const damaged = [{ topic: 't', partition: 0, first: 1, next: 2 }];
  expect((await kaska.verify()).damaged).toMatchObject(damaged);
  await kaska.close();
  const again = await logs.open({ dir });
  expect(await rejection(texts(again.topic('t')))).toMatchObject({ code: 'ERR_CHASKI_CORRUPT' });
});

it('a lone surrogate in text becomes U+FFFD, and is refused in names', async () => {
  const kaska = await logs.open();
  const topic = await kaska.createTopic('t');
  await topic.append('a\ud800b');
  expect(await texts(topic)).toEqual(['a\ufffdb']);
  expect(await rejection(kaska.createTopic('a\ud800'))).toMatchObject(wrong);
});
