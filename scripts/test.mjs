// `npm test [-- --only NAME[,NAME]]`: every check and every test, one after the other. A part that
// fails does not stop the others. At the end: the parts, what failed in them, and a line that adds up all of them.
import { parseArgs } from 'node:util';
import { ensure, ensurePackages } from './ensure.mjs';
import { cargoCounts, check, closingLine, sum } from './lib/counts.mjs';
import { cargoFailures, failureLines, programFailure } from './lib/failures.mjs';
import { fail, Refusal, run, tool } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';

/**
 * Name, and what it does: counts `{ passed, failed, skipped }`, and `failures`, or the end of what was `printed`.
 */
const parts = {
  build: async () => {
    await ensure();
    return check(true);
  },
  rustfmt: () => cargo('fmt', '--all', '--check'),
  clippy: () => cargo('clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings'),
  rust: () => cargoTest(['--workspace', '--no-fail-fast']),
  // Every order in which threads can meet in the slabs and rings, and at the ends of a log.
  loom: () =>
    cargoTest(
      // The place of `log`, since a foreign crate of that name is among our dependencies.
      ['chunk', `path+${new URL('../crates/log', import.meta.url)}`]
        .flatMap((crate) => ['-p', crate])
        .concat('--test', 'loom', '--target-dir', 'target/loom'),
      { RUSTFLAGS: '--cfg loom' },
    ),
  types: () => node(tool('typescript', 'tsc'), '-p', 'tsconfig.json'),
  oxlint: () => node(tool('oxlint'), '--deny-warnings'),
  oxfmt: () => node(tool('oxfmt'), '--check'),
  knip: () => node(tool('knip')),
  generated: () => generatedFilesAreCommitted(),
  vitest: () => vitest('main'),
  // Bun, Deno and newer versions of Node, which come as npm packages.
  runtimes: async () => {
    await ensurePackages('test/runtimes');
    return vitest('runtimes');
  },
  publint: () => node(tool('publint'), '--strict'),
  attw: () => node(tool('@arethetypeswrong/cli', 'attw'), '--pack', '.', '--profile', 'esm-only'),
};

async function main() {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  const names = values.only?.split(',') ?? Object.keys(parts);
  const unknown = names.find((name) => !(name in parts));
  if (unknown !== undefined) {
    throw new Refusal(`no part is called ${unknown}; there are: ${Object.keys(parts).join(', ')}`);
  }
  // Everything else runs on what is built, so a part alone starts with it too.
  if (!names.includes('build')) names.unshift('build');

  const results = [];
  for (const name of names) {
    console.log(`\n== ${name}`);
    const start = performance.now();
    const counts = await parts[name]().catch((error) => {
      fail(error);
      return { ...check(false), printed: `${error.cause ?? ''}\n${error}` };
    });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    results.push({ name, seconds, counts });
    console.log(`== ${name}: ${closingLine(counts)} (${seconds} s)`);
  }

  console.log('');
  for (const { name, seconds, counts } of results) {
    const mark = counts.failed === 0 ? 'ok  ' : 'FAIL';
    console.log(`${mark} ${name.padEnd(10)} ${seconds.padStart(7)} s  ${closingLine(counts)}`);
  }
  const failures = failureLines(results.flatMap(failuresOf));
  if (failures.length > 0) console.log(`\n${failures.join('\n')}`);
  const total = sum(results.map(({ counts }) => counts));
  console.log(`\n${closingLine(total)}`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

function failuresOf({ name, counts: { failed, failures, printed } }) {
  return failed === 0 ? [] : (failures ?? [programFailure(name, printed)]);
}

/** A program that either passes or fails. */
async function cargo(...args) {
  const { code, printed } = await run('cargo', args);
  return { ...check(code === 0), printed };
}

async function node(...args) {
  const { code, printed } = await run(process.execPath, args);
  return { ...check(code === 0), printed };
}

async function cargoTest(args, env = {}) {
  const ran = await run('cargo', ['test', '--locked', ...args], { env });
  return { ...cargoCounts(ran), failures: cargoFailures(ran) };
}

/** What napi wrote during the build is what is committed. */
async function generatedFilesAreCommitted() {
  const inside = await run('git', ['rev-parse', '--git-dir'], { quiet: true });
  if (inside.code !== 0) return { passed: 0, failed: 0, skipped: 1 };
  const paths = ['ts/native', 'npm'];
  const { code, output, printed } = await run('git', ['status', '--porcelain', '--', ...paths]);
  const advice = output === '' ? '' : 'Generated files differ from the commit: commit them.';
  if (advice !== '') console.error(advice);
  return { ...check(code === 0 && output === ''), printed: `${printed}${advice}` };
}

await main().catch(fail);
