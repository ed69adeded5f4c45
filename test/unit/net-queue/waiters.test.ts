import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { dropped } from '../../../ts/net-queue/failures.ts';
import { Waiters } from '../../../ts/net-queue/waiters.ts';
import type { Waiting } from '../../../ts/net-queue/waiters.ts';

describe('Waiters', () => {
  it('settles each waiter once, whatever is acknowledged and dropped in between', () => {
    const step = fc.oneof(
      fc.record({ is: fc.constant('put' as const), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ is: fc.constant('look again' as const) }),
      fc.record({ is: fc.constant('put, look later' as const) }),
      fc.record({ is: fc.constant('look back' as const), late: fc.nat() }),
      fc.record({ is: fc.constant('drop' as const), count: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ is: fc.constant('acknowledge' as const), count: fc.integer({ min: 1, max: 6 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const waiters = new Waiters();
        const model: { first: number; last: number; name: number }[] = [];
        const told: [number, string][] = [];
        const expected: [number, string][] = [];
        const unlooked: number[] = [];
        let [sent, acked, unsent, name] = [0, 0, 1, 0];
        const add = (first: number, last: number): void => {
          name += 1;
          const mine = name;
          waiters.add(
            waiting(
              first,
              last,
              () => told.push([mine, 'acknowledged']),
              () => told.push([mine, 'dropped']),
            ),
          );
          model.push({ first, last, name });
          model.sort((a, b) => a.last - b.last || a.name - b.name);
        };
        const settle = (
          what: string,
          those: (range: { first: number; last: number }) => boolean,
        ) => {
          for (const range of model.filter(those)) {
            expected.push([range.name, what]);
            model.splice(model.indexOf(range), 1);
          }
        };
        for (const step of steps) {
          if (step.is === 'put') {
            add(sent + 1, sent + step.count);
            sent += step.count;
          } else if (step.is === 'look again') {
            if (sent > acked && !unlooked.includes(sent)) add(sent, sent);
          } else if (step.is === 'put, look later') {
            sent += 1;
            unlooked.push(sent);
          } else if (step.is === 'look back') {
            const [seq] = unlooked.splice(step.late % Math.max(1, unlooked.length), 1);
            if (seq !== undefined && seq >= unsent) add(seq, seq);
          } else if (step.is === 'drop') {
            const last = Math.min(unsent + step.count - 1, sent);
            if (last < unsent) continue;
            waiters.remove(unsent, last, (waiter) => {
              waiter.fail(dropped('peer'));
            });
            settle('dropped', (range) => range.first <= last && range.last >= unsent);
            unsent = last + 1;
          } else {
            acked = Math.min(acked + step.count, sent);
            unsent = Math.max(unsent, acked + 1);
            waiters.take(acked, (waiter) => {
              waiter.fulfil();
            });
            settle('acknowledged', (range) => range.last <= acked);
          }
          expect(told).toEqual(expected);
          expect(waiters.first).toBe(Math.min(Infinity, ...model.map(({ last }) => last)));
        }
      }),
    );
  });

  it('drops from the middle of a hundred thousand without looking at all of them', () => {
    const waiters = new Waiters();
    const count = 100_000;
    let failed = 0;
    let looks = 0;
    for (let seq = 1; seq <= count; seq += 1) {
      const waiter = waiting(
        seq,
        seq,
        () => {},
        () => (failed += 1),
      );
      Object.defineProperty(waiter, 'seq', { get: () => ((looks += 1), seq) });
      waiters.add(waiter);
    }
    looks = 0;
    for (let seq = count / 2; seq < count; seq += 1) {
      waiters.remove(seq, seq, (waiter) => {
        waiter.fail(dropped('peer'));
      });
    }
    // A search takes some twenty each; looking at all of them would take 100,000.
    expect(looks).toBeGreaterThan(0);
    expect(looks / (count / 2)).toBeLessThan(100);
    expect(failed).toBe(count / 2);
    let fulfilled = 0;
    waiters.take(count, (waiter) => {
      waiter.fulfil();
      fulfilled += 1;
    });
    expect(fulfilled).toBe(count / 2);
    expect(waiters.first).toBe(Infinity);
  });
});

describe('waiters for a hundred thousand messages', () => {
  it.each(['from the last to the first', 'in any order'])(
    'come %s without a search each',
    (how) => {
      const waiters = new Waiters();
      const count = 100_000;
      const seqs = Array.from({ length: count }, (_, i) =>
        how === 'in any order' ? ((i * 7919) % count) + 1 : count - i,
      );
      const taken: number[] = [];
      let looks = 0;
      for (const seq of seqs) {
        const waiter = waiting(
          seq,
          seq,
          () => taken.push(seq),
          () => {},
        );
        Object.defineProperty(waiter, 'seq', { get: () => ((looks += 1), seq) });
        waiters.add(waiter);
      }
      expect(waiters.first).toBe(1);
      waiters.take(count, (waiter) => {
        waiter.fulfil();
      });
      // Sorting takes some forty each; looking at half of the others each time would take 50,000.
      expect(looks / count).toBeLessThan(100);
      expect(taken).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    },
  );
});

/** Somebody who waits, and hears at once. */
function waiting(first: number, seq: number, done: () => void, failed: () => void): Waiting {
  return {
    first,
    seq,
    over: false,
    fulfil(): void {
      (this as { over: boolean }).over = true;
      done();
    },
    fail(): void {
      (this as { over: boolean }).over = true;
      failed();
    },
  };
}
