import { describe, expect, it } from 'vitest';

import { Line } from '../../../ts/shared/line.ts';

class One {
  over = false;
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

describe('a line', () => {
  it('gives its members in order, but for those who left, whatever the order of coming and going', () => {
    const line = new Line<One>();
    let model: One[] = [];
    let number = 0;
    const taken: [One | undefined, One | undefined][] = [];
    for (let round = 0; round < 20_000; round += 1) {
      const act = (round * 7919 + (round >> 3) * 31) % 10;
      if (act < 4 + ((round >> 9) % 2)) {
        const one = new One(number);
        number += 1;
        line.push(one);
        model.push(one);
      } else if (act < 7) {
        taken.push([line.shift(), model.shift()]);
      } else if (model.length > 0) {
        const one = model[round % model.length]!;
        one.over = true;
        line.leave();
        model = model.filter((each) => each !== one);
      }
      expect(line.length).toBe(model.length);
      expect(line.first).toBe(model[0]);
    }
    expect(taken.every(([one, other]) => one === other)).toBe(true);
    expect(number).toBeGreaterThan(1000);
  });
});
