// @ts-check
// ws; sends of a burst are corked into one write. Two variants: `ws`, its best case, in which the server sends, so that no payload is
// masked; and `ws-client`, in which the client sends, so that every payload is masked and unmasked.
// @ts-ignore -- ws has no types of its own
import { WebSocket, WebSocketServer } from 'ws';
import { packageVersion } from '../lib/versions.mjs';

const BURST_BYTES = 65_536;
const BACKLOG_BYTES = 262_144;

const OPTIONS = { perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 0 };

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'ws, corked, no deflate, the server sends (ws-client: the client sends, masked)',
  modes: ['callback', 'echo', 'paced'],
  variants: { ws: { listens: 'send' }, 'ws-client': { listens: 'receive', modes: ['callback'] } },
  version: () => packageVersion('ws'),
  receive,
  send,
};

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const { deliver } = run;
  const socket = await open(run);
  socket.on(
    'message',
    /** @type {any} */ (
      run.echo
        ? (/** @type {Buffer} */ data) =>
            (deliver(data), socket.send(data))
        : deliver
    ),
  );
  return { close: () => socket.terminate() };
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const socket = await open(run);
  socket.on('message', (/** @type {Buffer} */ data) => run.replied(data));
  return new WsSender(socket);
}

/**
 * Connects where the other half listens, or listens for it.
 * @param {{ address?: number, listening: (address: number) => void }} run @returns {Promise<WebSocket>}
 */
function open(run) {
  return new Promise((resolve, reject) => {
    if (run.address !== undefined) {
      const socket = new WebSocket(`ws://127.0.0.1:${run.address}`, OPTIONS);
      socket.once('open', () => resolve(socket)).once('error', reject);
      return;
    }
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...OPTIONS });
    server.once('listening', () =>
      run.listening(/** @type {import('node:net').AddressInfo} */ (server.address()).port),
    );
    server.once('connection', resolve);
  });
}

class WsSender {
  #corked = 0;

  /** @param {any} socket */
  constructor(socket) {
    this.socket = socket;
    this.tcp = socket._socket;
  }

  /** @param {Uint8Array} message */
  put(message) {
    if (this.#corked === 0) this.tcp.cork();
    this.#corked += message.length;
    this.socket.send(message);
    if (this.#corked < BURST_BYTES) return true;
    this.flush();
    return this.tcp.writableLength < BACKLOG_BYTES;
  }

  flush() {
    if (this.#corked === 0) return;
    this.#corked = 0;
    this.tcp.uncork();
  }

  room() {
    return new Promise((resolve) =>
      this.tcp.writableNeedDrain ? this.tcp.once('drain', resolve) : setImmediate(resolve),
    );
  }

  finish() {
    this.flush();
    return new Promise((resolve) => {
      this.socket.once('close', resolve);
      this.socket.close();
    });
  }
}
