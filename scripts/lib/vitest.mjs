// Runs vitest and counts.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, vitestCounts } from './counts.mjs';
import { programFailure, vitestFailures } from './failures.mjs';
import { run, tool } from './run.mjs';

/**
 * Runs one project of vitest.config.ts: counts, and what failed.
 *
 * @param {string} project
 * @param {readonly string[]} [more] further arguments of vitest
 */
export async function vitest(project, more = []) {
  const folder = mkdtempSync(join(tmpdir(), 'chaski-vitest-'));
  const report = join(folder, 'report.json');
  try {
    const args = [tool('vitest'), 'run', '--project', project];
    args.push('--reporter', 'default', '--reporter', 'json', '--outputFile.json', report);
    const { code, printed } = await run(process.execPath, [...args, ...more]);
    if (!existsSync(report)) {
      return { ...check(false), failures: [programFailure('vitest', printed)] };
    }
    const told = JSON.parse(readFileSync(report, 'utf8'));
    return { ...vitestCounts(code, told), failures: vitestFailures(code, told, printed) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
