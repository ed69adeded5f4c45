// @ts-check
// node:net with msgpackr: each message packed, length-prefixed, corked in bursts.
import net from 'node:net';
import { Packr, Unpackr } from 'msgpackr';
import { FrameReader } from '../lib/slab-reader.mjs';
import { packageVersion } from '../lib/versions.mjs';

const BURST_BYTES = 65_536;
const BACKLOG_BYTES = 262_144;
const HEADER = 4;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'node:net with msgpackr, corked',
  modes: ['callback'],
  version: () => packageVersion('msgpackr'),
  receive,
  send,
};

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const { deliver } = run;
  const unpackr = new Unpackr({ useRecords: false });
  const server = net.createServer({ noDelay: true }, (socket) => {
    const reader = new FrameReader();
    reader.take = (memory, offset, length) =>
      deliver(unpackr.unpack(/** @type {Buffer} */ (memory).subarray(offset, offset + length)));
    reader.listen(socket);
    socket.on('end', () => socket.end());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  run.listening(/** @type {net.AddressInfo} */ (server.address()).port);
  return { close: () => server.close() };
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const socket = net.connect({ port: run.address, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) =>
    socket.once('connect', () => resolve(undefined)).once('error', reject),
  );
  socket.resume();
  return new PackedSender(socket);
}

class PackedSender {
  #packr = new Packr({ useRecords: false });
  #corked = 0;

  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** @param {Uint8Array} message */
  put(message) {
    if (this.#corked === 0) this.socket.cork();
    const packed = this.#packr.pack(message);
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32LE(packed.length);
    this.socket.write(header);
    this.socket.write(packed);
    this.#corked += packed.length;
    if (this.#corked < BURST_BYTES) return true;
    this.flush();
    return this.socket.writableLength < BACKLOG_BYTES;
  }

  flush() {
    if (this.#corked === 0) return;
    this.#corked = 0;
    this.socket.uncork();
  }

  room() {
    return new Promise((resolve) =>
      this.socket.writableNeedDrain ? this.socket.once('drain', resolve) : setImmediate(resolve),
    );
  }

  finish() {
    this.flush();
    return new Promise((resolve) => this.socket.end(() => resolve(undefined)));
  }
}
