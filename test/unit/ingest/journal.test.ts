import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Journal } from '../../../examples/ingest/journal.mjs';
import type { Batch } from '../../../ts/net-queue/index.ts';
import { testFolder } from './folder.ts';

/** A batch whose payloads lie in memory with `gap` bytes between them. */
function batchOf(payloads: readonly string[], gap = 0): Batch {
  const offsets: number[] = [];
  let memory = Buffer.from('before');
  for (const payload of payloads) {
    offsets.push(memory.length);
    memory = Buffer.concat([memory, Buffer.from(payload), Buffer.alloc(gap, '?')]);
  }
  return {
    length: payloads.length,
    memory,
    offset: (i: number) => offsets[i],
    byteLengthAt: (i: number) => Buffer.byteLength(payloads[i]!),
  } as unknown as Batch;
}

const contents = (folder: string, name: string) => readFileSync(join(folder, name));
const lengths = (folder: string, name: string) => [
  ...new Uint32Array(Uint8Array.from(contents(folder, name)).buffer),
];

describe('the journal', () => {
  it('has on disk what was written, when write() fulfils', async () => {
    const folder = testFolder();
    const journal = await Journal.create(folder, 2);
    await Promise.all([
      journal.write(0, batchOf(['one\n', '', 'two\n'])),
      journal.write(1, batchOf(['x'])),
      journal.write(0, batchOf(['three\n', 'four\n'], 3)),
    ]);
    expect(contents(folder, 'producer-0.records').toString()).toBe('one\ntwo\nthree\nfour\n');
    expect(lengths(folder, 'producer-0.lengths')).toEqual([4, 0, 4, 6, 5]);
    expect(contents(folder, 'producer-1.records').toString()).toBe('x');
    expect(journal).toMatchObject({ records: 6, bytes: 20, commits: 1 });
    await journal.close();
  });

  it('shares commits between the batches that come together', async () => {
    const folder = testFolder();
    const journal = await Journal.create(folder, 1);
    const piece = batchOf(
      Array.from({ length: 100 }, (_, i) => `${i}\n`),
      1,
    );
    const writes = Array.from({ length: 3000 }, () => journal.write(0, piece));
    await Promise.all(writes);
    expect(journal.records).toBe(300_000);
    expect(journal.commits).toBeLessThan(5);
    expect(contents(folder, 'producer-0.records').length).toBe(3000 * 290);
    await journal.close();
  });

  it('writes while more comes, in order', async () => {
    const folder = testFolder();
    const journal = await Journal.create(folder, 1);
    const expected: string[] = [];
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 50; i += 1) {
      const payload = `${i} ${'y'.repeat(200_000)}\n`;
      expected.push(payload);
      writes.push(journal.write(0, batchOf([payload])));
      if (i % 10 === 9) await writes.at(-10);
    }
    await Promise.all(writes);
    await journal.close();
    expect(contents(folder, 'producer-0.records').toString()).toBe(expected.join(''));
    expect(journal.commits).toBeGreaterThan(1);
  });

  it('never writes over files that are there', async () => {
    const folder = testFolder();
    await (await Journal.create(folder, 1)).close();
    await expect(Journal.create(folder, 2)).rejects.toThrow(
      /cannot create producer-0.records in .*: there is one already/,
    );
  });

  it('fails this commit and all behind it when the disk does', async () => {
    const folder = testFolder();
    const journal = await Journal.create(folder, 1);
    await journal.write(0, batchOf(['a']));
    await journal.close();
    await expect(journal.write(0, batchOf(['b']))).rejects.toThrow();
    await expect(journal.write(0, batchOf(['c']))).rejects.toThrow();
    expect(journal.records).toBe(1);
  });
});
