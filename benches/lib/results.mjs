// @ts-check
// The runs of a whole benchmark, and what can be asked of them.
import { quotients, spread } from './stats.mjs';

/** @typedef {import('./one-run.mjs').RunResult} RunResult */
/** @typedef {import('../plan.mjs').Case} Case */

/** More than this of a core used by others spoils a run. */
const DISTURBED = 0.1;

/** What can be read off one run. Times in ns a message, loop delay in ms, round trips in µs, memory in MiB. */
const MIB = 1024 ** 2;
/** @type {Record<string, (run: RunResult) => number | undefined>} */
export const readings = {
  rate: (run) => run.rate,
  receiveCpu: (run) => (run.receive.cpu / run.receive.count) * 1e9,
  sendCpu: (run) => (run.send ? (run.send.cpu / run.send.count) * 1e9 : undefined),
  receiveJs: (run) => (run.receive.jsCpu / run.receive.count) * 1e9,
  sendJs: (run) => (run.send ? (run.send.jsCpu / run.send.count) * 1e9 : undefined),
  bothJs: (run) =>
    run.send
      ? (run.receive.jsCpu / run.receive.count + run.send.jsCpu / run.send.count) * 1e9
      : undefined,
  loopDelay: (run) => run.receive.loopDelay?.p99,
  receiveRss: (run) => (run.rssMax ? run.rssMax.receive / MIB : undefined),
  sendRss: (run) => (run.rssMax ? run.rssMax.send / MIB : undefined),
  receiveGrowth: (run) => (run.rssGrowth ? run.rssGrowth.receive / MIB : undefined),
  sendGrowth: (run) => (run.rssGrowth ? run.rssGrowth.send / MIB : undefined),
  growth: (run) =>
    run.rssGrowth ? Math.max(run.rssGrowth.receive, run.rssGrowth.send) / MIB : undefined,
  group: (run) => run.group,
  p50: (run) => run.latencies?.p50,
  p90: (run) => run.latencies?.p90,
  p99: (run) => run.latencies?.p99,
  p999: (run) => run.latencies?.p999,
  max: (run) => run.latencies?.max,
};

export class Results {
  /** @type {Map<string, Map<string, RunResult[]>>} */ #cases = new Map();

  /** @param {string} id @param {string} contender @param {number} round @param {RunResult} run */
  add(id, contender, round, run) {
    const contenders = this.#cases.get(id) ?? new Map();
    this.#cases.set(id, contenders);
    const runs = contenders.get(contender) ?? [];
    contenders.set(contender, runs);
    runs[round] = run;
  }

  /** @param {string} id */
  contenders(id) {
    return [...(this.#cases.get(id)?.keys() ?? [])];
  }

  /** @param {string} id @param {string} contender */
  runs(id, contender) {
    return this.#cases.get(id)?.get(contender) ?? [];
  }

  /** @param {string} id @param {string} contender @param {string} reading @returns {(number | undefined)[]} by round */
  values(id, contender, reading) {
    return this.runs(id, contender).map((run) =>
      run === undefined || run.error ? undefined : readings[reading](run),
    );
  }

  /** @param {string} id @param {string} contender @param {string} reading */
  spread(id, contender, reading) {
    return spread(this.values(id, contender, reading));
  }

  /** @param {string} reading @param {[id: string, contender: string]} above @param {[id: string, contender: string]} below */
  quotient(reading, above, below) {
    return quotients(this.values(...above, reading), this.values(...below, reading));
  }

  /** @returns {{ id: string, contender: string, errors: string[], valid: number }[]} where a run went wrong */
  failures() {
    return [...this.#cases]
      .flatMap(([id, contenders]) =>
        [...contenders].map(([contender, runs]) => ({
          id,
          contender,
          errors: runs.flatMap((run) => (run.error ? [run.error] : [])),
          valid: runs.filter((run) => !run.error).length,
        })),
      )
      .filter(({ errors }) => errors.length > 0);
  }

  /** How many runs others disturbed, of how many. */
  disturbed() {
    const runs = [...this.#cases.values()].flatMap((contenders) => [...contenders.values()].flat());
    return {
      runs: runs.length,
      disturbed: runs.filter((run) => (run.others ?? 0) > DISTURBED).length,
    };
  }

  /** @returns {Record<string, string>} of the contenders, as they said it themselves */
  versions() {
    const runs = [...this.#cases.values()].flatMap((contenders) => [...contenders]);
    return Object.fromEntries(
      runs.flatMap(([name, all]) =>
        all.flatMap((run) => (run.receive?.version ? [[name, run.receive.version]] : [])),
      ),
    );
  }

  toJSON() {
    return Object.fromEntries(
      [...this.#cases].map(([id, contenders]) => [
        id,
        Object.fromEntries(
          [...contenders].map(([contender, runs]) => [
            contender,
            { summary: this.#summary(id, contender), runs },
          ]),
        ),
      ]),
    );
  }

  /** @param {string} id @param {string} contender */
  #summary(id, contender) {
    return Object.fromEntries(
      Object.keys(readings).map((reading) => [reading, this.spread(id, contender, reading)]),
    );
  }
}
