import { expect, test } from 'vitest';
import { cargoCounts, check, closingLine, sum, vitestCounts } from '../../scripts/lib/counts.mjs';

const cargoOutput = `
running 3 tests
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests chunk
test result: FAILED. 4 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s
`;

test('counts of all binaries of cargo test are added up', () => {
  expect(cargoCounts({ code: 101, output: cargoOutput })).toEqual({
    passed: 7,
    failed: 2,
    skipped: 1,
  });
});

test('cargo that does not compile is one failure', () => {
  expect(cargoCounts({ code: 101, output: 'error[E0308]' })).toEqual({
    passed: 0,
    failed: 1,
    skipped: 0,
  });
});

test('a vitest file that cannot be loaded is one failure', () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 1,
    numPendingTests: 1,
    numTodoTests: 1,
    testResults: [
      { status: 'failed', assertionResults: [{}] },
      { status: 'failed', assertionResults: [] },
    ],
  };
  expect(vitestCounts(1, report)).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

test('vitest that fails for another reason (an unhandled rejection) is one failure', () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: [],
  };
  expect(vitestCounts(1, report).failed).toBe(1);
});

test('the closing line adds everything up', () => {
  expect(closingLine(sum([check(true), check(false)]))).toBe('1 passed, 1 failed');
  expect(closingLine({ passed: 2, failed: 0, skipped: 3 })).toBe('2 passed, 0 failed, 3 skipped');
});
