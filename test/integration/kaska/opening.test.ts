import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { Kaska } from 'chaski/kaska';

import { eventOf } from './support/events.ts';
import { rejection, until } from '../net-queue/support/waiting.ts';
import { all, Logs, places, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const wrong = { code: 'ERR_CHASKI_INVALID_ARGUMENT' };

describe('a directory', () => {
  it('has what was stored when it is opened again, and offsets go on', async () => {
    const dir = await logs.folder();
    for (let round = 0; round < 4; round += 1) {
      const kaska = await logs.open({ dir });
      expect(kaska.recovery).toEqual([]);
      const topic = kaska.topics.get('t') ?? (await kaska.createTopic('t', { partitions: 2 }));
      expect(topic.endOffset(0)).toBe(2 * round);
      const { offset } = await topic.append(`${round}`, { partition: 0, key: 'k' });
      expect(offset).toBe(2 * round);
      await topic.append('second', { partition: 0 });
      expect(await texts(topic, 0)).toHaveLength(2 * round + 2);
      await kaska.close();
    }
  });

  it('is made only where that is wanted', async () => {
    const dir = join(await logs.folder(), 'deep', 'er');
    expect(await rejection(Kaska.open({ dir, create: false }))).toHaveProperty('code');
    const kaska = await logs.open({ dir });
    await kaska.createTopic('t');
    await kaska.close();
    expect((await logs.open({ dir, create: false })).topics.size).toBe(1);
  });

  it('is refused, and not changed, if it holds something else', async () => {
    const dir = await logs.folder();
    await writeFile(join(dir, 'letter.txt'), 'Dear Sir');
    expect(await rejection(Kaska.open({ dir }))).toMatchObject(wrong);
    const file = join(dir, 'letter.txt');
    expect(await rejection(Kaska.open({ dir: file }))).toMatchObject(wrong);
    expect(await readFile(file, 'utf8')).toBe('Dear Sir');
  });

  it('is refused, and not changed, if a newer version made it', async () => {
    const dir = await logs.folder();
    await (await logs.open({ dir })).close();
    const format = join(dir, 'kaska.format');
    const bytes = await readFile(format);
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(20) ^ 1, 20);
    await writeFile(format, damaged);
    const error = await rejection(Kaska.open({ dir }));
    expect(['ERR_CHASKI_CORRUPT', 'ERR_CHASKI_UNSUPPORTED']).toContain(error.code);
    expect(await readFile(format)).toEqual(damaged);
    await writeFile(format, bytes);
    await (await logs.open({ dir })).close();
  });

  it('is shared by all that open it in this process, until the last one closes', async () => {
    const dir = await logs.folder();
    const first = await logs.open({ dir });
    const second = await logs.open({ dir: join(dir, '..', dir.split('/').at(-1) ?? '') });
    const topic = await first.createTopic('t');
    await until(() => second.topics.has('t'), 'the topic at the other');
    await Promise.all([topic.append('a'), second.topic('t').append('b')]);
    await first.close();
    expect(await texts(second.topic('t'))).toHaveLength(2);
    expect((await second.topic('t').append('c')).offset).toBe(2);
  });

  it.skipIf(process.platform === 'win32').each(['moved', 'removed'])(
    'is another one where the folder was %s while it was open, in the same process too',
    async (how) => {
      const folder = await logs.folder();
      const dir = join(folder, 'log');
      const first = await logs.open({ dir });
      const topic = await first.createTopic('first');
      await topic.append('kept');
      if (how === 'moved') await rename(dir, join(folder, 'moved'));
      else await rm(dir, { recursive: true });
      const second = await logs.open({ dir });
      expect([...second.topics.keys()]).toEqual([]);
      await (await second.createTopic('second')).append('here');
      const shares = await logs.open({ dir });
      expect(await texts(shares.topic('second'))).toEqual(['here']);
      expect(await texts(topic)).toEqual(['kept']);
      await logs.close();
      const again = await logs.open({ dir });
      expect([...again.topics.keys()]).toEqual(['second']);
      expect(await texts(again.topic('second'))).toEqual(['here']);
      if (how === 'removed') return;
      const moved = await logs.open({ dir: join(folder, 'moved') });
      expect(await texts(moved.topic('first'))).toEqual(['kept']);
    },
  );

  it('shows a half-written tail by what it did with it', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t');
    await topic.append('kept');
    await kaska.close();
    const log = join(dir, 'topics', '00000001', '0', '00000000000000000000.log');
    const bytes = await readFile(log);
    await writeFile(log, Buffer.concat([bytes, bytes.subarray(0, 20)]));
    const again = await logs.open({ dir });
    expect(again.recovery).toMatchObject([{ kind: 'cut', topic: 't', partition: 0 }]);
    expect(again.recovery[0]?.message).toContain('20 bytes');
    expect(await texts(again.topic('t'))).toEqual(['kept']);
    expect((await again.topic('t').append('next')).offset).toBe(1);
    await again.close();
    expect((await logs.open({ dir })).recovery).toEqual([]);
  });

  it('shows damage in the middle by an error, or skips it, and loses nothing else', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t');
    for (const value of ['first', 'second', 'third']) await topic.append(value);
    await kaska.close();
    const log = join(dir, 'topics', '00000001', '0', '00000000000000000000.log');
    const bytes = await readFile(log);
    bytes[bytes.indexOf('second')] = 0;
    await writeFile(log, bytes);
    const again = await logs.open({ dir });
    const damaged = again.topic('t');
    const told = eventOf(again, 'damaged');
    const reading = damaged.read();
    expect((await reading.next()).value.text()).toBe('first');
    expect(await rejection(reading.next())).toMatchObject({
      code: 'ERR_CHASKI_CORRUPT',
      topic: 't',
      first: 1,
      next: 2,
    });
    expect(await told).toMatchObject({ first: 1, next: 2 });
    const rest: string[] = [];
    for await (const record of damaged.read({ until: 'end', onDamage: 'skip' })) {
      rest.push(record.text());
    }
    expect(rest).toEqual(['first', 'third']);
    expect(await again.verify()).toMatchObject({ damaged: [{ topic: 't', first: 1, next: 2 }] });
    expect((await damaged.append('fourth')).offset).toBe(3);
  });

  it('refuses options that cannot be', async () => {
    for (const options of [
      {},
      { dir: '' },
      { dir: 5 },
      { dir: 'a\0b' },
      { dir: ':memory:', folder: 'x' },
      { dir: ':memory:', highWaterMark: 0 },
      { dir: ':memory:', flush: 'never' },
      { dir: ':memory:', flush: { intervalMs: 0 } },
      { dir: ':memory:', segmentBytes: 1 },
      { dir: ':memory:', onFull: 'drop-oldest' },
      { dir: ':memory:', signal: {} },
    ]) {
      expect(await rejection(Kaska.open(options as never))).toMatchObject(wrong);
    }
    expect(
      await rejection(Kaska.open({ dir: ':memory:', signal: AbortSignal.abort() })),
    ).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
  });
});

