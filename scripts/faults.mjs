// `npm run test:faults [-- FILTER]`: the long tests, with peers that die, stall and lie.
import { ensure } from './ensure.mjs';
import { closingLine } from './lib/counts.mjs';
import { fail } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';

try {
  await ensure();
  const counts = await vitest('faults', ['--passWithNoTests', ...process.argv.slice(2)]);
  console.log(closingLine(counts));
  process.exitCode = counts.failed === 0 ? 0 : 1;
} catch (error) {
  fail(error);
}
