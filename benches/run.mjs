// @ts-check
// `npm run bench`: every number that chaski's documents state, with the peers it is compared with. See README.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import { aloneRun } from './lib/alone.mjs';
import { loadContenders } from './lib/contenders.mjs';
import { machineFacts } from './lib/machine.mjs';
import { oneRun } from './lib/one-run.mjs';
import { HELP, readOptions } from './lib/options.mjs';
import { caseTable, targetData, targetTable } from './lib/report.mjs';
import { Results } from './lib/results.mjs';
import { Services } from './lib/services.mjs';
import { cases } from './plan.mjs';

/** @typedef {import('./lib/contenders.mjs').Contender} Contender */
/** @typedef {import('./plan.mjs').Case} Case */

const options = readOptions(process.argv.slice(2));
const services = new Services();
/** @type {Map<string, string | undefined>} */
const absent = new Map();
const started = new Date();
const facts = machineFacts();

if (options.help) process.stdout.write(HELP);
else await main();
process.exit();

async function main() {
  const contenders = await loadContenders();
  const chosen = cases
    .filter(isWanted)
    .map((one) => ({ one, field: contenders.filter((contender) => takesPart(contender, one)) }));
  if (options.list) {
    for (const { one, field } of chosen)
      process.stdout.write(`${one.id}: ${field.map(({ name }) => name).join(' ')}\n`);
    return;
  }
  const results = new Results();
  const tables = [];
  for (const { one, field } of chosen) {
    await measure(one, field, results);
    if (results.contenders(one.id).length === 0) continue;
    tables.push(caseTable(one, results));
    process.stdout.write(`\n${tables.at(-1)}\n`);
  }
  tables.push(targetTable(results, !options.only && !options.with));
  process.stdout.write(`\n${tables.at(-1)}\n`);
  save(results, tables);
  complain(results);
}

/** @param {Case} one */
function isWanted(one) {
  if (options.quick && !one.quick) return false;
  return !options.only || options.only.some((part) => one.id.includes(part));
}

/** @param {Contender} contender @param {Case} one */
function takesPart({ name, peer }, one) {
  if (!peer.modes.includes(one.mode) || peer.fits?.(one.size) === false) return false;
  if (one.field && !one.field.includes(name)) return false;
  if (options.quick && !one.quick?.includes(name)) return false;
  return !options.with || options.with.some((part) => name.startsWith(part));
}

/** Round after round, everybody in turn, so that drift hits all. @param {Case} one @param {Contender[]} field @param {Results} results */
async function measure(one, field, results) {
  const able = [];
  for (const contender of field) {
    const reason = await reasonOfAbsence(contender);
    if (reason === undefined) able.push(contender);
    else say(`${one.id} ${contender.name}: does not take part: ${reason}`);
  }
  const addresses = await services.start([
    ...new Set(able.flatMap(({ peer }) => peer.services ?? [])),
  ]);
  const rounds = options.quick && one.kind === 'growth' ? 1 : options.runs; // those take their time
  for (let round = 0; round < rounds; round++) {
    for (const contender of able) {
      const run = await runOf(contender, {
        ...specOf(one, contender, addresses),
        ...loadOf(one, results, round),
      });
      results.add(one.id, contender.name, round, { ...run, size: one.size });
      say(
        `${one.id} ${round + 1}/${rounds} ${contender.name}: ${brief(run)}${(run.others ?? 0) > 0.1 ? ` (others: ${run.others?.toFixed(2)} of a core)` : ''}`,
      );
    }
  }
  await services.stop();
}

/** @param {Contender} contender @param {import('./lib/peer.mjs').Spec} spec */
function runOf({ peer, env }, spec) {
  return peer.topology === 'alone' ? aloneRun(peer, spec, env) : oneRun(peer, spec, env);
}

/** What a log is asked to do: who takes no decision of its own shares syncs as Kaska did in the same round. @param {Case} one @param {Results} results @param {number} round */
function loadOf(one, results, round) {
  if (one.log === undefined) return {};
  const group = results.runs(one.id, 'kaska')[round]?.group ?? one.log.inFlight;
  return { role: /** @type {const} */ ('log'), log: { ...one.log, group } };
}

/** @param {Case} one @param {Contender} contender @param {Record<string, any>} addresses @returns {import('./lib/peer.mjs').Spec} */
function specOf(one, contender, addresses) {
  const { warmup, seconds } = options;
  const { mode, size, rate = 0 } = one;
  const ordered = one.kind !== 'growth' && !contender.peer.unordered; // what was taken of a flood is not known in advance
  return {
    peer: contender.file,
    role: 'receive',
    mode,
    size,
    rate,
    ordered,
    warmup,
    seconds,
    services: addresses,
  };
}

/** @param {Contender} contender @returns {Promise<string | undefined>} */
async function reasonOfAbsence({ name, peer }) {
  if (!absent.has(name))
    absent.set(name, (await peer.missing?.()) ?? (await services.missing(peer.services ?? [])));
  return absent.get(name);
}

/** @param {import('./lib/one-run.mjs').RunResult} run */
function brief(run) {
  if (run.error) return `FAILED: ${run.error}`;
  if (run.rssGrowth)
    return `RSS +${(run.rssGrowth.receive / 2 ** 20).toFixed(0)} and +${(run.rssGrowth.send / 2 ** 20).toFixed(0)} MiB`;
  if (run.latencies)
    return `p50 ${run.latencies.p50.toFixed(1)} µs, p99 ${run.latencies.p99.toFixed(1)} µs`;
  return `${Math.round(run.rate ?? 0).toLocaleString('en')} messages/s`;
}

/** Only a whole run replaces the figures that the documents state. @param {Results} results @param {string[]} tables */
function save(results, tables) {
  const whole = !options.quick && !options.only && !options.with;
  const folder = new URL(whole ? 'results/' : 'results/local/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const { runs, seconds, warmup, quick } = options;
  const versions = { ...results.versions(), ...services.versions };
  const missing = Object.fromEntries([...absent].filter(([, reason]) => reason !== undefined));
  const data = {
    date: started.toISOString(),
    machine: facts,
    options: { runs, seconds, warmup, quick },
    versions,
    missing,
    ...results.disturbed(),
    targets: targetData(results),
    cases: results,
  };
  const about = `${started.toISOString().slice(0, 10)}, ${facts.cpu}, ${facts.cores} cores, ${facts.system}, Node ${facts.node}; ${runs} runs of ${seconds} s.`;
  writeFileSync(new URL('latest.json', folder), `${JSON.stringify(data, undefined, 1)}\n`);
  writeFileSync(
    new URL('latest.md', folder),
    `# Benchmark\n\n${about}\n\n${tables.toReversed().join('\n')}`,
  );
  say(
    `written: benches/results/${whole ? '' : 'local/'}latest.json and latest.md, after ${Math.round((Date.now() - started.getTime()) / 1e3)} s`,
  );
}

/** Timings decide nothing; a contender of which no run was valid is a fault. @param {Results} results */
function complain(results) {
  const { runs, disturbed } = results.disturbed();
  if (disturbed > 0)
    process.stdout.write(
      `In ${disturbed} of ${runs} runs other processes used more than a tenth of a core: take those figures with care.\n`,
    );
  for (const { id, contender, errors, valid } of results.failures()) {
    process.stdout.write(
      `${id} ${contender}: ${errors.length} failed, ${valid} valid: ${errors[0]}\n`,
    );
    if (valid === 0) process.exitCode = 1;
  }
  for (const [name, reason] of absent)
    if (reason !== undefined) process.stdout.write(`${name} did not take part: ${reason}\n`);
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
