// F19: folders that other versions of this have made.
import { cpSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import { Kaska } from 'chaski/kaska';

import { rejection } from '../net-queue/support/waiting.ts';
import { reframed } from './support/frames.ts';
import { all, Logs } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const golden = new URL('../../../crates/log/tests/golden/v1/directory/', import.meta.url);

/** A folder as version 1 left it. */
async function versionOne(): Promise<string> {
  const dir = join(await logs.folder(), 'log');
  cpSync(fileURLToPath(golden), dir, { recursive: true });
  return dir;
}

/** The content of all files of a folder, by their names. */
function files(dir: string): Map<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  const contents = names
    .filter((name) => statSync(join(dir, name)).isFile())
    .map((name): [string, string] => [name, readFileSync(join(dir, name)).toString('base64')]);
  return new Map(contents);
}

describe('a folder of version 1', () => {
  it('is read, and nothing of it changes but when it was closed', async () => {
    const dir = await versionOne();
    const before = files(dir);
    const kaska = await logs.open({ dir });
    expect(kaska.recovery).toEqual([]);
    expect([...kaska.topics.keys()]).toEqual(['records', 'día / день / 日']);
    for (const topic of kaska.topics.values()) {
      for (let partition = 0; partition < topic.partitions; partition += 1) {
        const records = await all(topic, partition);
        expect(records.length).toBeGreaterThan(100);
        expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
        expect(topic.endOffset(partition)).toBe(records.length);
      }
    }
    expect((await kaska.verify()).damaged).toEqual([]);
    await kaska.close();
    const after = files(dir);
    // That tell when it was closed, and by whom.
    const isOwn = (name: string): boolean => /^(lock|checkpoint\.[ab]|.*\.seal)$/.test(name);
    for (const [name, content] of before) {
      expect([name, isOwn(name) || after.get(name) === content]).toEqual([name, true]);
    }
    const made = [...after.keys()].filter((name) => !before.has(name));
    expect(made).toEqual(before.has('lock') ? [] : ['lock']);
  });

  it('goes on where it ended', async () => {
    const dir = await versionOne();
    const kaska = await logs.open({ dir });
    const topic = kaska.topic('records');
    const end = topic.endOffset(1);
    expect(await topic.append('of today', { partition: 1 })).toMatchObject({ offset: end });
    await kaska.close();
    const again = await logs.open({ dir });
    expect(again.recovery).toEqual([]);
    expect((await all(again.topic('records'), 1)).at(-1)?.text()).toBe('of today');
  });
});

describe('a folder that a newer version made', () => {
  it('is refused by name, and not a byte of it is changed', async () => {
    const dir = await versionOne();
    const format = join(dir, 'kaska.format');
    const newer = reframed(readFileSync(format), (body) => {
      // Its format, and the oldest that may write it.
      body.writeUInt16BE(2, 0);
      body.writeUInt16BE(2, 2);
    });
    writeFileSync(format, newer);
    const before = files(dir);
    for (let round = 0; round < 2; round += 1) {
      const error = await rejection(Kaska.open({ dir }));
      expect(error.code).toBe('ERR_CHASKI_UNSUPPORTED');
      expect(error.message).toContain('2');
    }
    const after = files(dir);
    // Who looked at it had to lock it.
    after.delete('lock');
    before.delete('lock');
    expect(after).toEqual(before);
  });

  it('and that older ones may use is opened', async () => {
    const dir = await versionOne();
    const format = join(dir, 'kaska.format');
    const newer = reframed(readFileSync(format), (body) => body.writeUInt16BE(2, 0));
    writeFileSync(format, newer);
    const kaska = await logs.open({ dir });
    expect(kaska.recovery).toEqual([]);
    expect(kaska.topics.size).toBe(2);
    await kaska.close();
    expect(readFileSync(format)).toEqual(newer);
  });
});
