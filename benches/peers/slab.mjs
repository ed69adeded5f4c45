// @ts-check
// The peer to beat: node:net with frames (u32 LE length, payload) packed into recycled slabs by hand, parsed in place. Two variants:
// `slab` chooses the memory that is read into; `slab-joined` takes the socket's chunks, and joins a large message's once. In `iterate` it
// calls back all the same: a step of `for await` is held against the best that there is. `slab-tls` is `slab-joined` over node:tls, whose
// server sockets cannot be told where to read to.
import net from 'node:net';
import tls from 'node:tls';
import { makeCertificate, missingCertificate } from '../lib/certificate.mjs';
import { isTlsSize } from '../lib/peer.mjs';
import { FrameReader } from '../lib/slab-reader.mjs';
import { SlabSender } from '../lib/slab-sender.mjs';

const HEADER = 4;
const ACK = 8;
const TLS = process.env.BENCH_SLAB === 'tls';
const JOINED = process.env.BENCH_SLAB === 'joined' || TLS;

/** @typedef {import('../lib/run.mjs').ReceiveRun} ReceiveRun */
/** @typedef {import('../lib/run.mjs').SendRun} SendRun */
/** @typedef {import('../lib/slab-reader.mjs').Take} Take */

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'node:net, frames packed into slabs by hand',
  modes: ['callback', 'iterate', 'batch', 'acked-each', 'acked-all', 'echo', 'paced'],
  variants: {
    slab: {},
    'slab-joined': { env: { BENCH_SLAB: 'joined' }, modes: ['callback'] },
    'slab-tls': {
      env: { BENCH_SLAB: 'tls' },
      modes: ['callback', 'batch'],
      fits: isTlsSize,
      missing: async () => missingCertificate(),
    },
  },
  version: () => process.version,
  receive,
  send,
};

/** @param {ReceiveRun} run */
async function receive(run) {
  const certificate = TLS ? makeCertificate() : undefined;
  const server = listener(certificate, (accepted) => {
    const reader = new FrameReader();
    const socket = JOINED ? reader.listen(accepted) : reader.adopt(accepted);
    reader.take = taking(run, socket);
    if (run.mode.startsWith('acked')) reader.read = () => acknowledge(socket, run.check.count);
    if (run.mode === 'batch') reader.lends = false;
    socket.on('end', () => socket.end());
    socket.resume();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  run.listening({ port, ca: certificate?.cert });
  return { close: () => server.close() };
}

/** @param {import('../lib/certificate.mjs').Certificate | undefined} certificate @param {(accepted: net.Socket) => void} accept */
function listener(certificate, accept) {
  const options = { noDelay: true, pauseOnConnect: true };
  if (certificate === undefined) return net.createServer(options, accept);
  return tls.createServer({ noDelay: true, minVersion: 'TLSv1.3', ...certificate }, accept);
}

/** @param {ReceiveRun} run @param {net.Socket} socket @returns {Take} */
function taking(run, socket) {
  const { deliver, check } = run;
  if (run.mode === 'batch') return (memory, offset, length) => check.takeAt(memory, offset, length);
  if (run.mode === 'echo')
    return (memory, offset, length) =>
      reply(socket, deliver, new Uint8Array(memory.buffer, memory.byteOffset + offset, length));
  return (memory, offset, length) =>
    deliver(new Uint8Array(memory.buffer, memory.byteOffset + offset, length));
}

/** @param {net.Socket} socket @param {(view: Uint8Array) => void} deliver @param {Uint8Array} view */
function reply(socket, deliver, view) {
  deliver(view);
  const frame = Buffer.allocUnsafe(HEADER + view.length);
  frame.writeUInt32LE(view.length);
  frame.set(view, HEADER);
  socket.write(frame);
}

/** Cumulative, once for each read. @param {net.Socket} socket @param {number} count */
function acknowledge(socket, count) {
  const ack = Buffer.allocUnsafe(ACK);
  ack.writeDoubleLE(count);
  socket.write(ack);
}

/** @param {FrameReader} reader @param {number} port @param {string} ca */
function secured(reader, port, ca) {
  const socket = tls.connect(
    /** @type {any} */ ({ port, host: '127.0.0.1', ca, writableHighWaterMark: 262_144 }),
  );
  socket.setNoDelay(true);
  return reader.listen(socket);
}

/** @param {SendRun} run */
async function send(run) {
  const reader = new FrameReader();
  const { port, ca } = run.address;
  const socket = ca === undefined ? reader.connect(port) : secured(reader, port, ca);
  const connected = ca === undefined ? 'connect' : 'secureConnect';
  await new Promise((resolve, reject) =>
    socket.once(connected, () => resolve(undefined)).once('error', reject),
  );
  const sender = new SlabSender(socket);
  reader.take = (memory, offset, length) =>
    run.replied(new Uint8Array(memory.buffer, memory.byteOffset + offset, length));
  if (run.mode.startsWith('acked')) reader.raw = acks(sender);
  return sender;
}

/** @param {SlabSender} sender @returns {(chunk: Buffer) => void} */
function acks(sender) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const all = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const whole = all.length - (all.length % ACK);
    if (whole > 0) sender.acknowledge(all.readDoubleLE(whole - ACK));
    rest = Buffer.from(all.subarray(whole));
  };
}
