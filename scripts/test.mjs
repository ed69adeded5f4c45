// `npm test [-- --only NAME[,NAME]]`: every check and every test, one after the other. A part that
// fails does not stop the others; the last line adds up all of them.
import { parseArgs } from 'node:util';
import { ensure, ensurePackages } from './ensure.mjs';
import { cargoCounts, check, closingLine, sum } from './lib/counts.mjs';
import { fail, Refusal, run, tool } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';

/** Name, and what it does: a list of counts `{ passed, failed, skipped }`. */
const parts = {
  build: async () => check(await succeeds(ensure())),
  rustfmt: () => cargo('fmt', '--all', '--check'),
  clippy: () => cargo('clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings'),
  rust: () => cargoTest(['--workspace', '--no-fail-fast']),
  // Every order in which threads can meet in the slabs and rings.
  loom: () =>
    cargoTest(['-p', 'chunk', '--test', 'loom', '--target-dir', 'target/loom'], {
      RUSTFLAGS: '--cfg loom',
    }),
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
      return check(false);
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
  const total = sum(results.map(({ counts }) => counts));
  console.log(`\n${closingLine(total)}`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

/** A program that either passes or fails. */
async function cargo(...args) {
  const { code } = await run('cargo', args);
  return check(code === 0);
}

async function node(...args) {
  const { code } = await run(process.execPath, args);
  return check(code === 0);
}

async function cargoTest(args, env = {}) {
  return cargoCounts(await run('cargo', ['test', '--locked', ...args], { capture: true, env }));
}

/** What napi wrote during the build is what is committed. */
async function generatedFilesAreCommitted() {
  const inside = await run('git', ['rev-parse', '--git-dir'], { quiet: true });
  if (inside.code !== 0) return { passed: 0, failed: 0, skipped: 1 };
  const { code, output } = await run('git', ['status', '--porcelain', '--', 'ts/native', 'npm'], {
    capture: true,
  });
  if (output !== '') console.error('Generated files differ from the commit: commit them.');
  return check(code === 0 && output === '');
}

async function succeeds(work) {
  try {
    await work;
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

await main().catch(fail);
