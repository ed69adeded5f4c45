// @ts-check
// One half of one run: a child process, or a worker thread of one. Speaks the endpoint protocol with the runner.
//
// From the runner: begin, expect {count}, pause, resume, flood.
// To the runner: listening {address}, ready, flooding {sent}, paused, sent {sent, result}, result {…}, failed {message}.
import { drivers } from './drivers.mjs';
import { openControl } from './control.mjs';
import { ReceiveRun, SendRun } from './run.mjs';

const DRAIN_MS = 10_000;
const QUIET_MS = 300;
const POLL_MS = 10;

const control = openControl();
const { spec } = control;

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
main().catch(fail);

async function main() {
  /** @type {import('./peer.mjs').Peer} */
  const peer = (await import(`../peers/${spec.peer}.mjs`)).default;
  await (spec.role === 'receive' ? receive(peer) : send(peer));
}

/** @param {import('./peer.mjs').Peer} peer */
async function receive(peer) {
  const run = new ReceiveRun(spec, control.channel, { listening, flooding });
  const receiver = await peer.receive?.(run);
  control.on('pause', () => {
    receiver?.pause?.();
    control.say({ type: 'paused' });
  });
  control.on('resume', () => receiver?.resume?.());
  control.on('begin', () => run.clock.start());
  control.on('expect', ({ count }) => {
    tell(peer, run, count)
      .then(() => receiver?.close())
      .catch(fail);
  });
  control.say({ type: 'ready' });
}

/** @param {import('./peer.mjs').Peer} peer @param {ReceiveRun} run @param {number | null} count */
async function tell(peer, run, count) {
  await arrived(run, count);
  control.say({
    type: 'result',
    ...run.clock.result(),
    received: run.check.count,
    wrong: run.check.wrong,
    latencies: run.latencies.summary(),
    version: peer.version?.(),
  });
}

/** Waits for `count` messages, or, where nobody knows it, until no more come. @param {ReceiveRun} run @param {number | null} count */
async function arrived(run, count) {
  const end = Date.now() + DRAIN_MS;
  let seen = -1;
  let quietFrom = Date.now();
  while (Date.now() < end) {
    const now = run.check.count;
    if (count === null ? Date.now() - quietFrom > QUIET_MS : now >= count) break;
    if (now !== seen) quietFrom = Date.now();
    seen = now;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  while (run.clock.started && !run.clock.result() && Date.now() < end)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** @param {import('./peer.mjs').Peer} peer */
async function send(peer) {
  const run = new SendRun(spec, control.channel, { listening, flooding });
  const sender = /** @type {import('./peer.mjs').Sender} */ (await peer.send?.(run));
  const begin = new Promise((resolve) => control.on('begin', resolve));
  control.say({ type: 'ready' });
  await begin;
  await drivers[spec.mode](run, sender);
  control.say({ type: 'offered' });
  await sender?.finish();
  control.say({
    type: 'sent',
    sent: run.sent,
    result: { ...run.clock.result(), latencies: run.latencies.summary() },
  });
  // Stays until the runner ends it: what a library still holds gets through.
}

/** @param {any} address */
function listening(address) {
  control.say({ type: 'listening', address });
}

/** @param {number} sent @returns {Promise<void>} */
function flooding(sent) {
  return new Promise((resolve) => {
    control.on('flood', () => resolve());
    control.say({ type: 'flooding', sent });
  });
}

/** @param {any} error */
function fail(error) {
  control.say({ type: 'failed', message: String(error?.stack ?? error) });
  control.exit(1);
}
