// @ts-check
import { readFileSync } from 'node:fs';

/** Version of an installed package; many do not export their package.json. @param {string} name @returns {string} */
export function packageVersion(name) {
  return JSON.parse(
    readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8'),
  ).version;
}
