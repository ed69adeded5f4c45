// @ts-check
// What the terminal says: a frame and a line for each moment, and the summary. Only text is made here, from numbers.

import { bytes, count, duration, megabytes, plural } from './format.mjs';

/** @typedef {import('./meter.mjs').Snapshot} Snapshot */
/** @typedef {import('./screen.mjs').Paint} Paint */
/** @typedef {import('./screen.mjs').View} View */

/**
 * @typedef {object} Goal how far there is to go, as far as that is known
 * @property {number | undefined} bytes
 * @property {number} seconds may be Infinity
 */

const LABEL_WIDTH = 13;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/**
 * What stands there until all processes are ready.
 * @param {string} title of the source
 * @param {number} producers
 * @returns {View}
 */
export function starting(title, producers) {
  const text = `starting ${plural(producers, 'producer')} and a consumer ...`;
  return {
    frame: (_width, paint) => [
      '',
      `  ${paint('bold', 'chaski')} ${title}`,
      '',
      `  ${paint('dim', text)}`,
      '',
    ],
    line: () => `  ${text}`,
  };
}

/**
 * The live view of the ingestion.
 * @param {string} title
 * @param {Goal} goal
 * @param {() => Snapshot} snapshot
 * @returns {View}
 */
export function ingesting(title, goal, snapshot) {
  return {
    frame(width, paint) {
      const now = snapshot();
      const row = (/** @type {string} */ label, /** @type {string} */ value, extra = '') =>
        `  ${paint('dim', label.padEnd(LABEL_WIDTH))}${paint('bold', value)}${extra && `  ${paint('dim', extra)}`}`;
      return [
        '',
        `  ${paint('bold', 'chaski')} ${title}`,
        '',
        `  ${progressBar(fraction(now, goal), width, paint)}`,
        `  ${paint('dim', progressText(now, goal))}`,
        '',
        `${row('records/s', count(now.recordsPerSecond).padEnd(12))}${paint('cyan', sparkline(now.history, width - 32))}`,
        row('throughput', megabytes(now.bytesPerSecond)),
        row('queue depth', plural(now.queued, 'record'), 'put and not acknowledged yet'),
        row(
          'round trip',
          now.samples === 0 ? '–' : `${duration(now.p50Ms)} p50 · ${duration(now.p99Ms)} p99`,
          'put → fsync → acknowledged',
        ),
        row('event loop', `${duration(now.delayMs)} p99`, "the consumer's delay"),
        row('memory', bytes(now.memory), 'of the consumer'),
        '',
      ];
    },
    line() {
      const now = snapshot();
      return [
        duration(now.elapsedMs).padStart(8),
        progressText(now, { ...goal, seconds: Infinity }),
        `${count(now.recordsPerSecond)} records/s`,
        megabytes(now.bytesPerSecond),
        `${plural(now.queued, 'record')} queued`,
        `round trip ${now.samples === 0 ? '–' : duration(now.p50Ms)}`,
        `event-loop delay ${duration(now.delayMs)}`,
      ].join('   ');
    },
  };
}

/**
 * The live view of the verification.
 * @param {() => number} done bytes compared
 * @param {number} total
 * @returns {View}
 */
export function verifying(done, total) {
  const text = () => `verifying ${bytes(done())} of ${bytes(total)}`;
  return {
    frame: (width, paint) => [
      '',
      `  ${progressBar(done() / total, width, paint)}`,
      `  ${paint('dim', text())}`,
      '',
    ],
    line: () => `  ${text()}`,
  };
}

/**
 * @typedef {object} Outcome
 * @property {Snapshot} last
 * @property {Pick<import('./ingest.mjs').Ingested, 'stored' | 'crashes' | 'again'>} ingested
 * @property {number} crashes how many were asked for
 * @property {import('./verify.mjs').Verdict} verdict
 * @property {number} verifyMs
 * @property {string} folder where the log is
 */

/**
 * @param {Outcome} outcome
 * @param {Paint} paint
 */
