// Memory in which a pickle is written. Large pieces are not copied before the end, and lie outside of frames, as in Python.
import { lengthOf, lostMemory } from '../bytes.ts';
import { Op } from './opcodes.ts';
import { writeText } from './text.ts';

/** Pieces from here on are kept where they lie until all is known. */
const large = 65_536;
const frameHeader = 9;
/** Memory that is kept for the next message. */
const kept = 1 << 20;

/** A piece of memory and where it belongs. */
interface Piece {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

export class Output {
  #memory: Buffer = Buffer.allocUnsafeSlow(8192);
  #used: number = 0;
  #frame: number = 0;
  #pieces: Piece[] = [];

  begin(): void {
    if (this.#memory.length > kept) this.#memory = Buffer.allocUnsafeSlow(8192);
    this.#used = 0;
    this.#pieces = [];
    this.byte(Op.PROTO);
    this.byte(5);
    this.#openFrame();
  }

  /** The pickle, in memory that the next one is written to. */
  end(): Uint8Array {
    this.byte(Op.STOP);
    this.#closeFrame();
    const written = this.#memory.subarray(0, this.#used);
    if (this.#pieces.length === 0) return written;
    let length = this.#used;
    for (const piece of this.#pieces) length += piece.length;
    const whole = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    let from = 0;
    let to = 0;
    for (const { at, bytes, length: expected } of this.#pieces) {
      // Code of the user has run since: a getter, a toJSON().
      if (lengthOf(bytes) !== expected) throw lostMemory();
      whole.set(written.subarray(from, at), to);
      whole.set(bytes, to + at - from);
      to += at - from + expected;
      from = at;
    }
    whole.set(written.subarray(from), to);
    return whole;
  }

  /** Lets go of the memory of users. */
  forget(): void {
    this.#pieces = [];
  }

  byte(value: number): void {
    if (this.#used === this.#memory.length) this.#grow(1);
    this.#memory[this.#used] = value;
    this.#used += 1;
  }

  uint16(value: number): void {
    this.#reserve(2);
    this.#used = this.#memory.writeUInt16LE(value, this.#used);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#used = this.#memory.writeInt32LE(value, this.#used);
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#used = this.#memory.writeUInt32LE(value, this.#used);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#used = this.#memory.writeDoubleBE(value, this.#used);
  }

  text(text: string): void {
    const { length } = text;
    if (length <= 85) {
      this.#reserve(3 * length + 2);
      const memory = this.#memory;
      const start = this.#used + 2;
      const end = writeText(memory, start, text);
      memory[start - 2] = Op.SHORT_BINUNICODE;
      memory[start - 1] = end - start;
      this.#used = end;
      return;
    }
    // Of a long text the memory that it may take is not taken before it is known.
    this.#reserve((length < 4096 ? 3 * length : Buffer.byteLength(text)) + 5);
    const memory = this.#memory;
    const start = this.#used + 5;
    const end = writeText(memory, start, text);
    memory[start - 5] = Op.BINUNICODE;
    memory.writeUInt32LE(end - start, start - 4);
    this.#used = end;
  }

  /** Bytes behind the opcode and the length that they have. */
  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length < 256) {
      this.byte(Op.SHORT_BINBYTES);
      this.byte(length);
      this.raw(bytes);
    } else if (length < large) {
      this.byte(Op.BINBYTES);
      this.uint32(length);
      this.raw(bytes);
    } else {
      this.#closeFrame();
      this.byte(Op.BINBYTES);
      this.uint32(length);
      this.#keep(bytes);
    }
  }

  /** The same, as bytes that Python may change. */
  byteArray(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length >= large) this.#closeFrame();
    this.byte(Op.BYTEARRAY8);
    this.uint32(length);
    this.uint32(0);
    if (length >= large) this.#keep(bytes);
    else this.raw(bytes);
  }

  /** Copies a short piece. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#memory.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #keep(bytes: Uint8Array): void {
    this.#pieces.push({ at: this.#used, bytes, length: bytes.length });
    this.#openFrame();
  }

  #openFrame(): void {
    this.byte(Op.FRAME);
    this.#reserve(8);
    this.#used += 8;
    this.#frame = this.#used;
  }

  #closeFrame(): void {
    const length = this.#used - this.#frame;
    if (length === 0) {
      this.#used -= frameHeader;
      return;
    }
    this.#memory.writeUInt32LE(length % 0x1_0000_0000, this.#frame - 8);
    this.#memory.writeUInt32LE(Math.floor(length / 0x1_0000_0000), this.#frame - 4);
  }

  #reserve(count: number): void {
    if (this.#used + count > this.#memory.length) this.#grow(count);
  }

  #grow(count: number): void {
    const memory = Buffer.allocUnsafeSlow(Math.max(this.#memory.length * 2, this.#used + count));
    memory.set(this.#memory.subarray(0, this.#used));
    this.#memory = memory;
  }
}
