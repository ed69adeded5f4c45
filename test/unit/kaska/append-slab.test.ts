import { describe, expect, it } from 'vitest';

import { AppendSlab } from '../../../ts/kaska/append-slab.ts';

const text = (slab: AppendSlab): string => slab.bytes.toString('latin1', 0, slab.used);
const words = (slab: AppendSlab): number[] => [
  ...slab.words.subarray(0, (slab.full ? 3 : 1) * slab.count),
];

describe('a slab of records', () => {
  it('has one word a record while there are values alone', () => {
    const slab = new AppendSlab(4, 1);
    slab.addValue('ab');
    slab.addValue(Uint8Array.of(99));
    slab.addValue('');
    slab.addValue(Buffer.alloc(20, 'd'));
    expect(slab).toMatchObject({ count: 4, full: false, used: 23 });
    expect(words(slab)).toEqual([2, 1, 0, 20]);
    expect(text(slab)).toBe(`abc${'d'.repeat(20)}`);
    expect(slab.times).toHaveLength(0);
  });

  it('has three words a record as soon as one has a key, headers, or null', () => {
    const slab = new AppendSlab(64, 2);
    slab.addValue('ab');
    slab.addValue('c');
    slab.add('key', null, undefined, NaN);
    slab.addValue('de');
    slab.add(
      null,
      '',
      [
        [Buffer.from('h'), 'xy'],
        [Buffer.from('nul'), null],
      ],
      NaN,
    );
    expect(slab.full).toBe(true);
    expect(words(slab)).toEqual([0, 3, 0, 0, 2, 0, 4, 0, 0, 0, 3, 0, 0, 1, 22]);
    const header = '\x01\0\0\0\x03\0\0\0hxy\x03\0\0\0\0\0\0\0nul';
    expect(text(slab)).toBe(`abckeyde${header}`);
  });

  it('has times as soon as one record has its own; those of the others are now', () => {
    const slab = new AppendSlab(64, 2);
    const before = Date.now();
    slab.addValue('a');
    slab.add(null, 'b', undefined, 5);
    slab.addValue('c');
    const [first = 0, second, third = 0] = slab.times;
    expect(second).toBe(5);
    for (const time of [first, third]) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(Date.now());
    }
    for (let i = 3; i < 100; i += 1) slab.add(null, 'd', undefined, i);
    expect([...slab.times.subarray(3, 100)]).toEqual(Array.from({ length: 97 }, (_, i) => i + 3));
  });

  it('is empty after it was cleared', () => {
    const slab = new AppendSlab(64, 2);
    slab.add('k', 'v', undefined, 5);
    slab.clear();
    expect(slab).toMatchObject({ count: 0, used: 0, full: false, weight: 0 });
    slab.addValue('x');
    expect(words(slab)).toEqual([1]);
  });
});
