// `npm run build`: the addon and dist/, whether they are fresh or not.
import { ensure } from './ensure.mjs';
import { fail } from './lib/run.mjs';

await ensure({ force: true }).catch(fail);
