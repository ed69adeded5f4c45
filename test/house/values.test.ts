// docs/values.md says what is so: every line of its table is put, and got.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';

import { describe, expect, test } from 'vitest';

import { codecOf } from '../../ts/codec/index.ts';
import type { ChaskiError } from '../../ts/errors.ts';
import { root } from './root.ts';

// The table of Python's values is tried with Python (test/compat).
const [table = ''] = readFileSync(join(root, 'docs', 'values.md'), 'utf8').split('## Python');
const lines = table
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map((line) => line.slice(2, -2).split(' | '));

/** The value of an expression between backquotes. */
const valueOf = (cell: string): unknown => runInThisContext(`(${cell.slice(1, -1)})`);

test('the table of values has lines', () => {
  expect(lines.length).toBeGreaterThan(30);
});

describe.each([
  ['auto', 1],
  ['msgpack', 1],
  ['json', 2],
  ['pickle', 3],
] as const)('with serializer %s', (name, column) => {
  const codec = codecOf(name);

  const arrives = (put: unknown): unknown => {
    try {
      const payload = Uint8Array.from(codec.encode(put));
      return codec.decode(codec.kind, payload, 0, payload.length);
    } catch (error) {
      return (error as ChaskiError).code;
    }
  };

  test.each(lines)('of %s there arrives what the table says', (...cells) => {
    const put = valueOf(cells[0] as string);
    const told = cells[column] as string;
    const known: Record<string, unknown> = { same: put, refused: 'ERR_CHASKI_CODEC' };
    expect(arrives(put)).toStrictEqual(told in known ? known[told] : valueOf(told));
  });
});
