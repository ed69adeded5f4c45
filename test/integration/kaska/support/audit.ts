// What must be true of a log after whatever has happened to the process that wrote it.
import { expect } from 'vitest';

import type { Kaska } from 'chaski/kaska';

/** What a writer was told of a record. */
export interface Told {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** What a process has written down of it, line by line; the last line may be torn. */
export function told(text: string): Told[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Told);
}

/**
 * Opens the log: nothing that was told is lost or altered, no offset was given twice, offsets are dense, reads from anywhere agree
 * with a read of all, and to open it once more changes nothing.
 */
export async function audit(
  dir: string,
  acked: readonly Told[],
  open: (options: { dir: string }) => Promise<Kaska>,
): Promise<void> {
  const seen: string[][][] = [];
  for (let round = 0; round < 2; round += 1) {
    const kaska = await open({ dir });
    const topic = kaska.topic('t');
    const values: string[][] = [];
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      const own: string[] = [];
      for await (const record of topic.read({ partition, until: 'end' })) {
        expect(record.offset).toBe(own.length);
        own.push(record.text());
      }
      expect(topic.endOffset(partition)).toBe(own.length);
      for (const from of [1, own.length >> 1, own.length - 1]) {
        if (from < 1 || from >= own.length) continue;
        const step = await topic.read({ partition, from }).next();
        expect([step.value.offset, step.value.text()]).toEqual([from, own[from]]);
      }
      values.push(own);
    }
    const { damaged, records } = await kaska.verify();
    expect(damaged).toEqual([]);
    expect(records).toBeGreaterThanOrEqual(values.flat().length);
    seen.push(values);
    if (round === 1) expect(kaska.recovery).toEqual([]);
    await kaska.close();
  }
  expect(seen[1]).toEqual(seen[0]);
  const [values = []] = seen;
  const given = new Set<string>();
  for (const { partition, offset, value } of acked) {
    expect(values[partition]?.[offset]).toBe(value);
    given.add(`${partition} ${offset}`);
  }
  expect(given.size).toBe(acked.length);
  // What nobody was told of may be there, once.
  expect(new Set(values.flat()).size).toBe(values.flat().length);
}
