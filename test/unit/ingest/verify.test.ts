// What verify() is for: each way in which the log can differ from the source is found and named.
import { createHash } from 'node:crypto';
import { Kaska } from 'chaski/kaska';
import { describe, expect, it } from 'vitest';
import { filesSource } from '../../../examples/ingest/records.mjs';
import { topicName } from '../../../examples/ingest/store.mjs';
import { verify } from '../../../examples/ingest/verify.mjs';
import { put, testFolder } from './folder.ts';

const lines = Array.from({ length: 10 }, (_, i) => `record ${'x'.repeat(i)}${i}\n`);

/** What the producers would have put of `source`. */
function dealt(source: readonly string[], producers = 2): string[][] {
  return Array.from({ length: producers }, (_, share) =>
    source.filter((__, i) => i % producers === share),
  );
}

/** A log with these records behind some of an earlier run, and the source. */
async function ingested(source: readonly string[], topics: readonly (readonly string[])[]) {
  const folder = testFolder();
  const kaska = await Kaska.open({ dir: folder });
  for (const [share, records] of topics.entries()) {
    const topic = await kaska.createTopic(topicName(share), { flush: 'os' });
    await topic.appendBatch(['of a run', 'before'].map((value) => ({ value })));
    await topic.appendBatch(records.map((value) => ({ value: Buffer.from(value, 'latin1') })));
  }
  await kaska.close();
  const path = put(testFolder(), 'source', Buffer.from(source.join(''), 'latin1'));
  const expected = dealt(source, topics.length).map(({ length }) => ({
    records: length,
    complete: true,
  }));
  const starts = topics.map(() => 2);
  return { source: await filesSource([path], Number.MAX_SAFE_INTEGER), folder, starts, expected };
}

/** What is found when the topics of two producers were changed. */
async function differencesAfter(edit: (topics: string[][]) => void): Promise<string[]> {
  const topics = dealt(lines);
  edit(topics);
  const { differences } = await verify(await ingested(lines, topics));
  return differences;
}

describe('verify', () => {
  it('finds nothing where all is well, and digests what is in the log', async () => {
    const topics = dealt(lines);
    const verdict = await verify(await ingested(lines, topics));
    expect(verdict).toMatchObject({ records: 10, bytes: lines.join('').length, differences: [] });
    const sha256 = createHash('sha256').update(topics[0]!.join('')).digest('hex');
    expect(verdict.topics[0]).toEqual({ topic: 'producer-0', from: 2, to: 7, sha256 });
  });

  it('compares sources of many pieces, with records of any length', async () => {
    const long = Array.from({ length: 200_000 }, (_, i) => `${i}\n`);
    long[777] = `${'z'.repeat(3_000_000)}\n`;
    const topics = dealt(long, 3);
    const reported: number[] = [];
    const onProgress = (bytes: number) => reported.push(bytes);
    const verdict = await verify({ ...(await ingested(long, topics)), onProgress });
    expect(verdict).toMatchObject({ records: 200_000, differences: [] });
    expect(reported.length).toBeGreaterThan(2);

    const last = topics[2]!.pop()!;
    topics[2]!.push(`${last.slice(0, -2)}x\n`);
    const { differences } = await verify(await ingested(long, topics));
    expect(differences).toEqual(['producer-2: record 66666 differs from the source at its byte 6']);
  });

  it('finds a changed byte', async () => {
    const found = await differencesAfter(([first]) => {
      first![1] = first![1]!.replace('o', 'O');
    });
    expect(found).toEqual(['producer-0: record 2 differs from the source at its byte 4']);
  });

  it('finds two records in the wrong order', async () => {
    const found = await differencesAfter(([first]) => first!.unshift(...first!.splice(1, 1)));
    expect(found).toEqual(['producer-0: record 1 has 11 bytes on disk, 9 in the source']);
  });

  it('finds a border that moved between two records, though every byte is there', async () => {
    const found = await differencesAfter(([, second]) => {
      second![1] += second![2]![0]!;
      second![2] = second![2]!.slice(1);
    });
    expect(found).toEqual(['producer-1: record 2 has 13 bytes on disk, 12 in the source']);
  });

  it('finds a record that came twice', async () => {
    const found = await differencesAfter(([first]) => first!.push(first!.at(-1)!));
    expect(found).toEqual(['producer-0: more is on disk than the source has, behind record 5']);
  });

  it('finds a record that is missing, and topics that are empty', async () => {
    expect(await differencesAfter(([, second]) => second!.pop())).toEqual([
      'producer-1: record 5 is missing, and all behind it',
    ]);
    const found = await differencesAfter((topics) => topics.forEach((topic) => topic.splice(0)));
    expect(found).toEqual([
      'producer-0: record 1 is missing, and all behind it',
      'producer-1: record 1 is missing, and all behind it',
    ]);
  });

  it('finds a record that is cut off', async () => {
    const found = await differencesAfter(([first]) => first!.push(first!.pop()!.slice(0, -3)));
    expect(found).toEqual(['producer-0: record 5 has 14 bytes on disk, 17 in the source']);
  });

  it('finds records of another producer', async () => {
    const found = await differencesAfter((topics) => {
      topics[0] = topics[1]!;
    });
    expect(found).toHaveLength(1);
  });

  it('expects of a producer that was stopped what it put, no more and no less', async () => {
    const topics = dealt(lines);
    const stopped = { records: 3, complete: false };
    const expected = [stopped, { records: 5, complete: true }];
    const tooMany = await verify({ ...(await ingested(lines, topics)), expected });
    expect(tooMany.differences).toEqual([
      'producer-0: more is on disk than the source has, behind record 3',
    ]);
    topics[0]!.splice(3);
    const right = await verify({ ...(await ingested(lines, topics)), expected });
    expect(right).toMatchObject({ records: 8, differences: [] });
  });

  it('does not believe a producer that counts wrongly', async () => {
    const work = await ingested(lines, dealt(lines));
    const expected = [{ records: 4, complete: true }, work.expected[1]!];
    const { differences } = await verify({ ...work, expected });
    expect(differences).toEqual(['producer-0: 5 records of the source, but 4 were put']);
  });

  it('fails when a topic is gone, and stops when it is told to', async () => {
    const work = await ingested(lines, dealt(lines));
    await expect(verify({ ...work, signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    await expect(verify({ ...work, folder: testFolder() })).rejects.toThrow(
      'cannot read producer-0 again: it is not in the log',
    );
  });
});
