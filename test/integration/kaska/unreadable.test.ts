// What cannot be read: files that are none, batches that become too large, records that are none. Reading says which and what to
// do, `onDamage: 'skip'` passes it, and verify() goes on with all that can be read.
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import type { Kaska, ReadOptions, Topic } from 'chaski/kaska';

import { Logs, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const first = '00000000000000000000.log';

async function read(topic: Topic, options: ReadOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const record of topic.read({ until: 'end', ...options })) found.push(record.text());
  return found;
}

/** A closed log whose topic t has two records in each of two partitions, and topic u one record. */
async function twoTopics(): Promise<string> {
  const dir = await logs.folder();
  const kaska = await logs.open({ dir });
  const topic = await kaska.createTopic('t', { partitions: 2 });
  for (const value of ['a', 'b']) {
    await topic.append(`0${value}`, { partition: 0 });
    await topic.append(`1${value}`, { partition: 1 });
  }
  await (await kaska.createTopic('u')).append('whole');
  await kaska.close();
  return dir;
}

it.runIf(process.platform === 'linux').each([
  [
    'longer than a segment can be',
    async (log: string): Promise<void> => {
      await truncate(log, 2 ** 40);
    },
  ],
  [
    'a pipe',
    async (log: string): Promise<void> => {
      await rm(log);
      expect(spawnSync('mkfifo', [log]).status).toBe(0);
    },
  ],
])('a file that is %s makes its partition alone unavailable', async (_, spoil) => {
  const dir = await twoTopics();
  await spoil(join(dir, 'topics', '00000001', '0', first));
  const kaska = await logs.open({ dir });
  expect(kaska.recovery).toMatchObject([{ kind: 'unavailable', topic: 't', partition: 0 }]);
  const topic = kaska.topic('t');
  await expect(texts(topic)).rejects.toMatchObject({
    code: 'ERR_CHASKI_STORAGE',
    message: expect.stringContaining(`topics/00000001/0/${first}`) as string,
  });
  expect(await read(topic, { onDamage: 'skip' })).toEqual(['1a', '1b']);
  expect(await texts(kaska.topic('u'))).toEqual(['whole']);
  const { damaged, records } = await kaska.verify();
  expect(damaged).toMatchObject([
    {
      topic: 't',
      partition: 0,
      first: 0,
      next: 2,
      message: expect.stringContaining(first) as string,
    },
  ]);
  expect(records).toBe(3);
  await expect(topic.append('x', { partition: 0 })).rejects.toMatchObject({
    code: 'ERR_CHASKI_STORAGE',
    delivered: 'no',
  });
});

it('a folder in the place of a file is missing records', async () => {
  const dir = await twoTopics();
  const log = join(dir, 'topics', '00000001', '0', first);
  await rm(log);
  await mkdir(log);
  const kaska = await logs.open({ dir });
  expect(kaska.recovery).toMatchObject([{ kind: 'missing', topic: 't', first: 0, next: 2 }]);
  expect(await texts(kaska.topic('t'))).toEqual(['1a', '1b']);
});

it('a topic whose folder is gone is missing, and nothing else is', async () => {
  const dir = await twoTopics();
  const folder = join(dir, 'topics', '00000001');
  await rename(folder, `${dir}.kept`);
  const kaska = await logs.open({ dir });
  const [missing, ...others] = kaska.recovery;
  expect(missing).toMatchObject({ kind: 'missing', topic: undefined });
  expect(missing?.message).toContain('topics/00000001');
  expect(others).toEqual([]);
  expect([...kaska.topics.keys()]).toEqual(['u']);
  await kaska.close();
  const without = await logs.open({ dir });
  expect(without.recovery).toEqual([]);
  await without.close();
  await rename(`${dir}.kept`, folder);
  const again = await logs.open({ dir });
  expect(await texts(again.topic('t'))).toEqual(['0a', '0b', '1a', '1b']);
});

it('a partition that begins too late is missing records', async () => {
  const dir = await logs.folder();
  const kaska = await logs.open({ dir, segmentBytes: 1 << 20 });
  const topic = await kaska.createTopic('t', { segmentBytes: 1 << 20, maxBatchBytes: 1 << 20 });
  for (let i = 0; i < 4; i += 1) await topic.append(Buffer.alloc(600_000));
  await kaska.close();
  await rm(join(dir, 'topics', '00000001', '0', first));
  const again = await logs.open({ dir });
  expect(again.recovery).toMatchObject([{ kind: 'missing', topic: 't', first: 0, next: 1 }]);
  expect(await texts(again.topic('t'))).toHaveLength(3);
});

/** What became of a topic of which the record 1 of 0 to 2 cannot be read. */
async function shows(kaska: Kaska, error: object): Promise<void> {
  const topic = kaska.topic('t');
  const told: unknown[] = [];
  kaska.on('damaged', ({ first, next }) => told.push([first, next]));
  for (let round = 0; round < 2; round += 1) {
    const reading = topic.read();
    expect((await reading.next()).value?.offset).toBe(0);
    await expect(reading.next()).rejects.toMatchObject(error);
    expect((await read(topic, { onDamage: 'skip' })).map((text) => text[0])).toEqual(['a', 'c']);
    expect(await read(topic, { from: 2 })).toEqual(['c']);
  }
  await expect.poll(() => told).toEqual([[1, 2]]);
  const { damaged, records } = await kaska.verify();
  expect(damaged).toMatchObject([{ topic: 't', partition: 0, first: 1, next: 2 }]);
  expect(records).toBeGreaterThanOrEqual(2);
}

it.each([100_000, 1_000_000])(
  'a batch of %i bytes that becomes more than maxInflatedBytes says so, and what to set',
  async (bytes) => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t', { compression: 'zstd', maxBatchBytes: 2 << 20 });
    for (const value of ['a', 'b'.repeat(bytes), 'c']) await topic.append(value);
    await kaska.close();
    const little = await logs.open({ dir, maxInflatedBytes: 65_536 });
    await shows(little, {
      code: 'ERR_CHASKI_TOO_LARGE',
      message: expect.stringMatching(/offsets 1 to 2 .* maxInflatedBytes/i) as string,
    });
    await little.close();
    const again = await logs.open({ dir });
    expect((await texts(again.topic('t'))).map(({ length }) => length)).toEqual([1, bytes, 1]);
  },
);

/** CRC32C. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xff_ff_ff_ff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82_f6_3b_78 : 0);
  }
  return ~crc >>> 0;
}

it('records that are none under a right checksum are damaged as their batch is', async () => {
  const dir = await logs.folder();
  const kaska = await logs.open({ dir });
  const topic = await kaska.createTopic('t');
  for (const value of ['a', 'b', 'c']) await topic.append(value);
  await kaska.close();
  const log = join(dir, 'topics', '00000001', '0', first);
  const bytes = await readFile(log);
  const size = bytes.length / 3;
  const second = bytes.subarray(size, 2 * size);
  second[61] = 0x7e;
  second.writeUInt32BE(checksum(second.subarray(21)), 17);
  await writeFile(log, bytes);
  const again = await logs.open({ dir });
  expect(again.recovery).toEqual([]);
  await shows(again, { code: 'ERR_CHASKI_CORRUPT', topic: 't', first: 1, next: 2 });
});
