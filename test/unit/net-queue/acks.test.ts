import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { AckTracker } from '../../../ts/net-queue/acks.ts';

describe('AckTracker', () => {
  it('tells the prefix without a gap, in whatever order messages are done', () => {
    const range = fc
      .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 8 }))
      .map(([first, more]) => [first, first + more] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
        const tracker = new AckTracker();
        const model = new Set<number>();
        for (const [first, last] of ranges) {
          const before = tracker.prefix;
          const grew = tracker.done(first, last);
          for (let seq = first; seq <= last; seq += 1) model.add(seq);
          let prefix = 0;
          while (model.has(prefix + 1)) prefix += 1;
          expect(tracker.prefix).toBe(prefix);
          expect(grew).toBe(prefix > before);
          let islands = 0;
          let missing = prefix;
          for (let seq = prefix + 1; seq <= 60; seq += 1) {
            if (model.has(seq) && !model.has(seq - 1)) islands += 1;
            if (!model.has(seq)) missing = seq;
            expect(tracker.lastMissing(seq)).toBe(missing);
          }
          expect(tracker.ranges).toBe(islands);
        }
      }),
    );
  });

  it('remembers one range for any number of messages in a row', () => {
    const tracker = new AckTracker();
    for (let seq = 10_000; seq > 1; seq -= 1) tracker.done(seq, seq);
    expect(tracker.ranges).toBe(1);
    expect(tracker.prefix).toBe(0);
    tracker.done(1, 1);
    expect(tracker.prefix).toBe(10_000);
    expect(tracker.ranges).toBe(0);
  });
});
