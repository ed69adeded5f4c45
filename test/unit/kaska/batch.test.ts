import { describe, expect, it } from 'vitest';

import { nullLength } from '../../../ts/binding/index.ts';
import { StoredBatch } from '../../../ts/kaska/batch.ts';

/** Three records as native hands them over: key, value, headers behind it. */
function batch(copyUpTo: number, first: number = 0): StoredBatch {
  const memory = new Uint8Array(Buffer.from('..kv\0..lll\0..mw\x02\x02h\x01..'));
  const origin = { topic: 't', partition: 3, memory, buffer: memory.buffer, copyUpTo };
  const extent = { start: 0, bytes: 20, count: 3, codec: 4, base: 100, firstMs: 5 };
  const numbers = Uint32Array.from(
    [
      [0, 0, 0, 0],
      [2, 1, 3, 1],
      [7, nullLength, 7, 3],
      [13, 1, 14, 1],
    ].flat(),
  );
  const index = { numbers, times: Float64Array.of(0, 5, 6, 7), at: 1 };
  return new StoredBatch(origin, extent, first, 3 - first, index);
}

const texts = (values: (Uint8Array | null)[]): (string | null)[] =>
  values.map((value) => value && Buffer.from(value).toString());

describe('a stored batch', () => {
  it('shows its records as views of its memory', () => {
    const all = batch(-1);
    expect(all).toMatchObject({ length: 3, offset: 100, partition: 3, compression: 'zstd' });
    expect(texts([0, 1, 2].map((i) => all.key(i)))).toEqual(['k', null, 'm']);
    expect(texts([0, 1, 2].map((i) => all.value(i)))).toEqual(['v', 'lll', 'w']);
    expect([0, 1, 2].map((i) => all.timestamp(i))).toEqual([5, 6, 7]);
    expect(all.headers(2)).toEqual([['h', null]]);
    expect(all.value(1)?.buffer).toBe(all.memory.buffer);
  });

  it('begins in the middle, and ends before its end', () => {
    const part = batch(-1, 1);
    expect(part).toMatchObject({ length: 2, offset: 101 });
    expect(texts([part.value(0), part.value(1)])).toEqual(['lll', 'w']);
    expect(part.record(1)).toMatchObject({ offset: 102, timestamp: 7 });
    expect([...part].map(({ offset }) => offset)).toEqual([101, 102]);
  });

  it('gives records in memory of their own where many arenas are held', () => {
    const copied = batch(100, 1);
    const [second, third] = [copied.record(0), copied.record(1)];
    expect(second).toMatchObject({ topic: 't', partition: 3, offset: 101, timestamp: 6 });
    expect([second.key, second.text(), second.headers]).toEqual([null, 'lll', []]);
    expect([texts([third.key]), third.text(), third.headers, third.timestamp]).toEqual([
      ['m'],
      'w',
      [['h', null]],
      7,
    ]);
    for (const record of [second, third]) {
      expect(record.value?.buffer).not.toBe(copied.memory.buffer);
      expect(record.headers[0]?.[1]?.buffer).not.toBe(copied.memory.buffer);
    }
    expect(copied.value(0)?.buffer).not.toBe(copied.memory.buffer);
  });
});
