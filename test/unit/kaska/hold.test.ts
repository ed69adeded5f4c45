import { expect, it } from 'vitest';

import { Hold } from '../../../ts/kaska/hold.ts';

it('keeps the process always, or while something is under way', () => {
  const told: boolean[] = [];
  const hold = new Hold((keeps) => told.push(keeps));
  const since = (): boolean[] => told.splice(0);
  hold.begin();
  hold.end();
  hold.always = true;
  expect(since()).toEqual([]);
  hold.always = false;
  hold.always = false;
  expect(since()).toEqual([false]);
  hold.begin();
  hold.begin();
  hold.end();
  expect(since()).toEqual([true]);
  hold.always = true;
  hold.end();
  expect(since()).toEqual([]);
  hold.begin();
  hold.always = false;
  expect(since()).toEqual([]);
  hold.end();
  expect(since()).toEqual([false]);
  hold.always = true;
  expect(since()).toEqual([true]);
});
