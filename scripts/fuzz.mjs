// `npm run test:fuzz [-- --seconds 30] [-- --only NAME[,NAME]]`: has each fuzz target of fuzz/ run for so long, and says how much it executed
// and which code it reached. What fails is saved in fuzz/found/, which the tests of crates/ replay.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { closingLine } from './lib/counts.mjs';
import { fail, Refusal, root, run } from './lib/run.mjs';

/** Bytes of an input, at most. */
const mostBytes = 4096;

async function main() {
  const options = { seconds: { type: 'string', default: '30' }, only: { type: 'string' } };
  const { values } = parseArgs({ options });
  const seconds = Number(values.seconds);
  if (!Number.isSafeInteger(seconds) || seconds < 1) {
    throw new Refusal(`--seconds takes a whole number from 1 on, not ${String(values.seconds)}`);
  }
  const all = readdirSync(join(root, 'fuzz/targets')).map((file) => file.replace(/\.rs$/, ''));
  const names = values.only?.split(',') ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new Refusal(`no target is called ${unknown}; there are: ${all.join(', ')}`);
  }
  await build();
  const failed = [];
  for (const name of names) if (!(await fuzz(name, seconds))) failed.push(name);
  for (const name of failed) console.log(`FAIL ${name}: the input is in fuzz/found/${name}/`);
  const passed = names.length - failed.length;
  console.log(`\n${closingLine({ passed, failed: failed.length, skipped: 0 })}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** Counters of coverage need no sanitizer, and so no nightly compiler. */
async function build() {
  const has = await run('cargo', ['fuzz', '--version'], { quiet: true });
  if (has.code !== 0) {
    throw new Refusal('cargo-fuzz was not found; install it: cargo install cargo-fuzz --locked');
  }
  const { code } = await run('cargo', ['fuzz', 'build', '--sanitizer', 'none']);
  if (code !== 0) throw new Refusal('the fuzz targets do not compile');
}

/** True if nothing was found in that time. */
async function fuzz(name, seconds) {
  const [corpus, seeds, found] = ['corpus', 'seeds', 'found'].map((folder) =>
    join('fuzz', folder, name),
  );
  for (const folder of [corpus, found]) mkdirSync(join(root, folder), { recursive: true });
  const limits = [`-max_len=${mostBytes}`, '-timeout=20', '-rss_limit_mb=2048'];
  limits.push(`-artifact_prefix=${join(root, found)}/`);
  const target = ['fuzz', 'run', '--sanitizer', 'none', name, corpus, seeds, '--', ...limits];
  const start = await run('cargo', [...target, '-runs=0'], { quiet: true });
  const { code, printed } = await run('cargo', [...target, `-max_total_time=${seconds}`], {
    quiet: true,
  });
  const done = /#(\d+)\s+DONE\s+cov: (\d+)/;
  const [, executions, edges] = printed.match(done) ?? [];
  if (code !== 0 || edges === undefined) {
    console.log(printed);
    return false;
  }
  const more = edges - (start.printed.match(done)?.[2] ?? 0);
  console.log(
    `${name.padEnd(8)} ${executions.padStart(10)} executions, ${edges} edges, ${more} new`,
  );
  return true;
}

await main().catch(fail);
