// What was built from what: content hashes, so that neither a checkout nor a copy confuses them.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run.mjs';

/**
 * One hash over files and folders (recursively), by name and content.
 *
 * @param {readonly string[]} paths relative to the root
 * @param {(path: string) => boolean} [keep]
 */
export function hashOf(paths, keep = () => true) {
  const hash = createHash('sha256');
  for (const path of paths) {
    for (const file of filesUnder(path)) {
      if (keep(file))
        hash
          .update(`${file}\0`)
          .update(readFileSync(join(root, file)))
          .update('\0');
    }
  }
  return hash.digest('hex');
}

/** Files under a path, sorted, with `/` between the parts on every system. */
function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .filter((name) => name !== 'node_modules' && name !== 'target')
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`));
}

const stampFile = (name) => join(root, '.cache', `${name}.hash`);

/** The hash that the last build of `name` was made from; '' when there was none. */
export function stamp(name) {
  return existsSync(stampFile(name)) ? readFileSync(stampFile(name), 'utf8') : '';
}

/** Remembers what the last build of `name` was made from. */
export function setStamp(name, hash) {
  mkdirSync(dirname(stampFile(name)), { recursive: true });
  writeFileSync(stampFile(name), hash);
}
