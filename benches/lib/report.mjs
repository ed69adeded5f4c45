// @ts-check
// Markdown: a table for each case, and one of targets.
import { judge, targets } from '../targets.mjs';

/** What the rates and round trips of a case are compared with, the first that took part. */
const BASES = ['slab', 'slab-columns', 'jetstream', 'raw-log'];

/** @typedef {import('./results.mjs').Results} Results */
/** @typedef {import('./stats.mjs').Spread} Spread */

/** @type {Record<string, [heading: string, cell: (results: Results, id: string, name: string) => string][]>} */
const COLUMNS = {
  rate: [
    ['messages/s', reading('rate', count)],
    ['MB/s', megabytes],
    ['× base', versus('rate')],
    ['CPU a message, receiver', reading('receiveCpu', nanoseconds)],
    ['sender', reading('sendCpu', nanoseconds)],
    ['JS thread a message, receiver', reading('receiveJs', nanoseconds)],
    ['sender', reading('sendJs', nanoseconds)],
    ['loop delay p99', reading('loopDelay', (ms) => `${ms.toFixed(1)} ms`)],
    ['RSS, receiver', reading('receiveRss', mebibytes)],
    ['sender', reading('sendRss', mebibytes)],
  ],
  latency: [
    ['p50', reading('p50', microseconds)],
    ['× base', versus('p50')],
    ['p90', reading('p90', microseconds)],
    ['p99', reading('p99', microseconds)],
    ['p99.9', reading('p999', microseconds)],
    ['max', reading('max', microseconds)],
    ['CPU a message, receiver', reading('receiveCpu', nanoseconds)],
    ['sender', reading('sendCpu', nanoseconds)],
  ],
  growth: [
    ['RSS growth, receiver', reading('receiveGrowth', mebibytes)],
    ['sender', reading('sendGrowth', mebibytes)],
  ],
  log: [
    ['records/s', reading('rate', count)],
    ['MB/s', megabytes],
    ['× base', versus('rate')],
    ['appends a sync', reading('group', (appends) => appends.toFixed(1))],
    ['CPU a record', reading('receiveCpu', nanoseconds)],
    ['JS thread a record', reading('receiveJs', nanoseconds)],
    ['loop delay p99', reading('loopDelay', (ms) => `${ms.toFixed(1)} ms`)],
    ['RSS', reading('receiveRss', mebibytes)],
  ],
  'log-latency': [
    ['p50', reading('p50', microseconds)],
    ['× base', versus('p50')],
    ['p90', reading('p90', microseconds)],
    ['p99', reading('p99', microseconds)],
    ['p99.9', reading('p999', microseconds)],
    ['max', reading('max', microseconds)],
    ['CPU a record', reading('receiveCpu', nanoseconds)],
  ],
  'log-opening': [
    ['time', reading('p50', microseconds)],
    ['RSS', reading('receiveRss', mebibytes)],
  ],
  'log-idle': [['loop delay p99', reading('loopDelay', (ms) => `${ms.toFixed(2)} ms`)]],
  idle: [
    ['loop delay p99', reading('loopDelay', (ms) => `${ms.toFixed(2)} ms`)],
    ['RSS', reading('receiveRss', mebibytes)],
  ],
};

/** @param {import('../plan.mjs').Case} one @param {Results} results */
export function caseTable(one, results) {
  const base = baseOf(one.id, results);
  const columns = COLUMNS[one.kind];
  const rows = results
    .contenders(one.id)
    .map((name) => [
      name,
      ...columns.map(([, cell]) => cell(results, one.id, name)),
      faults(results, one.id, name),
    ]);
  const note = base ? `Base: ${base}. ` : '';
  return `### ${one.title}\n\n\`${one.id}\`. ${note}Median (least–most).\n\n${table(['', ...columns.map(([heading]) => heading), 'failed runs'], rows)}`;
}

/** @param {Results} results @param {boolean} whole shows those that were not measured, too */
export function targetTable(results, whole) {
  const judged = targets
    .map((target) => judge(target, results))
    .filter(({ measured }) => measured !== undefined || whole);
  if (judged.length === 0) return '';
  const rows = judged.map(({ target, measured, reached }) => {
    const shown = (/** @type {number} */ value) =>
      target.unit === '×' ? value.toFixed(2) : value.toFixed(1);
    return [
      target.what,
      `${target.sense} ${target.unit === '×' ? `${shown(target.floor)} ×` : `${target.floor} ${target.unit}`}`,
      measured
        ? `${shown(measured.median)} (${shown(measured.min)}–${shown(measured.max)})`
        : 'not measured',
      reached === undefined ? '' : reached ? 'reached' : 'NOT reached',
    ];
  });
  return `### Targets\n\n${table(['what', 'floor', 'measured', ''], rows)}`;
}

/** @param {Results} results */
export function targetData(results) {
  return targets.map((target) => {
    const { measured, reached } = judge(target, results);
    return {
      what: target.what,
      sense: target.sense,
      floor: target.floor,
      unit: target.unit,
      measured,
      reached,
    };
  });
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const all = [head, head.map(() => '---'), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return `${all.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`).join('\n')}\n`;
}

/** @param {string} name @param {(value: number) => string} format @returns {(results: Results, id: string, contender: string) => string} */
function reading(name, format) {
  return (results, id, contender) => {
    const found = results.spread(id, contender, name);
    if (!found) return '–';
    return found.runs === 1
      ? format(found.median)
      : `${format(found.median)} (${bare(format(found.min))}–${bare(format(found.max))})`;
  };
}

/** @param {string} name @returns {(results: Results, id: string, contender: string) => string} */
function versus(name) {
  return (results, id, contender) => {
    const base = baseOf(id, results);
    const found = base ? results.quotient(name, [id, contender], [id, base]) : undefined;
    return found
      ? `${found.median.toPrecision(3)} (${found.min.toPrecision(3)}–${found.max.toPrecision(3)})`
      : '–';
  };
}

/** @param {Results} results @param {string} id @param {string} contender */
function megabytes(results, id, contender) {
  const found = results.spread(id, contender, 'rate');
  const bytes = results.runs(id, contender).find((run) => !run?.error)?.size;
  return found && bytes ? ((found.median * bytes) / 1e6).toFixed(0) : '–';
}

/** @param {Results} results @param {string} id @param {string} contender */
function faults(results, id, contender) {
  return String(results.runs(id, contender).filter((run) => run?.error).length || '');
}

/** @param {string} id @param {Results} results */
function baseOf(id, results) {
  const names = results.contenders(id);
  return BASES.find((name) => names.includes(name));
}

/** Without the unit. @param {string} text */
function bare(text) {
  return text.split(' ', 1)[0];
}

/** @param {number} value */
function count(value) {
  return value >= 1e6
    ? `${(value / 1e6).toFixed(2)} M`
    : value >= 1e3
      ? `${(value / 1e3).toFixed(1)} k`
      : value.toFixed(0);
}

/** @param {number} value */
function nanoseconds(value) {
  return value >= 10_000 ? `${(value / 1e3).toFixed(0)} µs` : `${value.toFixed(0)} ns`;
}

/** @param {number} value */
function microseconds(value) {
  return value >= 10_000 ? `${(value / 1e3).toFixed(1)} ms` : `${value.toFixed(0)} µs`;
}

/** @param {number} value */
function mebibytes(value) {
  return `${value.toFixed(0)} MiB`;
}
