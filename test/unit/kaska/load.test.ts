import { describe, expect, it } from 'vitest';

import { Hold } from '../../../ts/kaska/hold.ts';
import { Load } from '../../../ts/kaska/load.ts';

const hold = new Hold(() => {});

describe.each([
  ['error', 1],
  ['wait', 4],
] as const)("a load with onFull '%s'", (onFull, times) => {
  it(`takes up to ${times} times the mark, and one of any size where there is nothing else`, () => {
    const load = new Load({ onFull, highWaterMark: 1000 }, hold);
    expect(load.takes(50_000)).toBe(true);
    load.add(1);
    expect(load.takes(1000 * times - 1)).toBe(true);
    expect(load.takes(1000 * times)).toBe(false);
    expect(load.fits(999)).toBe(true);
    expect(load.fits(1000)).toBe(false);
    expect(load.refusal(7).message).toContain(
      `1 bytes were appended and are not acknowledged; with these 7 they would be more than the ${times * 1000}`,
    );
  });

  it('is high from the mark on until half of it is free', () => {
    const load = new Load({ onFull, highWaterMark: 1000 }, hold);
    load.add(1000);
    expect([load.high, load.relieve()]).toEqual([false, false]);
    expect([load.takes(1), load.high]).toEqual([times > 1, times === 1]);
    load.add(1);
    expect(load.high).toBe(true);
    load.remove(500);
    expect([load.relieve(), load.high]).toEqual([false, true]);
    load.remove(1);
    expect([load.relieve(), load.high]).toEqual([true, false]);
    load.raise();
    expect([load.high, load.relieve(), load.relieve()]).toEqual([true, true, false]);
  });
});

it('keeps the process while it is not empty', () => {
  const told: boolean[] = [];
  const watched = new Hold((keeps) => told.push(keeps));
  watched.always = false;
  const load = new Load({ onFull: 'wait', highWaterMark: 1000 }, watched);
  told.length = 0;
  load.add(10);
  load.add(10);
  load.remove(0);
  load.remove(10);
  expect(told).toEqual([true]);
  load.remove(10);
  expect(told).toEqual([true, false]);
});
