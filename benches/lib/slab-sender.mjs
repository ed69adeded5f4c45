// @ts-check
// The sending half of the slab code: frames are packed into slabs, which are used again once the system has taken them.

const HEADER = 4;
const SLAB = 65_536;
/** From this size on a message is written from its own memory. */
const DIRECT = 16_384;
/** More than a window, so that no resolver is overwritten. */
const RING = 8_192;

/** @type {(value?: unknown) => void} */
let resolver = () => {};
/** @param {(value: any) => void} resolve */
const keepResolver = (resolve) => (resolver = resolve);

export class SlabSender {
  #slab = new Uint8Array(new ArrayBuffer(SLAB));
  #view = new DataView(this.#slab.buffer);
  #offset = 0;
  #room = true;
  /** @type {Uint8Array<ArrayBuffer>[]} */ #free = [];
  /** @type {((value?: unknown) => void)[]} */ #resolvers = new Array(RING).fill(undefined);
  #put = 0;
  #acked = 0;

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** @param {Uint8Array} message */
  put(message) {
    const { length } = message;
    if (length >= DIRECT) return this.#direct(message);
    let offset = this.#offset;
    if (offset + HEADER + length > SLAB) {
      this.flush();
      offset = 0;
    }
    this.#view.setUint32(offset, length, true);
    this.#slab.set(message, offset + HEADER);
    this.#offset = offset + HEADER + length;
    return this.#room;
  }

  /** @param {import('./peer.mjs').Packed} packed */
  putBatch({ data, lengths }) {
    let from = 0;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i];
      this.put(new Uint8Array(data.buffer, data.byteOffset + from, length));
      from += length;
    }
    return this.#room;
  }

  /** @param {Uint8Array} message */
  putAcked(message) {
    const acked = new Promise(keepResolver);
    this.#resolvers[this.#put++ & (RING - 1)] = resolver;
    this.put(message);
    return acked;
  }

  /** @param {number} count how many the other side has */
  acknowledge(count) {
    for (let i = this.#acked; i < count; i++) this.#resolvers[i & (RING - 1)]();
    this.#acked = count;
  }

  flush() {
    if (this.#offset === 0) return;
    const slab = this.#slab;
    this.#room = this.socket.write(new Uint8Array(slab.buffer, 0, this.#offset), () =>
      this.#free.push(slab),
    );
    this.#slab = this.#free.pop() ?? new Uint8Array(new ArrayBuffer(SLAB));
    this.#view = new DataView(this.#slab.buffer);
    this.#offset = 0;
  }

  room() {
    return new Promise((resolve) => {
      const go = () => {
        this.#room = true;
        resolve(undefined);
      };
      if (this.socket.writableNeedDrain) this.socket.once('drain', go);
      else go();
    });
  }

  finish() {
    this.flush();
    return new Promise((resolve) => this.socket.end(() => resolve(undefined)));
  }

  /** @param {Uint8Array} message */
  #direct(message) {
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32LE(message.length);
    this.socket.cork();
    this.flush();
    this.socket.write(header);
    this.#room = this.socket.write(message);
    this.socket.uncork();
    return this.#room;
  }
}
