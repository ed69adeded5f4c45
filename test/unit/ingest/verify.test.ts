// What verify() is for: each way in which the files on disk can differ from the source is found and named.
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileNames } from '../../../examples/ingest/journal.mjs';
import { filesSource } from '../../../examples/ingest/records.mjs';
import { verify } from '../../../examples/ingest/verify.mjs';
import { put, testFolder } from './folder.ts';

const lines = Array.from({ length: 10 }, (_, i) => `record ${'x'.repeat(i)}${i}\n`);

interface Tape {
  records: string;
  lengths: string;
}

/** Writes what two producers would have put of `source`, and the source. */
async function ingested(folder: string, source: readonly string[], producers = 2) {
  const tapes: Tape[] = [];
  for (let share = 0; share < producers; share += 1) {
    const names = fileNames(share);
    const tape = { records: join(folder, names.records), lengths: join(folder, names.lengths) };
    const own = source.filter((_, i) => i % producers === share);
    writeFileSync(tape.records, own.join(''), 'latin1');
    writeFileSync(
      tape.lengths,
      Uint32Array.from(own, (record) => record.length),
    );
    tapes.push(tape);
  }
  const path = put(folder, 'source', Buffer.from(source.join(''), 'latin1'));
  const expected = tapes.map((_, share) => ({
    records: source.filter((__, i) => i % producers === share).length,
    complete: true,
  }));
  return { source: await filesSource([path], Number.MAX_SAFE_INTEGER), folder, expected, tapes };
}

function change(path: string, edit: (content: Buffer) => Uint8Array | void): void {
  const content = readFileSync(path);
  writeFileSync(path, edit(content) ?? content);
}

async function differencesAfter(edit: (first: Tape, second: Tape) => void): Promise<string[]> {
  const work = await ingested(testFolder(), lines);
  edit(work.tapes[0]!, work.tapes[1]!);
  const { differences } = await verify(work);
  return differences;
}

describe('verify', () => {
  it('finds nothing where all is well, and digests what is on disk', async () => {
    const work = await ingested(testFolder(), lines);
    const verdict = await verify(work);
    expect(verdict).toMatchObject({ records: 10, bytes: lines.join('').length, differences: [] });
    const content = readFileSync(work.tapes[0]!.records);
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(verdict.files[0]).toEqual({ file: 'producer-0.records', sha256 });
  });

  it('compares sources of many pieces, with records of any length', async () => {
    const long = Array.from({ length: 200_000 }, (_, i) => `${i}\n`);
    long[777] = `${'z'.repeat(3_000_000)}\n`;
    const work = await ingested(testFolder(), long, 3);
    const reported: number[] = [];
    const onProgress = (bytes: number) => reported.push(bytes);
    const verdict = await verify({ ...work, onProgress });
    expect(verdict).toMatchObject({ records: 200_000, differences: [] });
    expect(reported.length).toBeGreaterThan(2);

    change(work.tapes[2]!.records, (content) => void (content[content.length - 2]! ^= 1));
    const { differences } = await verify(work);
    expect(differences).toEqual([
      'producer-2.records: record 66666 differs from the source at its byte 6',
    ]);
  });

  it('finds a changed byte', async () => {
    const found = await differencesAfter(({ records }) => {
      change(records, (content) => void (content[lines[0]!.length + 3]! ^= 0x20));
    });
    expect(found).toEqual(['producer-0.records: record 2 differs from the source at its byte 4']);
  });

  it('finds two records in the wrong order', async () => {
    const found = await differencesAfter(({ records, lengths }) => {
      const own = [lines[2]!, lines[0]!, ...lines.filter((_, i) => i >= 4 && i % 2 === 0)];
      writeFileSync(records, own.join(''));
      writeFileSync(
        lengths,
        Uint32Array.from(own, (record) => record.length),
      );
    });
    expect(found).toEqual(['producer-0.records: record 1 has 11 bytes on disk, 9 in the source']);
  });

  it('finds a border that moved between two records, though every byte is there', async () => {
    const found = await differencesAfter((_, { lengths }) => {
      change(lengths, (content) => {
        const numbers = new Uint32Array(Uint8Array.from(content).buffer);
        numbers[1]! += 1;
        numbers[2]! -= 1;
        return new Uint8Array(numbers.buffer);
      });
    });
    expect(found).toEqual(['producer-1.records: record 2 has 13 bytes on disk, 12 in the source']);
  });

  it('finds a record that came twice', async () => {
    const found = await differencesAfter(({ records, lengths }) => {
      change(records, (content) => Buffer.concat([content, Buffer.from(lines[8]!)]));
      change(lengths, (content) => Buffer.concat([content, content.subarray(-4)]));
    });
    expect(found).toEqual([
      'producer-0.records: more is on disk than the source has, behind record 5',
    ]);
  });

  it('finds a record that is missing', async () => {
    const found = await differencesAfter((_, { records, lengths }) => {
      change(records, (content) => content.subarray(0, -lines[9]!.length));
      change(lengths, (content) => content.subarray(0, -4));
    });
    expect(found).toEqual(['producer-1.records: record 5 is missing, and all behind it']);
  });

  it('finds a record that is cut off', async () => {
    const found = await differencesAfter(({ records }) => {
      truncateSync(records, readFileSync(records).length - 3);
    });
    expect(found).toEqual(['producer-0.records: record 5 is cut off on disk after 14 of 17 bytes']);
  });

  it('finds empty files, and differences in each file', async () => {
    const found = await differencesAfter((...tapes) => {
      for (const { records, lengths } of tapes) {
        truncateSync(records);
        truncateSync(lengths);
      }
    });
    expect(found).toEqual([
      'producer-0.records: record 1 is missing, and all behind it',
      'producer-1.records: record 1 is missing, and all behind it',
    ]);
  });

  it('finds records of another producer', async () => {
    const found = await differencesAfter((first, second) => {
      writeFileSync(first.records, readFileSync(second.records));
      writeFileSync(first.lengths, readFileSync(second.lengths));
    });
    expect(found).toHaveLength(1);
  });

  it('expects of a producer that was stopped what it put, no more and no less', async () => {
    const folder = testFolder();
    const work = await ingested(folder, lines);
    const stopped = { records: 3, complete: false };
    const expected = [stopped, { records: 5, complete: true }];
    const tooMany = await verify({ ...work, expected });
    expect(tooMany.differences).toEqual([
      'producer-0.records: more is on disk than the source has, behind record 3',
    ]);
    const own = [lines[0]!, lines[2]!, lines[4]!];
    writeFileSync(work.tapes[0]!.records, own.join(''));
    writeFileSync(
      work.tapes[0]!.lengths,
      Uint32Array.from(own, (record) => record.length),
    );
    expect(await verify({ ...work, expected })).toMatchObject({ records: 8, differences: [] });
  });

  it('does not believe a producer that counts wrongly', async () => {
    const work = await ingested(testFolder(), lines);
    const expected = [{ records: 4, complete: true }, work.expected[1]!];
    const { differences } = await verify({ ...work, expected });
    expect(differences).toEqual(['producer-0.records: 5 records of the source, but 4 were put']);
  });

  it('fails when a file is gone, and stops when it is told to', async () => {
    const work = await ingested(testFolder(), lines);
    await expect(verify({ ...work, signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    await expect(verify({ ...work, folder: join(work.folder, 'no') })).rejects.toThrow(
      /cannot read producer-0.records again: there is no such file/,
    );
  });
});
