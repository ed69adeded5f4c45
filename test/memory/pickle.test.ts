import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

const unpickler = fileURLToPath(new URL('fixtures/unpickler.mjs', import.meta.url));

/** What a process with a heap of so many MiB says of a pickle of 17 MB. */
function read(op: number): string {
  return execFileSync(
    process.execPath,
    ['--max-old-space-size=1280', unpickler, String(op), '17000000'],
    { encoding: 'utf8' },
  );
}

test.each([
  ['None', 0x4e],
  ['lists', 0x5d],
  ['dicts', 0x7d],
  ['sets', 0x8f],
  ['tuples', 0x29],
  ['tuples in tuples', 0x85],
  ['marks', 0x28],
  ['entries of the memo', 0x94],
])('a pickle of nothing but %s is refused before it has filled the memory', (_, op) => {
  expect(read(op)).toMatch(/more than 16777216 values|nested deeper/);
});
