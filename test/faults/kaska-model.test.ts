// F20: long sequences of calls by chance, kills among them, on a log and on a model of it. The short form is in
// test/integration/kaska.
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';

import { folderEnds } from '../integration/kaska/support/folder-ends.ts';
import { Logs } from '../integration/kaska/support/logs.ts';
import { steps } from '../integration/kaska/support/model-steps.ts';
import { Modelled } from '../integration/kaska/support/model.ts';
import { Chance } from './support/chance.ts';

const runs = Number(process.env['CHASKI_MODELS'] || 400);

const logs = new Logs();
afterEach(logs.clear);

it(`a log is what a model of it is, ${runs} times`, async () => {
  const chance = new Chance('kaska model');
  const seed = chance.integer(0, 2 ** 31 - 1);
  let done = 0;
  let kills = 0;
  await fc.assert(
    fc.asyncProperty(steps(200), async (sequence) => {
      const ends = await folderEnds(logs, (most) => {
        kills += 1;
        return chance.integer(0, most);
      });
      const log = await Modelled.open(ends);
      try {
        for (const step of sequence) await log.run(step);
        await log.check();
        await log.run({ is: 'reopen' });
        await log.check();
      } finally {
        await log.close();
        await logs.clear();
      }
      done += 1;
    }),
    { seed, numRuns: runs, interruptAfterTimeLimit: 1_500_000 },
  );
  console.log(`seed ${seed}: ${done} sequences, ${kills} kills`);
  expect(done).toBe(runs);
}, 1_800_000);
