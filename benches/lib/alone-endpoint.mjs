// @ts-check
// A run of one process: a log in the process that uses it, or in a server of its own. Speaks the endpoint protocol with the runner.
//
// From the runner: begin.
// To the runner: ready, result {…}, failed {message}.
import { openControl } from './control.mjs';
import { Latencies } from './latency.mjs';
import { fill, logDrivers } from './log-drivers.mjs';
import { Clock } from './run.mjs';

const control = openControl();
const { spec } = control;

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
main().catch(fail);

/** What a driver sees of a run. */
export class AloneRun {
  /** Records so far. */
  done = 0;
  /** False once the load should end. */
  running = true;
  latencies = new Latencies();
  /** @type {(() => number) | undefined} how many syncs there were */
  syncs;
  #clock;

  /** @param {import('./peer.mjs').Spec} spec */
  constructor(spec) {
    this.spec = spec;
    this.load = /** @type {import('./log-run.mjs').LogLoad} */ (spec.log);
    this.#clock = new Clock(spec, () => this.done);
  }

  get timed() {
    return this.#clock.timed;
  }

  start() {
    this.#clock.start(() => (this.running = false));
  }

  result() {
    const syncs = this.syncs?.();
    const group = syncs ? this.done / this.load.batch / syncs : undefined;
    return { ...this.#clock.result(), group, latencies: this.latencies.summary() };
  }
}

async function main() {
  /** @type {import('./peer.mjs').Peer} */
  const peer = (await import(`../peers/${spec.peer}.mjs`)).default;
  const run = new AloneRun(spec);
  const open = async () => {
    if (peer.log === undefined) throw new Error(`${spec.peer} is no log`);
    return peer.log(spec);
  };
  if (spec.role === 'fill') {
    const log = await open();
    await fill(run, log);
    if (spec.log?.left === 'clean') await log.close();
    control.say({ type: 'filled' });
    return; // stays until the runner ends it
  }
  const begin = new Promise((resolve) => control.on('begin', resolve));
  control.say({ type: 'ready' });
  await begin;
  await logDrivers[spec.mode]?.(run, open);
  control.say({ type: 'result', ...run.result(), version: peer.version?.() });
}

/** @param {any} error */
function fail(error) {
  control.say({ type: 'failed', message: String(error?.stack ?? error) });
  control.exit(1);
}
