// `npm run test:faults [-- FILTER]`: the long tests, with peers that die, stall and lie. What they do by chance follows from
// CHASKI_SEED, which is printed: set it to have the same again.
import { ensure } from './ensure.mjs';
import { closingLine } from './lib/counts.mjs';
import { failureLines } from './lib/failures.mjs';
import { fail } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';

try {
  await ensure();
  process.env.CHASKI_SEED ||= String(Date.now() % 1_000_000);
  const seed = `CHASKI_SEED=${process.env.CHASKI_SEED}`;
  console.log(seed);
  const counts = await vitest('faults', process.argv.slice(2));
  const failures = failureLines(counts.failures);
  if (failures.length > 0) console.log(`\n${failures.join('\n')}\n`);
  console.log(`${seed}\n${closingLine(counts)}`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
} catch (error) {
  fail(error);
}
