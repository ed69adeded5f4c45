// @ts-check
// node:net with batches in columns: u32 count, u32 bytes, the lengths, the payloads. Three copies a batch on one side, none on the
// other. No application frames single messages so; it shows what batches can reach in JavaScript alone.
import net from 'node:net';

const HEADER = 8;
const BUFFER = 524_288;
const SLAB = 131_072;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'node:net, whole batches in columns',
  modes: ['batch'],
  fits: (size) => size <= 16_384,
  version: () => process.version,
  receive,
  send,
};

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const server = net.createServer(
    { noDelay: true, pauseOnConnect: true },
    (/** @type {any} */ accepted) => {
      const handle = accepted._handle;
      accepted._handle = null;
      const reader = new ColumnReader(run.check);
      const socket = new net.Socket(/** @type {any} */ ({ handle, onread: reader }));
      socket.on('end', () => socket.end());
      socket.resume();
    },
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  run.listening(/** @type {net.AddressInfo} */ (server.address()).port);
  return { close: () => server.close() };
}

class ColumnReader {
  #memory = Buffer.allocUnsafeSlow(BUFFER);
  #view = new DataView(this.#memory.buffer);
  #from = 0;
  #to = 0;

  /** @param {import('../lib/payload.mjs').Check} check */
  constructor(check) {
    this.check = check;
    this.buffer = () => this.#room();
    this.callback = (/** @type {number} */ length) => this.#filled(length);
  }

  #room() {
    if (this.#to > BUFFER / 2) {
      this.#memory.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    return this.#memory.subarray(this.#to);
  }

  /** @param {number} length */
  #filled(length) {
    this.#to += length;
    while (this.#from + HEADER <= this.#to) {
      const count = this.#view.getUint32(this.#from, true);
      const bytes = this.#view.getUint32(this.#from + 4, true);
      if (this.#from + HEADER + 4 * count + bytes > this.#to) break;
      this.#take(this.#from + HEADER, count);
      this.#from += HEADER + 4 * count + bytes;
    }
    return true;
  }

  /** @param {number} at @param {number} count */
  #take(at, count) {
    const memory = this.#memory;
    const view = this.#view;
    const { check } = this;
    let offset = at + 4 * count;
    for (let i = 0; i < count; i++) {
      const length = view.getUint32(at + 4 * i, true);
      check.takeAt(memory, offset, length);
      offset += length;
    }
  }
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const socket = net.connect(
    /** @type {any} */ ({
      port: run.address,
      host: '127.0.0.1',
      noDelay: true,
      writableHighWaterMark: 262_144,
    }),
  );
  await new Promise((resolve, reject) =>
    socket.once('connect', () => resolve(undefined)).once('error', reject),
  );
  socket.resume();
  return new ColumnSender(socket);
}

class ColumnSender {
  /** @type {Uint8Array[]} */ #free = [];

  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** @param {import('../lib/peer.mjs').Packed} packed */
  putBatch({ data, lengths }) {
    const slab = this.#free.pop() ?? new Uint8Array(new ArrayBuffer(SLAB));
    const header = new DataView(slab.buffer);
    header.setUint32(0, lengths.length, true);
    header.setUint32(4, data.length, true);
    slab.set(new Uint8Array(lengths.buffer, lengths.byteOffset, lengths.byteLength), HEADER);
    slab.set(data, HEADER + lengths.byteLength);
    return this.socket.write(
      new Uint8Array(slab.buffer, 0, HEADER + lengths.byteLength + data.length),
      () => this.#free.push(slab),
    );
  }

  room() {
    return new Promise((resolve) =>
      this.socket.writableNeedDrain ? this.socket.once('drain', resolve) : resolve(undefined),
    );
  }

  finish() {
    return new Promise((resolve) => this.socket.end(() => resolve(undefined)));
  }
}
