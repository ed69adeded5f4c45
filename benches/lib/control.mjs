// @ts-check
// The line between a half of a run and the runner: JSON lines over stdin and stdout in a process, messages in a worker thread.
import { createInterface } from 'node:readline';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';

/**
 * @typedef {object} ControlLine
 * @property {import('./peer.mjs').Spec} spec
 * @property {any} channel
 * @property {(message: object) => void} say
 * @property {(type: string, listener: (message: any) => void) => void} on
 * @property {(code?: number) => void} exit
 */

/** @returns {ControlLine} */
export function openControl() {
  return isMainThread ? overStdio() : overPort();
}

/** @returns {ControlLine} */
function overStdio() {
  const listeners = new Map();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => dispatch(listeners, JSON.parse(line)));
  lines.on('close', () => process.exit(2)); // the runner is gone
  return {
    spec: JSON.parse(process.argv[2]),
    channel: undefined,
    say: (message) => void process.stdout.write(`${JSON.stringify(message)}\n`),
    on: (type, listener) => void listeners.set(type, listener),
    exit: (code = 0) => void process.stdout.write('', () => process.exit(code)),
  };
}

/** @returns {ControlLine} */
function overPort() {
  const listeners = new Map();
  const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
  port.on('message', (message) => dispatch(listeners, message));
  return {
    spec: workerData.spec,
    channel: workerData.channel,
    say: (message) => port.postMessage(message),
    on: (type, listener) => void listeners.set(type, listener),
    exit: () => setImmediate(() => port.close()),
  };
}

/** @param {Map<string, (message: any) => void>} listeners @param {any} message */
function dispatch(listeners, message) {
  listeners.get(message.type)?.(message);
}
