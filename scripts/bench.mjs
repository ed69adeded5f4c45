// `npm run bench [-- OPTIONS]`: makes the checkout and the peers ready, then measures.
import { ensure, ensurePackages } from './ensure.mjs';
import { become, fail } from './lib/run.mjs';

try {
  await ensure();
  await ensurePackages('benches');
  become(process.execPath, ['benches/run.mjs', ...process.argv.slice(2)]);
} catch (error) {
  fail(error);
}
