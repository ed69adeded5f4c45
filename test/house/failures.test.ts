import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  cargoFailures,
  failureLines,
  programFailure,
  vitestFailures,
} from '../../scripts/lib/failures.mjs';
import { root } from './root.ts';

const passed = { status: 'passed', ancestorTitles: [], title: 'fine', failureMessages: [] };
const report = {
  testResults: [
    { name: join(root, 'test', 'fine.test.ts'), status: 'passed', assertionResults: [passed] },
    {
      name: join(root, 'test', 'unit', 'it.test.ts'),
      status: 'failed',
      message: '',
      assertionResults: [
        passed,
        {
          status: 'failed',
          ancestorTitles: ['a queue', 'that is full'],
          title: 'says no',
          failureMessages: [
            'AssertionError: expected 1 to be 2\n\n    at test/unit/it.test.ts:7:3\n',
          ],
        },
      ],
    },
  ],
};

test('of vitest the file, the whole name and the assertion are told', () => {
  expect(failureLines(vitestFailures(1, report, ''))).toEqual([
    'vitest: test/unit/it.test.ts > a queue > that is full > says no',
    '    AssertionError: expected 1 to be 2',
    '        at test/unit/it.test.ts:7:3',
  ]);
});

test('of a vitest file that cannot be loaded it is told why', () => {
  const name = join(root, 'test', 'broken.test.ts');
  const unloadable = { name, status: 'failed', message: 'no such module', assertionResults: [] };
  expect(failureLines(vitestFailures(1, { testResults: [unloadable] }, ''))).toEqual([
    'vitest: test/broken.test.ts',
    '    no such module',
  ]);
});

test('of vitest that fails for another reason (an unhandled rejection) the end of what it printed is told', () => {
  const printed = 'Unhandled Rejection\n\u001b[31mError: on purpose\u001b[39m\n';
  expect(failureLines(vitestFailures(1, { testResults: [] }, printed))).toEqual([
    'vitest',
    '    Unhandled Rejection',
    '    Error: on purpose',
  ]);
});

test('of cargo test the names of the tests are told, and what they said', () => {
  const output = `
running 3 tests
test frames::are_checked ... ok
test frames::are_bounded ... FAILED
test crates/wire/src/lib.rs - encode (line 12) ... FAILED
test frames::panic - should panic ... FAILED

failures:

---- frames::are_bounded stdout ----

thread 'frames::are_bounded' panicked at crates/wire/src/frames.rs:9:5:
assertion failed: size < most

---- frames::panic stdout ----
note: test did not panic as expected

failures:
    frames::are_bounded
`;
  expect(failureLines(cargoFailures({ code: 101, output, printed: '' }))).toEqual([
    'cargo test: frames::are_bounded',
    "    thread 'frames::are_bounded' panicked at crates/wire/src/frames.rs:9:5:",
    '    assertion failed: size < most',
    'cargo test: crates/wire/src/lib.rs - encode (line 12)',
    'cargo test: frames::panic',
    '    note: test did not panic as expected',
  ]);
});

test('of cargo that does not compile the end of what it printed is told', () => {
  const printed = 'Compiling wire\nerror[E0308]: mismatched types\n';
  expect(failureLines(cargoFailures({ code: 101, output: '', printed }))).toEqual([
    'cargo test',
    '    Compiling wire',
    '    error[E0308]: mismatched types',
  ]);
});

test('what passed tells nothing', () => {
  expect(vitestFailures(0, report, 'x')).toEqual([]);
  expect(cargoFailures({ code: 0, output: 'test a ... ok', printed: 'x' })).toEqual([]);
  expect(failureLines([])).toEqual([]);
});

test('all of it is at most 40 lines, of bounded width: the names first of all', () => {
  const long = Array.from({ length: 100 }, (_, i) => `line ${i}`).join('\n');
  const one = failureLines([programFailure('clippy', long)]);
  expect(one).toHaveLength(40);
  expect([one[0], one.at(-1)]).toEqual(['clippy', '    line 99']);

  const ten = failureLines(Array.from({ length: 10 }, (_, i) => programFailure(`part ${i}`, long)));
  expect(ten).toHaveLength(40);
  expect(ten.filter((line) => line.startsWith('part'))).toHaveLength(10);

  const many = failureLines(Array.from({ length: 90 }, (_, i) => programFailure(`${i}`, long)));
  expect(many).toHaveLength(40);
  expect(many.at(-1)).toBe('and 51 more');

  expect(failureLines([programFailure('x'.repeat(10_000), '')])[0]!.length).toBeLessThan(250);
});
