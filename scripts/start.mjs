// `npm start [-- FILE... | -]`: makes the checkout ready, then runs the ingestion example.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensure } from './ensure.mjs';
import { become, fail, root } from './lib/run.mjs';

try {
  await ensure();
  // npm changes to the root and leaves word of where the user was: there the names of files begin.
  const typedIn = process.env.INIT_CWD ?? '';
  become(
    process.execPath,
    [join(root, 'examples', 'ingest', 'main.mjs'), ...process.argv.slice(2)],
    { cwd: existsSync(typedIn) ? typedIn : process.cwd() },
  );
} catch (error) {
  fail(error);
}
