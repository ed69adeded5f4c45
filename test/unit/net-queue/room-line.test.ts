import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RoomLine } from '../../../ts/net-queue/room-line.ts';
import type { RoomWaiter } from '../../../ts/net-queue/room-line.ts';

function waiter(serve: () => void): RoomWaiter {
  return { onRoom: serve, onGone: () => {} };
}

describe('those who wait for room', () => {
  it('are served in the order in which they came, each once, but for those who left', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('join' as const) },
      { weight: 2, arbitrary: fc.constant('serve' as const) },
      { weight: 2, arbitrary: fc.nat({ max: 100 }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const line = new RoomLine();
        const leave: (() => void)[] = [];
        const model: number[] = [];
        const served: number[] = [];
        const expected: number[] = [];
        for (const step of steps) {
          if (step === 'join') {
            const name = leave.length;
            leave.push(line.join(waiter(() => served.push(name))));
            model.push(name);
          } else if (step === 'serve') {
            line.take()?.onRoom();
            expected.push(...model.splice(0, 1));
          } else if (leave.length > 0) {
            const name = step % leave.length;
            leave[name]!();
            const at = model.indexOf(name);
            if (at >= 0) model.splice(at, 1);
          }
          expect(served).toEqual(expected);
          expect(line.waiting).toBe(model.length);
        }
      }),
    );
  });

  it('may be three hundred thousand, and leave together or be served one by one', () => {
    const count = 300_000;
    const line = new RoomLine();
    let served = 0;
    const join = (): (() => void)[] =>
      Array.from({ length: count }, () => line.join(waiter(() => (served += 1))));
    // Minutes, if each one looked at the others.
    for (const leave of join()) leave();
    expect(line.waiting).toBe(0);
    join();
    while (line.waiting > 0) line.take()?.onRoom();
    expect(served).toBe(count);
    expect(line.take()).toBeUndefined();
  });
});
