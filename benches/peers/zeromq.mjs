// @ts-check
// zeromq.js, push to pull (pair for round trips).
import { Pair, Pull, Push } from 'zeromq';
import { packageVersion } from '../lib/versions.mjs';

const MARK_BYTES = 8 * 1024 * 1024;
const MARK_MESSAGES = 65_536;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'zeromq.js push/pull',
  modes: ['callback', 'echo', 'paced'],
  version: () => packageVersion('zeromq'),
  receive,
  send,
};

/** @param {number} size */
const highWaterMark = (size) => Math.max(8, Math.min(MARK_MESSAGES, Math.floor(MARK_BYTES / size)));

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const receiveHighWaterMark = highWaterMark(run.size);
  const socket = run.echo ? new Pair() : new Pull({ receiveHighWaterMark });
  await socket.bind('tcp://127.0.0.1:*');
  const { deliver } = run;
  void consume(
    socket,
    run.echo
      ? async (message) => (deliver(message), await /** @type {Pair} */ (socket).send(message))
      : deliver,
  );
  run.listening(socket.lastEndpoint);
  return { close: () => socket.close() };
}

/** @param {Pull | Pair} socket @param {(message: Buffer) => unknown} take */
async function consume(socket, take) {
  for await (const [message] of socket) take(message);
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const sendHighWaterMark = highWaterMark(run.size);
  const options = { sendHighWaterMark, linger: 5_000 };
  const socket = run.mode === 'echo' ? new Pair(options) : new Push(options);
  socket.connect(run.address);
  if (run.mode === 'echo')
    void consume(/** @type {Pair} */ (socket), (message) => run.replied(message));
  return new ZeroSender(socket);
}

class ZeroSender {
  /** @type {Promise<void>} */ #last = Promise.resolve();

  /** @param {Push | Pair} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** A send may begin once the one before it is done: at the mark that is later, else at once. @param {Uint8Array} message */
  put(message) {
    this.#last = this.socket.send(message);
    return false;
  }

  room() {
    return this.#last;
  }

  finish() {
    return this.#last;
  }
}