export function summary({ last, ingested, crashes: wanted, verdict, verifyMs, folder }, paint) {
  const { stored, crashes, again } = ingested;
  const good = verdict.differences.length === 0;
  // A consumer that was killed could not say what it had done last.
  const { records, bytes: size } = good ? verdict : last;
  const seconds = last.elapsedMs / 1000;
  const row = (/** @type {string} */ label, /** @type {string} */ text) =>
    `  ${paint('dim', label.padEnd(LABEL_WIDTH))}${text}`;
  const verified = good
    ? paint('green', `verified: ${plural(records, 'record')} once each, in order, byte for byte`)
    : paint('red', 'NOT verified: what is in the log differs from the source');
  return [
    '',
    row('records', paint('bold', count(records))),
    row('bytes', size < 1000 ? count(size) : `${bytes(size)} (${count(size)})`),
    row('time', `${seconds.toFixed(2)} s`),
    row(
      'rate',
      `${paint('bold', `${count(records / seconds)} records/s`)} · ${megabytes(size / seconds)}`,
    ),
    row(
      'round trip',
      `${duration(last.p50Ms)} p50 · ${duration(last.p99Ms)} p99 (put → fsync → acknowledged, ${plural(last.samples, 'sample')})`,
    ),
    row(
      'consumer',
      `${bytes(stored.peakMemory)} peak memory · ${duration(last.worstDelayMs)} event-loop delay p99 at worst · ${plural(stored.commits, 'commit')}`,
    ),
    ...(wanted === 0
      ? []
      : [
          row(
            'crashes',
            `killed ${times(crashes, wanted)}; ${plural(again, 'record')} came again, none was stored twice`,
          ),
        ]),
    ...verdict.topics.flatMap(({ topic, from, to, sha256 }) => [
      row(topic, `offsets ${count(from)} to ${count(to)}`),
      row('', paint('dim', `sha256 ${sha256}`)),
    ]),
    row('log', folder),
    '',
    `  ${verified} (${duration(verifyMs)})`,
    '',
  ];
}

/**
 * How often, and why not as often as was asked for.
 * @param {number} done
 * @param {number} wanted
 */
function times(done, wanted) {
  if (done < wanted) return `${done} of ${wanted} times, until all was stored`;
  return done === 1 ? 'once' : `${done} times`;
}

/**
 * @param {Snapshot} now
 * @param {Goal} goal
 */
function fraction(now, goal) {
  const time = now.elapsedMs / 1000 / goal.seconds;
  return goal.bytes === undefined ? time || undefined : Math.max(time, now.bytes / goal.bytes);
}

/**
 * @param {Snapshot} now
 * @param {Goal} goal
 */
function progressText(now, goal) {
  const amount =
    goal.bytes === undefined ? bytes(now.bytes) : `${bytes(now.bytes)} of ${bytes(goal.bytes)}`;
  if (goal.seconds === Infinity) return amount;
  return `${amount} · ${Math.floor(now.elapsedMs / 1000)} s of at most ${goal.seconds} s`;
}

/**
 * @param {number | undefined} part from 0 to 1; undefined: nobody knows
 * @param {number} width of the terminal
 * @param {Paint} paint
 */
export function progressBar(part, width, paint) {
  const room = Math.max(5, Math.min(60, width - 12));
  if (part === undefined) return paint('dim', '░'.repeat(room));
  const eighths = Math.round(Math.min(1, part) * room * 8);
  const full = '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  const percent = `${Math.floor(Math.min(1, part) * 100)} %`;
  return `${paint('cyan', full)}${paint('dim', '░'.repeat(room - full.length))} ${percent.padStart(6)}`;
}

/**
 * @param {readonly number[]} values
 * @param {number} room columns
 */
export function sparkline(values, room) {
  const shown = values.slice(-Math.max(1, Math.min(40, room)));
  const top = Math.max(1, ...shown);
  return shown.map((value) => LEVELS[Math.min(7, Math.floor((value / top) * 8))]).join('');
}
