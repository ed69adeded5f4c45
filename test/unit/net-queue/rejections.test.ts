import { describe, expect, it } from 'vitest';

import { Rejections } from '../../../ts/net-queue/rejections.ts';

describe('Rejections', () => {
  it('knows which messages were dropped', () => {
    const rejections = new Rejections();
    rejections.add(3, 5);
    rejections.add(6, 6);
    rejections.add(9, 9);
    const dropped = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter(
      (seq) => rejections.among(seq, seq) === 'all',
    );
    expect(dropped).toEqual([3, 4, 5, 6, 9]);
    expect(rejections.among(1, 2)).toBe('none');
    expect(rejections.among(1, 3)).toBe('some');
    expect(rejections.among(3, 6)).toBe('all');
    expect(rejections.among(4, 7)).toBe('some');
    expect(rejections.among(7, 8)).toBe('none');
    expect(rejections.among(8, 20)).toBe('some');
  });

  it('knows the last message that was kept', () => {
    const rejections = new Rejections();
    rejections.add(3, 6);
    rejections.add(9, 9);
    expect([2, 3, 6, 8, 9, 10].map((seq) => rejections.lastKept(seq))).toEqual([2, 2, 2, 8, 8, 10]);
  });

  it('forgets the oldest, and says so', () => {
    const rejections = new Rejections();
    for (let seq = 1; seq < 10_000; seq += 2) rejections.add(seq, seq);
    expect(rejections.among(2, 2)).toBe('forgotten');
    expect(rejections.among(9_999, 9_999)).toBe('all');
    expect(rejections.among(9_998, 9_998)).toBe('none');
  });
});
