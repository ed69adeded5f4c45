import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { rejection } from '../net-queue/support/waiting.ts';
import { Logs } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe('a log that is closed by force', () => {
  it('has left its folder when that resolves', async () => {
    for (let round = 0; round < 10; round += 1) {
      const dir = await logs.folder();
      const kaska = await logs.open({ dir });
      const topic = await kaska.createTopic('t', { partitions: 8, segmentBytes: 1 << 20 });
      for (let i = 0; i < 16; i += 1) {
        void topic.append(new Uint8Array(100_000), { partition: i % 8 });
      }
      let late: unknown;
      kaska.on('close', (error) => {
        late = error;
      });
      await kaska.close({ force: true });
      // A disk may be so slow that it is not waited for.
      if (late !== undefined) continue;
      const checkpoints = await Promise.all(
        ['a', 'b'].map((one) => readFile(join(dir, `checkpoint.${one}`)).catch(() => undefined)),
      );
      // Byte 24 says that it was left clean.
      expect(checkpoints.some((bytes) => bytes?.[24] === 1)).toBe(true);
      await rm(dir, { recursive: true });
      expect(await rejection(stat(dir))).toMatchObject({ code: 'ENOENT' });
    }
  });
});
