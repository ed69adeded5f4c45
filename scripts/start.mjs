// `npm start [-- FILE... | -]`: makes the checkout ready, then runs the ingestion example.
import { ensure } from './ensure.mjs';
import { become, fail } from './lib/run.mjs';

try {
  await ensure();
  become(process.execPath, ['examples/ingest/main.mjs', ...process.argv.slice(2)]);
} catch (error) {
  fail(error);
}
