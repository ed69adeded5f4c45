// Sequences of calls by chance, on a log and on a model of it in plain arrays: both answer the same, at each step and in the end.
// The long form is test/faults/kaska-model.test.ts.
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';

import { folderEnds } from './support/folder-ends.ts';
import { Logs } from './support/logs.ts';
import { steps } from './support/model-steps.ts';
import { Modelled } from './support/model.ts';
import type { Ends } from './support/model.ts';

const logs = new Logs();
afterEach(logs.clear);

const runs = 100;

it.each<[place: string, ends: () => Promise<Ends>]>([
  ['a folder', () => folderEnds(logs, (most) => most >> 1)],
  [':memory:', async () => ({ open: () => logs.open({ dir: ':memory:' }) })],
])(`a log in %s is what a model of it is, ${runs} times`, async (place, ends) => {
  const seed = Date.now() % 1_000_000;
  console.log(`model in ${place}: seed ${seed}`);
  let done = 0;
  await fc.assert(
    fc.asyncProperty(steps(30), async (sequence) => {
      const log = await Modelled.open(await ends());
      try {
        for (const step of sequence) await log.run(step);
        await log.check();
        if (place !== ':memory:') {
          await log.run({ is: 'reopen' });
          await log.check();
        }
      } finally {
        await log.close();
        await logs.clear();
      }
      done += 1;
    }),
    { seed, numRuns: runs },
  );
  expect(done).toBe(runs);
});
