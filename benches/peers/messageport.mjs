// @ts-check
// MessagePort between two worker threads of one process. Small messages are cloned, from 4 KiB on their memory is transferred.
const BURST = 1_024;
const TRANSFER = 4_096;
const CREDIT_BYTES = 8 * 1024 * 1024;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'MessagePort between worker threads (one process)',
  modes: ['callback', 'echo', 'paced'],
  topology: 'threads',
  version: () => process.version,
  receive,
  send,
};

/** A port has no back-pressure of its own: the receiver gives credit. @param {number} size */
const credit = (size) => Math.max(4, Math.min(BURST * 8, Math.floor(CREDIT_BYTES / size)));

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const { channel, deliver, check, echo } = run;
  const step = Math.max(1, credit(run.size) >> 2);
  channel.on('message', (/** @type {Uint8Array} */ message) => {
    deliver(message);
    if (echo) channel.postMessage(message);
    else if (check.count % step === 0) channel.postMessage(step);
  });
  run.listening('channel');
  return { close: () => channel.close() };
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const sender = new PortSender(run.channel, credit(run.size));
  run.channel.on('message', (/** @type {any} */ message) =>
    typeof message === 'number' ? sender.refill(message) : run.replied(message),
  );
  return sender;
}

class PortSender {
  /** @type {(() => void) | undefined} */ #wake;

  /** @param {import('node:worker_threads').MessagePort} port @param {number} left */
  constructor(port, left) {
    this.port = port;
    this.left = left;
  }

  /** @param {Uint8Array} message */
  put(message) {
    if (message.length < TRANSFER) this.port.postMessage(message);
    else {
      const copy = Buffer.allocUnsafeSlow(message.length);
      copy.set(message);
      this.port.postMessage(copy, [copy.buffer]);
    }
    return --this.left > 0;
  }

  /** @param {number} count */
  refill(count) {
    this.left += count;
    this.#wake?.();
    this.#wake = undefined;
  }

  room() {
    return this.left > 0
      ? Promise.resolve()
      : new Promise((resolve) => (this.#wake = () => resolve(undefined)));
  }

  finish() {
    return Promise.resolve();
  }
}
