// @ts-check
// How each mode drives a log. Every contender is driven by the same code.
import { setImmediate as turn } from 'node:timers/promises';
import { makeRecords } from './log-run.mjs';

/** What settles without a turn of the loop, over and over, would hold up the clock. */
const LONGEST_MS = 5;
/** Records of one append when a log is filled to be read. */
const FILL_BATCH = 100;

/** @typedef {import('./log-run.mjs').Log} Log */
/** @typedef {import('./alone-endpoint.mjs').AloneRun} AloneRun */

/** @type {Record<string, (run: AloneRun, open: () => Promise<Log>) => Promise<unknown>>} */
export const logDrivers = {
  'log-append': (run, open) => using(open, (log) => append(run, log)),
  'log-single': (run, open) => using(open, (log) => single(run, log)),
  'log-read': (run, open) => using(open, (log) => read(run, log)),
  'log-open': opening,
  'log-idle': (run) => until(run),
};

/** @param {() => Promise<Log>} open @param {(log: Log) => Promise<unknown>} work */
async function using(open, work) {
  const log = await open();
  await work(log);
  await log.close();
}

/** `inFlight` appends wait at any time. @param {AloneRun} run @param {Log} log */
async function append(run, log) {
  const { batch, inFlight } = run.load;
  const records = makeRecords(batch, run.spec.size);
  const units = log.appendTogether ? 1 : inFlight;
  const each = (inFlight / units) * batch;
  const once = log.appendTogether
    ? () => log.appendTogether?.(records, inFlight)
    : () => log.append?.(records);
  run.syncs = log.syncs;
  run.start();
  const turns = new Turns();
  const line = async () => {
    while (run.running) {
      await once();
      run.done += each;
      if (turns.due) await turns.next();
    }
  };
  await Promise.all(Array.from({ length: units }, line));
}

/** One record, awaited, then the next. @param {AloneRun} run @param {Log} log */
async function single(run, log) {
  const records = makeRecords(1, run.spec.size);
  run.start();
  const turns = new Turns();
  while (run.running) {
    const from = performance.now();
    await log.append?.(records);
    if (run.timed) run.latencies.record(performance.now() - from);
    run.done += 1;
    if (turns.due) await turns.next();
  }
}

/** Lets the event loop turn now and then; all lines of a load together, or each would go on alone until the next one's turn. */
class Turns {
  #last = performance.now();
  /** @type {Promise<void> | undefined} */
  #next;

  get due() {
    return performance.now() - this.#last > LONGEST_MS;
  }

  next() {
    this.#next ??= turn().then(() => {
      this.#last = performance.now();
      this.#next = undefined;
    });
    return this.#next;
  }
}

/** All that was stored, again and again. @param {AloneRun} run @param {Log} log */
async function read(run, log) {
  const stored = await fill(run, log);
  const count = (/** @type {number} */ records) => (run.done += records);
  run.start();
  while (run.running) {
    const found = await log.read?.(count);
    if (found !== stored) throw new Error(`${stored} records were stored, ${found} were read`);
    await turn();
  }
}

/** @param {AloneRun} run @param {Log} log @returns {Promise<number>} records */
export async function fill(run, log) {
  const records = makeRecords(FILL_BATCH, run.spec.size);
  const appends = Math.ceil((run.load.bytes ?? 0) / records.data.length);
  for (let i = 0; i < appends; i += 8) {
    const some = Math.min(8, appends - i);
    await Promise.all(Array.from({ length: some }, async () => log.append?.(records)));
  }
  return appends * FILL_BATCH;
}

/** @param {AloneRun} run @param {() => Promise<Log>} open */
async function opening(run, open) {
  run.start();
  const from = performance.now();
  const log = await open();
  run.latencies.record(performance.now() - from);
  run.done = 1;
  await until(run);
  await log.close();
}

/** @param {AloneRun} run */
async function until(run) {
  run.start();
  while (run.running) await new Promise((resolve) => setTimeout(resolve, 50));
}