describe.each(places)('topics in %s', (place) => {
  it('are made once, and deleted with all that is in them', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t', { partitions: 3, compression: 'zstd' });
    expect(topic).toMatchObject({ name: 't', partitions: 3 });
    expect(topic.id).toMatch(/^[\da-f-]{36}$/);
    expect(await rejection(kaska.createTopic('t'))).toMatchObject({ code: 'ERR_CHASKI_EXISTS' });
    await topic.append('a');
    await kaska.positions('me').commit('t', 1, { partition: 0 });
    const waiting = topic.read({ from: 'end' }).next();
    await kaska.deleteTopic('t');
    expect([...kaska.topics.keys()]).toEqual([]);
    expect(() => kaska.topic('t')).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_NOT_FOUND' }),
    );
    expect(await rejection(topic.append('b'))).toMatchObject({
      code: 'ERR_CHASKI_NOT_FOUND',
      delivered: 'no',
    });
    expect(await rejection(kaska.deleteTopic('t'))).toMatchObject({ code: 'ERR_CHASKI_NOT_FOUND' });
    const again = await kaska.createTopic('t');
    expect(again.id).not.toBe(topic.id);
    expect(await all(again)).toEqual([]);
    expect(kaska.positions('me').committed('t')).toBeUndefined();
    await kaska.close();
    await Promise.allSettled([waiting]);
  });

  it('refuse options that cannot be', async () => {
    const kaska = await logs.openIn(place);
    for (const options of [
      { partitions: 0 },
      { partitions: 65_537 },
      { compression: 'brotli' },
      { maxBatchBytes: 100 },
      // Could not be read again.
      { maxBatchBytes: (64 << 20) + 1 },
      { segmentBytes: 2 ** 31 },
      { retentionMs: -1 },
      { replicas: 3 },
      5,
    ]) {
      expect(await rejection(kaska.createTopic('t', options as never))).toMatchObject(wrong);
    }
    expect(kaska.topics.size).toBe(0);
  });
});

describe.each(places)('positions in %s', (place) => {
  it('are kept by client, topic and partition, with their metadata', async () => {
    const kaska = await logs.openIn(place);
    const topic = await kaska.createTopic('t', { partitions: 2 });
    const positions = kaska.positions('me');
    expect(positions.committed('t', 0)).toBeUndefined();
    await positions.commit('t', 5, { partition: 0 });
    await positions.commit('t', 7, { partition: 1, metadata: 'halfway ä' });
    expect(positions.committed('t', 0)).toBe(5);
    expect(positions.committed('t', 1)).toBe(7);
    expect(positions.metadata('t', 1)).toBe('halfway ä');
    expect(positions.metadata('t', 0)).toBe('');
    expect(kaska.positions('you').committed('t', 0)).toBeUndefined();
    // Which of them is meant must be said.
    expect(await rejection(positions.commit('t', 5))).toMatchObject(wrong);
    expect(() => positions.committed('t')).toThrow(expect.objectContaining(wrong));
    expect(() => topic.endOffset()).toThrow(expect.objectContaining(wrong));
    expect(await rejection(positions.commit('t', -1, { partition: 0 }))).toMatchObject(wrong);
    expect(
      await rejection(positions.commit('t', 1, { partition: 0, metadata: 'x'.repeat(4097) })),
    ).toMatchObject(wrong);
    expect(await rejection(positions.commit('none', 1))).toMatchObject({
      code: 'ERR_CHASKI_NOT_FOUND',
    });
    expect(() => kaska.positions('')).toThrow(expect.objectContaining(wrong));
    await topic.appendBatch(['0', '1', '2'], { partition: 0 });
    await positions.commit('t', 2, { partition: 0 });
    const reading = topic.read({ from: { position: 'me' }, partition: 0, until: 'end' });
    expect((await reading.next()).value.text()).toBe('2');
    const start = topic.read({ from: { position: 'new' }, partition: 0 });
    expect((await start.next()).value.text()).toBe('0');
  });
});
