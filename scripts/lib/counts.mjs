// Adds up what the different runners report.

/** One check: a program that passes or fails as a whole. */
export function check(passed) {
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

/** Adds up counts. */
export function sum(counts) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of counts) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  return total;
}

/** What `cargo test` printed: one `test result:` line per binary. */
export function cargoCounts({ code, output }) {
  const results = output.matchAll(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm);
  const counts = [...results].map(([, passed, failed, skipped]) => ({
    passed: Number(passed),
    failed: Number(failed),
    skipped: Number(skipped),
  }));
  return orFailed(code, sum(counts));
}

/** vitest's JSON report. A file that could not be loaded counts as one failure. */
export function vitestCounts(code, report) {
  const unloadable = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return orFailed(code, {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests + report.numTodoTests,
  });
}

/** A runner that ends with an error has failed, whatever it counted. */
function orFailed(code, counts) {
  const silent = code !== 0 && counts.failed === 0;
  return silent ? { ...counts, failed: 1 } : counts;
}

/** For example `12 passed, 0 failed` or `12 passed, 0 failed, 1 skipped`. */
export function closingLine({ passed, failed, skipped }) {
  const tail = skipped === 0 ? '' : `, ${skipped} skipped`;
  return `${passed} passed, ${failed} failed${tail}`;
}
