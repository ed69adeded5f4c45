// What a log tells while it is open: that something of it was mended, could not be done, or that it takes nothing more.
import { once } from 'node:events';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { rejection, soon } from '../net-queue/support/waiting.ts';
import { eventOf } from './support/events.ts';
import { crc32c, reframed } from './support/frames.ts';
import { Logs, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const partitionOf = (dir: string): string => join(dir, 'topics', '00000001', '0');

describe('poisoned', () => {
  it.each(['a listener', 'a warning of the process'])(
    'tells, by %s, that nothing is accepted any more: here, since the folder was replaced',
    async (by) => {
      const folder = await logs.folder();
      const dir = join(folder, 'log');
      const kaska = await logs.open({ dir });
      await (await kaska.createTopic('old')).append('kept');
      const topic = await kaska.createTopic('new');
      const told: Promise<unknown> =
        by === 'a listener'
          ? eventOf(kaska, 'poisoned')
          : soon(once(process, 'warning'), 'a warning').then(([warning]: unknown[]) => warning);
      await rename(dir, join(folder, 'moved'));
      await mkdir(dir);
      // The first record of a topic makes a file, whose name cannot be synced.
      const first = await rejection(topic.append('first'));
      expect(first).toMatchObject({ code: 'ERR_CHASKI_STORAGE', retryable: false });
      expect(await told).toMatchObject({ code: 'ERR_CHASKI_STORAGE' });
      const calls = [
        () => kaska.topic('old').append('late'),
        () => kaska.topic('old').appendBatch(['late']),
        () => topic.flush(),
        () => kaska.createTopic('late'),
        () => kaska.positions('me').commit('old', 1),
      ];
      for (const call of calls) {
        expect(await rejection(call())).toMatchObject({ code: 'ERR_CHASKI_STORAGE' });
      }
      expect(await texts(kaska.topic('old'))).toEqual(['kept']);
      await soon(kaska.close(), 'the close');
      expect(await readdir(dir)).toEqual([]);
      // Opened again, where it is, it goes on.
      const again = await logs.open({ dir: join(folder, 'moved') });
      expect(await texts(again.topic('old'))).toEqual(['kept']);
      const stored = await texts(again.topic('new'));
      expect([[], ...(first.delivered === 'unknown' ? [['first']] : [])]).toContainEqual(stored);
      expect((await again.topic('new').append('next')).offset).toBe(stored.length);
    },
  );
});

describe('warning', () => {
  it('tells what could not be done and loses nothing: here, of checkpoints', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t');
    for (const name of ['checkpoint.a', 'checkpoint.b']) {
      await rm(join(dir, name), { force: true });
      await mkdir(join(dir, name));
    }
    const told = eventOf(kaska, 'warning');
    await topic.append('kept');
    expect(await told).toMatchObject({ code: 'ERR_CHASKI_STORAGE' });
    expect((await told).message).toContain('checkpoint');
    expect((await topic.append('as well')).offset).toBe(1);
    const closed = eventOf(kaska, 'close');
    await kaska.close();
    expect(await closed).toMatchObject({ code: 'ERR_CHASKI_STORAGE' });
    for (const name of ['checkpoint.a', 'checkpoint.b'])
      await rm(join(dir, name), { recursive: true });
    expect(await texts((await logs.open({ dir })).topic('t'))).toEqual(['kept', 'as well']);
  });
});

describe('recovered', () => {
  it('tells of an index that was wrong, and was made anew', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir, segmentBytes: 1 << 20 });
    const topic = await kaska.createTopic('t');
    for (let i = 0; i < 100; i += 1) await topic.append(`${i} ${'x'.repeat(20_000)}`);
    await kaska.close();
    await misleadIndex(partitionOf(dir));
    const again = await logs.open({ dir });
    expect(again.recovery).toEqual([]);
    const told = eventOf(again, 'recovered');
    const read = await again.topic('t').read({ from: 30 }).next();
    expect(read.value.text()).toMatch(/^30 x/);
    expect(await told).toMatchObject({ topic: 't', partition: 0 });
    expect((await again.verify()).damaged).toEqual([]);
    expect(await texts(again.topic('t'))).toHaveLength(100);
  });
});

/** Sets all places of the index of the first segment one too far, in a way that no checksum tells. */
async function misleadIndex(partition: string): Promise<void> {
  const names = (await readdir(partition)).toSorted();
  const [index = '', seal = ''] = ['.index', '.seal'].map((kind) =>
    join(partition, names.find((name) => name.endsWith(kind)) ?? ''),
  );
  const places = await readFile(index);
  for (let at = 4; at < places.length; at += 8) {
    places.writeUInt32BE(places.readUInt32BE(at) + 1, at);
  }
  await writeFile(index, places);
  const crcOfIndex = 8;
  const sealed = reframed(await readFile(seal), (body) => {
    body.writeUInt32BE(crc32c(places), crcOfIndex);
  });
  await writeFile(seal, sealed);
}
