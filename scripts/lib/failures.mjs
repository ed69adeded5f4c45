// What failed, in few lines: somebody who sees only the end of the output shall know what to look at.
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { root } from './run.mjs';

/** @typedef {{ title: string, first?: string[], last?: string[] }} Failure lines of which the first or the last say most */

/** A program that only passes or fails: the end of what it printed. */
export function programFailure(title, printed) {
  return { title, last: linesOf(printed) };
}

/** The tests that `cargo test` calls FAILED; the end of what it printed where there are none. */
export function cargoFailures({ code, output, printed }) {
  if (code === 0) return [];
  const names = [...output.matchAll(/^test (.+?)(?: - should panic)? \.\.\. FAILED$/gm)];
  if (names.length === 0) return [programFailure('cargo test', printed)];
  return names.map(([, name]) => ({
    title: `cargo test: ${name}`,
    first: linesOf(stdoutOf(name, output)).slice(0, detail),
  }));
}

/** The failed tests of vitest's JSON report; the end of what it printed where there are none (an unhandled rejection). */
export function vitestFailures(code, report, printed) {
  if (code === 0) return [];
  const failures = report.testResults.flatMap((file) => {
    const title = `vitest: ${relative(root, file.name).replaceAll('\\', '/')}`;
    const tests = file.assertionResults.filter(({ status }) => status === 'failed');
    // A file that could not be loaded, or whose hooks failed, has no failed tests.
    if (tests.length === 0 && file.status === 'failed') return [failure(title, [file.message])];
    return tests.map(({ ancestorTitles, title: name, failureMessages }) =>
      failure([title, ...ancestorTitles, name].join(' > '), failureMessages),
    );
  });
  return failures.length > 0 ? failures : [programFailure('vitest', printed)];
}

/**
 * At most `most` lines: first of all the names, and of the rest an equal share for each.
 *
 * @param {readonly Failure[]} failures
 * @param {number} [most]
 * @returns {string[]}
 */
export function failureLines(failures, most = 40) {
  const titles = failures.length > most ? most - 1 : failures.length;
  const share = Math.floor((most - titles) / Math.max(1, titles));
  const lines = failures.slice(0, titles).flatMap(({ title, first, last }) => {
    const told = share === 0 ? [] : (first?.slice(0, share) ?? last.slice(-share));
    return [title, ...told.map((line) => `    ${line}`)];
  });
  if (titles < failures.length) lines.push(`and ${failures.length - titles} more`);
  return lines.map((line) => (line.length > width ? `${line.slice(0, width)}…` : line));
}

function failure(title, messages) {
  return { title, first: linesOf(messages[0] ?? '').slice(0, detail) };
}

/** What libtest kept of the output of one test. */
function stdoutOf(name, output) {
  const [, after = ''] = output.split(`\n---- ${name} stdout ----\n`);
  return after.split(/\n---- |\nfailures:\n/)[0];
}

function linesOf(text) {
  return stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
}

/** Lines of one test: the assertion, what differs, and where. */
const detail = 12;
const width = 200;
