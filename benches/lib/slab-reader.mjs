// @ts-check
// The receiving half of the slab code. Reads into memory that it chooses itself (`onread`), in one of three ways:
// a message that is larger than a chunk is read by the system straight into its own memory; a chunk in which views were handed out
// is never written again; any other chunk is used once more.
import net from 'node:net';

const HEADER = 4;
const CHUNK = 131_072;
/** A message of which this much is still to come is read in place. */
const IN_PLACE = 65_536;
/** Read after such a message: little more than the next header, since what is read beyond it has to be copied. */
const PEEK = 4_096;

/** @typedef {(memory: Uint8Array, offset: number, length: number) => void} Take */

export class FrameReader {
  /** Called for each frame. @type {Take} */ take = () => {};
  /** Called after each read. @type {() => void} */ read = () => {};
  /** Gets the bytes instead of frames, if set. @type {((chunk: Buffer) => void) | undefined} */ raw;
  /** Whether `take` may keep the memory that it is called with. */
  lends = true;

  #chunk = Buffer.allocUnsafeSlow(CHUNK);
  #inPlace = false;
  #lent = false;
  #afterLarge = false;
  /** @type {Buffer | undefined} */ #partial;
  #filled = 0;
  #header = 0;
  #headerBytes = 0;

  /** @param {number} port */
  connect(port) {
    return net.connect(
      /** @type {any} */ ({
        port,
        host: '127.0.0.1',
        noDelay: true,
        writableHighWaterMark: 262_144,
        onread: this.#onread(),
      }),
    );
  }

  /** A server's sockets cannot be told where to read to, so the accepted handle is put into one that can. @param {any} accepted */
  adopt(accepted) {
    const handle = accepted._handle;
    accepted._handle = null;
    return new net.Socket(/** @type {any} */ ({ handle, onread: this.#onread() }));
  }

  /** The plain way: the socket chooses the memory, and what is cut is joined once. @param {net.Socket} socket */
  listen(socket) {
    socket.on('data', (chunk) => {
      this.#parse(chunk, chunk.length);
      this.read();
    });
    return socket;
  }

  #onread() {
    return {
      buffer: () => this.#next(),
      callback: (/** @type {number} */ length) => {
        if (this.raw) this.raw(this.#chunk.subarray(0, length));
        else if (this.#inPlace) this.#filledBy(length);
        else this.#parse(this.#chunk, length);
        this.read();
        return true;
      },
    };
  }

  /** @returns {Uint8Array} where the next bytes go */
  #next() {
    this.#inPlace = false;
    if (this.#partial && this.#partial.length - this.#filled >= IN_PLACE) {
      this.#inPlace = true;
      return this.#partial.subarray(this.#filled);
    }
    if (this.#lent) this.#chunk = Buffer.allocUnsafeSlow(CHUNK);
    this.#lent = false;
    return this.#afterLarge && !this.#partial ? this.#chunk.subarray(0, PEEK) : this.#chunk;
  }

  /** @param {Buffer} chunk @param {number} end */
  #parse(chunk, end) {
    const { take } = this;
    let offset = this.#headerBytes > 0 ? this.#complete(chunk, 0, end) : 0;
    const first = offset;
    while (offset + HEADER <= end) {
      const length =
        chunk[offset] |
        (chunk[offset + 1] << 8) |
        (chunk[offset + 2] << 16) |
        (chunk[offset + 3] << 24);
      if (offset + HEADER + length > end) break;
      take(chunk, offset + HEADER, length);
      offset += HEADER + length;
    }
    if (offset > first) {
      this.#lent = this.lends;
      this.#afterLarge = false;
    }
    while (offset < end) offset = this.#complete(chunk, offset, end);
  }

  /** Puts a frame together that began in an earlier chunk. @param {Buffer} chunk @param {number} offset @param {number} end */
  #complete(chunk, offset, end) {
    while (this.#partial === undefined) {
      if (offset === end) return offset;
      this.#header |= chunk[offset++] << (8 * this.#headerBytes++);
      if (this.#headerBytes === HEADER) this.#partial = Buffer.allocUnsafeSlow(this.#header);
    }
    const length = Math.min(this.#partial.length - this.#filled, end - offset);
    chunk.copy(this.#partial, this.#filled, offset, offset + length);
    this.#filledBy(length);
    return offset + length;
  }

  /** @param {number} length */
  #filledBy(length) {
    const partial = /** @type {Buffer} */ (this.#partial);
    this.#filled += length;
    if (this.#filled < partial.length) return;
    this.#partial = undefined;
    this.#filled = this.#header = this.#headerBytes = 0;
    this.#afterLarge = partial.length >= IN_PLACE;
    this.take(partial, 0, partial.length);
  }
}
