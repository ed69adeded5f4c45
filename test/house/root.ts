import { readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Files under a folder of the repository, as paths from the root with `/`. */
export function filesUnder(folder: string, ending: string): string[] {
  const full = join(root, folder);
  if (statSync(full, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !/(^|\/)(node_modules|target)\//.test(path));
}
