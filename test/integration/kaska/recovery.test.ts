import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { Logs } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe('damage of what was committed', () => {
  it('is told by kaska.recovery, with the positions that may be older than they were', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    await kaska.createTopic('news');
    await kaska.positions('first').commit('news', 5);
    await kaska.positions('mailer').commit('news', 7);
    await kaska.close();
    const file = join(dir, 'positions', '0', '00000000000000000000.log');
    const bytes = await readFile(file);
    const last = bytes.length - 1;
    bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
    await writeFile(file, bytes);

    const again = await logs.open({ dir });
    expect(again.recovery).toMatchObject([
      { kind: 'damaged', topic: undefined, first: 1, next: 2 },
    ]);
    expect(again.recovery[0]?.message).toContain('first in partition 0 of news');
    expect(again.positions('mailer').committed('news')).toBeUndefined();
    expect(again.positions('first').committed('news')).toBe(5);
    // It is told as long as it is there, and keeps nobody from committing anew.
    await again.positions('mailer').commit('news', 6);
    await again.close();
    const third = await logs.open({ dir });
    expect(third.recovery).toHaveLength(1);
    expect(third.positions('mailer').committed('news')).toBe(6);
  });
});
