// @ts-check
// Both halves of a run as worker threads of one process, joined by a MessageChannel. Relays the endpoint protocol by role.
import { createInterface } from 'node:readline';
import { MessageChannel, Worker } from 'node:worker_threads';

/** @type {import('./peer.mjs').Spec[]} */
const specs = JSON.parse(process.argv[2]);
const { port1, port2 } = new MessageChannel();
const channels = { receive: port1, send: port2 };
/** @type {Map<string, Worker>} */
const workers = new Map();

for (const spec of specs) {
  const channel = channels[spec.role];
  const worker = new Worker(new URL('endpoint.mjs', import.meta.url), {
    workerData: { spec, channel },
    transferList: [channel],
  });
  worker.on('message', (message) => say(spec.role, message));
  worker.on('error', (error) => say(spec.role, { type: 'failed', message: String(error.stack) }));
  workers.set(spec.role, worker);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { role, ...message } = JSON.parse(line);
  workers.get(role)?.postMessage(message);
});
lines.on('close', () => process.exit(2));

/** @param {string} role @param {object} message */
function say(role, message) {
  process.stdout.write(`${JSON.stringify({ role, ...message })}\n`);
}
