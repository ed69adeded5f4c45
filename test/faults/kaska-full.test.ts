// Disks without room, and files that may not grow: an append is refused and nothing else happens; it goes on when there is room.
import { spawnSync } from 'node:child_process';
import { readdirSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';

import { afterEach, describe, expect, it } from 'vitest';

import type { ChaskiError } from 'chaski/kaska';

import { Logs, texts } from '../integration/kaska/support/logs.ts';
import { value } from './fixtures/log-values.mjs';
import { Filler } from './support/filling.ts';

const logs = new Logs();
const mounts: string[] = [];
afterEach(async () => {
  await logs.close();
  for (const mount of mounts.splice(0)) run('umount', mount);
  await logs.clear();
});

function run(program: string, ...args: string[]): void {
  const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
  }
}

const disks = {
  'tmpfs of 8 MiB': (mount: string) => {
    run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount);
  },
  'ext4 of 16 MiB': (mount: string) => {
    const image = `${mount}.image`;
    writeFileSync(image, '');
    truncateSync(image, 16 << 20);
    run('mkfs.ext4', '-q', '-F', image);
    run('mount', '-o', 'loop', image, mount);
  },
};

// To mount, one must be root.
const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

describe.runIf(mayMount)('a log on a disk without room', () => {
  it.each(['tmpfs of 8 MiB', 'ext4 of 16 MiB'] as const)(
    '(%s) refuses, is read, and goes on when there is room',
    async (disk) => {
      const folder = await logs.folder();
      const mount = `${folder}/disk`;
      await mkdir(mount);
      disks[disk](mount);
      mounts.push(mount);
      const dir = `${mount}/log`;
      const kaska = await logs.open({ dir, segmentBytes: 1 << 20 });
      const poisoned: unknown[] = [];
      kaska.on('poisoned', (error) => poisoned.push(error));
      kaska.on('warning', () => {});
      const filler = await kaska.createTopic('filler');
      const topic = await kaska.createTopic('t');
      const stored: string[] = [];
      writeFileSync(`${mount}/other`, Buffer.alloc(1 << 20));

      /** Appends to both until it is refused. */
      const fill = async (): Promise<ChaskiError> => {
        for (let number = 0; number < 10_000; number += 1) {
          const text = value('full', stored.length, 20_000);
          try {
            await filler.append(text);
            const { offset } = await topic.append(text);
            expect(offset).toBe(stored.length);
            stored.push(text);
          } catch (error) {
            return error as ChaskiError;
          }
        }
        throw new Error('It is never full.');
      };
      /** It is full: that is all that is wrong. */
      const refuses = async (): Promise<void> => {
        expect(await fill()).toMatchObject({
          code: 'ERR_CHASKI_STORAGE',
          retryable: true,
          delivered: 'no',
          cause: { code: 'ENOSPC' },
        });
        expect(await texts(topic)).toEqual(stored);
      };
      /** There is room again. */
      const goesOnTo = async (count: number): Promise<void> => {
        await expect
          .poll(async () => {
            const text = value('full', stored.length, 20_000);
            const { offset } = await topic.append(text).catch(() => ({ offset: -1 }));
            if (offset >= 0) stored.push(text);
            return stored.length;
          })
          .toBeGreaterThan(count);
      };
      await refuses();
      const before = stored.length;
      await rm(`${mount}/other`);
      await goesOnTo(before + 10);
      await refuses();
      // What is deleted gives its room back, though nothing can be written before.
      const used = (): number => {
        const { bsize, blocks, bfree } = statfsSync(mount);
        return bsize * (blocks - bfree);
      };
      const full = used();
      await kaska.deleteTopic('filler');
      await expect.poll(used).toBeLessThan(full - (2 << 20));
      await goesOnTo(before + 60);
      expect(poisoned).toEqual([]);
      await kaska.close();
      expect(readdirSync(`${dir}/topics`)).toEqual(['00000002']);
      for (let round = 0; round < 2; round += 1) {
        const again = await logs.open({ dir });
        expect(again.recovery.filter(({ kind }) => kind !== 'cut')).toEqual([]);
        expect((await again.verify()).damaged).toEqual([]);
        expect(await texts(again.topic('t'))).toEqual(stored);
        await again.close();
      }
    },
  );
});

describe.runIf(process.platform === 'linux')('a log whose files may not grow', () => {
  it('refuses, and goes on in a process that may', async () => {
    const filler = await Filler.make(await logs.folder());
    // In blocks of 512 bytes: the first segment ends in the middle of a batch.
    const under = ['/bin/sh', '-c', 'ulimit -f 1001; exec "$0" "$@"'];
    // It ends by itself after so many refusals.
    const filled = await filler.grow({ most: 1e6, bytes: 5000, refusals: 50 }, { under });
    expect(filled.refused).toBeGreaterThanOrEqual(50);
    for (const refusal of filled.refusals) {
      expect(refusal).toMatchObject({
        code: 'ERR_CHASKI_STORAGE',
        retryable: true,
        delivered: 'no',
        system: 'EFBIG',
      });
    }
    expect(filled.poisoned).toEqual([]);
    expect(filled.read).toBeGreaterThan(150);
    expect(await filler.wrong()).toEqual([]);
    expect(await filler.grow({ most: 500, bytes: 5000 })).toMatchObject({ refused: 0 });
    expect(await filler.wrong()).toEqual([]);
  });
});
