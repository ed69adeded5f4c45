// @ts-check
// `npm start`: high-throughput ingestion of real data through chaski/net-queue into a log of chaski/kaska. Read on in this order:
// producer.mjs and consumer.mjs use the queue, store.mjs makes records safe before they are acknowledged, records.mjs says what a
// record is, and verify.mjs proves that what is in the log is what was read. The rest shows it.

import { join } from 'node:path';
import { difference } from './consumers.mjs';
import { Failure, printable } from './failure.mjs';
import { count, plural } from './format.mjs';
import { ingest } from './ingest.mjs';
import { Meter } from './meter.mjs';
import { USAGE, UsageError, parseOptions } from './options.mjs';
import { citiesSource, expectedBytes, filesSource, stdinSource } from './records.mjs';
import { Screen } from './screen.mjs';
import { verify } from './verify.mjs';
import { ingesting, starting, summary, verifying } from './view.mjs';
import { Workspace } from './workspace.mjs';

/** Signals that ask for an orderly end, and the exit codes that tell of it. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

process.exitCode = await main(process.argv.slice(2));

/** @param {string[]} args */
async function main(args) {
  const options = readOptions(args);
  if (!options) return 2;
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }

  const screen = new Screen(process.stdout, process.env);
  const interruption = new AbortController();
  let interruptedBy = 0;
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (interruptedBy !== 0) process.exit(code); // asked twice: at once
      interruptedBy = code;
      interruption.abort();
    });
  }
  process.stdout.on('error', () => interruption.abort()); // nobody reads on, as in `npm start | head`

  try {
    await run(options, screen, interruption.signal);
    return 0;
  } catch (error) {
    screen.settle();
    if (interruption.signal.aborted) {
      screen.print('', '  Interrupted: nothing was verified.');
      return interruptedBy || 1;
    }
    const text =
      error instanceof Failure
        ? error.message
        : error instanceof Error
          ? error.stack
          : String(error);
    process.stderr.write(`Failed: ${text}\n`);
    return 1;
  }
}

/**
 * @param {import('./options.mjs').Options} options
 * @param {Screen} screen
 * @param {AbortSignal} signal
 */
async function run(options, screen, signal) {
  const workspace = await Workspace.create(options);
  try {
    const source = await sourceOf(options, workspace);
    const goal = { bytes: expectedBytes(source), seconds: options.seconds };
    if (goal.bytes === 0) throw nothingIn(source);
    await workspace.checkSpace(goal.bytes ?? 0);

    if (screen.interactive) screen.show(starting(source.title, options.producers));
    const meter = new Meter();
    const ingested = await ingest({
      source,
      options,
      workspace,
      meter,
      signal,
      onStart(address) {
        const title = titleOf(options, source.title, address);
        if (!screen.interactive) screen.print(title);
        screen.show(ingesting(title, goal, () => meter.snapshot()));
      },
    });
    signal.throwIfAborted();
    const last = meter.snapshot();
    if (last.records === 0) throw nothingIn(source);

    let compared = 0;
    screen.show(verifying(() => compared, last.bytes));
    const start = performance.now();
    const verdict = await verify({
      source: ingested.source,
      folder: workspace.folder,
      starts: ingested.starts,
      expected: ingested.put,
      onProgress: (bytes) => (compared = bytes),
      signal,
    });
    checkCounts(verdict, ingested);

    const folder = printable(workspace.folder);
    const verifyMs = performance.now() - start;
    const { crashes } = options;
    screen.print(...summary({ last, ingested, crashes, verdict, verifyMs, folder }, screen.paint));
    if (verdict.differences.length > 0) throw new Failure(verdict.differences.join('\n'));
  } finally {
    screen.settle();
    await workspace.remove();
  }
}

/** @param {import('./records.mjs').Source} source */
function nothingIn({ title }) {
  return new Failure(`there is nothing to ingest: ${title} has no records`);
}

/**
 * Three processes have counted; each must have come to what the verification found.
 * @param {import('./verify.mjs').Verdict} verdict
 * @param {import('./ingest.mjs').Ingested} ingested
 */
function checkCounts(verdict, { put, stored, starts }) {
  const sum = put.reduce((total, producer) => total + producer.records, 0);
  const inLog = difference(stored.ends, starts);
  if (sum !== verdict.records || inLog !== verdict.records) {
    verdict.differences.push(
      `counts differ: ${count(sum)} put, ${count(inLog)} in the log, ${count(verdict.records)} verified`,
    );
  }
}

/**
 * @param {import('./options.mjs').Options} options
 * @param {Workspace} workspace
 */
async function sourceOf(options, workspace) {
  if (options.input === 'cities') {
    return citiesSource(join(workspace.temporary, 'cities'), options.bytes);
  }
  if (options.input === 'files') return filesSource(options.files, options.bytes);
  return stdinSource(join(workspace.temporary, 'stdin'), options.bytes);
}

/**
 * @param {import('./options.mjs').Options} options
 * @param {string} title
 * @param {string} address
 */
function titleOf({ producers, unix }, title, address) {
  return `${title} → ${plural(producers, 'producer')} → ${unix ? 'UNIX' : 'TCP'} ${address} → consumer → log`;
}

/** @param {string[]} args */
function readOptions(args) {
  try {
    return parseOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    return undefined;
  }
}
