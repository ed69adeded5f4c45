// @ts-check
// grpc-js, one bidirectional stream, no protobuf. Acknowledged: the server answers with a cumulative count once a turn.
import grpc from '@grpc/grpc-js';
import { packageVersion } from '../lib/versions.mjs';

const PATH = '/bench.Bench/Stream';
const RING = 8_192;
/** The stream takes any number of messages without a word: it is asked after so many. */
const BURST = 256;
const OPTIONS = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

/** @param {any} bytes */
const same = (bytes) => bytes;
const METHOD = {
  path: PATH,
  requestStream: true,
  responseStream: true,
  requestSerialize: (/** @type {Uint8Array} */ message) =>
    Buffer.from(message.buffer, message.byteOffset, message.length),
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'grpc-js, one stream, no protobuf',
  modes: ['callback', 'acked-each', 'acked-all', 'echo', 'paced'],
  version: () => packageVersion('@grpc/grpc-js'),
  receive,
  send,
};

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const server = new grpc.Server(OPTIONS);
  server.addService(
    { stream: /** @type {any} */ (METHOD) },
    { stream: (/** @type {any} */ call) => serve(run, call) },
  );
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  run.listening(port);
  return { close: () => server.forceShutdown() };
}

/** @param {import('../lib/run.mjs').ReceiveRun} run @param {any} call */
function serve(run, call) {
  const { deliver, check, echo } = run;
  const acked = run.mode.startsWith('acked');
  let due = false;
  const acknowledge = () => {
    due = false;
    const ack = Buffer.allocUnsafe(8);
    ack.writeDoubleLE(check.count);
    call.write(ack);
  };
  call.on('data', (/** @type {Buffer} */ message) => {
    deliver(message);
    if (echo) call.write(message);
    if (!acked || due) return;
    due = true;
    setImmediate(acknowledge);
  });
  call.on('end', () => call.end());
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const Client = grpc.makeGenericClientConstructor(
    { stream: /** @type {any} */ (METHOD) },
    'Bench',
  );
  const client = /** @type {any} */ (
    new Client(`127.0.0.1:${run.address}`, grpc.credentials.createInsecure(), OPTIONS)
  );
  await new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + 5_000, (/** @type {any} */ error) =>
      error ? reject(error) : resolve(undefined),
    ),
  );
  const sender = new StreamSender(client.stream());
  sender.stream.on('data', (/** @type {Buffer} */ reply) =>
    run.mode === 'echo' ? run.replied(reply) : sender.acknowledge(reply.readDoubleLE()),
  );
  return sender;
}

class StreamSender {
  /** @type {((value?: unknown) => void)[]} */ #resolvers = new Array(RING).fill(undefined);
  #put = 0;
  #acked = 0;
  #burst = 0;

  /** @param {any} stream */
  constructor(stream) {
    this.stream = stream;
  }

  /** @param {Uint8Array} message @returns {boolean} */
  put(message) {
    this.#burst = (this.#burst + 1) % BURST;
    return this.stream.write(message) && this.#burst !== 0;
  }

  /** @param {Uint8Array} message */
  putAcked(message) {
    return new Promise((resolve) => {
      this.#resolvers[this.#put++ & (RING - 1)] = resolve;
      this.stream.write(message);
    });
  }

  /** @param {number} count */
  acknowledge(count) {
    for (; this.#acked < count; this.#acked++) this.#resolvers[this.#acked & (RING - 1)]();
  }

  room() {
    return new Promise((resolve) =>
      this.stream.writableNeedDrain ? this.stream.once('drain', resolve) : setImmediate(resolve),
    );
  }

  finish() {
    return new Promise((resolve) => {
      this.stream.once('end', resolve);
      this.stream.end();
    });
  }
}
