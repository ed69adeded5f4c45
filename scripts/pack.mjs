// `npm run pack`: the tarballs to install this checkout from, in packed/.
import { join } from 'node:path';
import { ensure } from './ensure.mjs';
import { fail, root } from './lib/run.mjs';
import { packTarballs } from './lib/tarballs.mjs';

async function main() {
  await ensure();
  const { main: packed, platform } = packTarballs(join(root, 'packed'));
  console.log(`\nIn your project: npm install ${[packed, platform].join(' ')}`);
}

await main().catch(fail);
