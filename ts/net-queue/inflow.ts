// One stream on its way in: the chunks that arrived and that its reader has not taken, within a bound that its router keeps.
import type { ChaskiError } from '../errors.ts';
import type { Delivery, Settling } from './origin.ts';
import { nackedStream } from './failures.ts';
import type { Peer } from './peer.ts';

/** What a stream tells its router. */
export interface InflowHost {
  /** Messages first to last of `peer` are done. */
  done(peer: Peer, first: number, last: number): void;
  /** What it keeps has changed by so many bytes. */
  keeps(flow: Inflow, bytes: number): void;
  /** Its reader waits for a chunk, or does not any more. */
  waits(flow: Inflow, waits: boolean): void;
  /** It was let go with so many bytes unread, before its end. */
  letGo(flow: Inflow, bytes: number): void;
}

export class Inflow implements Settling {
  readonly peer: Peer;
  /** Unread bytes, and what it takes to keep them. */
  kept: number = 0;
  /** Unread bytes. */
  unread: number = 0;
  /** Somebody reads it. */
  begun: boolean = false;
  readonly #host: InflowHost;
  /** From `#next` on. */
  #blocks: Block[] = [];
  #next = 0;
  #reader: Reader | undefined = undefined;
  #cancelled = false;
  /** Nothing more will come. */
  #ended = false;
  #error: ChaskiError | undefined = undefined;
  /** The last chunk, which is done when the message is. */
  #lastSeq = 0;
  #acked = false;

  constructor(host: InflowHost, peer: Peer) {
    this.#host = host;
    this.peer = peer;
    this.#keep(ownBytes);
  }

  /** Nobody will read any more of it. */
  get over(): boolean {
    return this.#cancelled || (this.#ended && this.#next === this.#blocks.length);
  }

  /** Whether to give its message to somebody else makes sense, when whoever had it has left. */
  get fresh(): boolean {
    return !this.begun && !this.#cancelled && !this.#acked;
  }

  /** The bytes at [offset, offset + length) of `memory` are those of its next chunk, which is message `seq`. */
  push(memory: Uint8Array, offset: number, length: number, seq: number, last: boolean): void {
    if (last) this.#lastSeq = seq;
    const reader = this.#reader;
    if (this.#cancelled || length === 0) {
      if (!last) this.#host.done(this.peer, seq, seq);
    } else if (reader !== undefined) {
      if (!last) this.#host.done(this.peer, seq, seq);
      this.#answer(undefined);
      reader.give(new Uint8Array(memory.buffer, memory.byteOffset + offset, length));
    } else {
      this.#store(memory, offset, length, last ? 0 : seq);
    }
    if (last) this.end(undefined);
  }

  /** Somebody reads it from now on, and answers for what it takes to do so. */
  begin(): void {
    this.begun = true;
    if (this.kept > 0) this.#keep(-ownBytes);
  }

  /** No more will come of it; `error` says why when it is not whole. */
  end(error: ChaskiError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#cancelled) this.#host.waits(this, false);
    else this.#error = error;
    const reader = this.#reader;
    this.#answer(undefined);
    if (reader !== undefined) this.#finish(reader);
    this.#settle();
  }

  /** Gives the next chunk, or undefined at the end, to `reader`: at once, or when it comes. */
  read(reader: Reader): void {
    const block = this.#blocks[this.#next];
    if (block !== undefined) {
      this.#shift();
      this.#release(block);
      reader.give(block.bytes.subarray(0, block.used));
      this.#settle();
    } else if (this.#ended || this.#cancelled) {
      this.#finish(reader);
    } else {
      this.#reader = reader;
      this.#host.waits(this, true);
    }
  }

  /** Throws away what is here, and what comes. */
  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#error = undefined;
    const blocks = this.#blocks.slice(this.#next);
    this.#blocks = [];
    this.#next = 0;
    for (const block of blocks) this.#release(block);
    this.#keep(-this.kept);
    const reader = this.#reader;
    this.#answer(undefined);
    reader?.give(undefined);
    // What comes is thrown away also while nobody asks for a message.
    if (!this.#ended) this.#host.waits(this, true);
    this.#settle();
  }

  /** Nobody can read it any more, or say that it is done. */
  abandon(): void {
    const bytes = this.unread;
    const whole = this.over;
    this.#acked = true;
    this.cancel();
    if (!whole) this.#host.letGo(this, bytes);
  }

  /** The message is done: with what nobody has begun to read, too. */
  ack(): void {
    this.#acked = true;
    if (this.begun) this.#settle();
    else this.cancel();
  }

  /** @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`. */
  nack(_delivery: Delivery, _delayMs: number): number {
    throw nackedStream();
  }

  #finish(reader: Reader): void {
    const error = this.#error;
    // Once: who goes on reads the end.
    this.#error = undefined;
    if (error === undefined) reader.give(undefined);
    else reader.fail(error);
  }

  #answer(reader: undefined): void {
    if (this.#reader === reader) return;
    this.#reader = reader;
    this.#host.waits(this, false);
  }

  /** Small chunks are copied together, so that they hold no more than their own bytes. */
  #store(memory: Uint8Array, offset: number, length: number, seq: number): void {
    const bytes = memory.subarray(offset, offset + length);
    const last = this.#next < this.#blocks.length ? this.#blocks.at(-1) : undefined;
    let block = last;
    if (length > longestCopied) {
      this.#blocks.push((block = { bytes, used: length, seqs: [] }));
    } else {
      if (block === undefined || block.bytes.length - block.used < length || !block.own) {
        const size = Math.max(
          length,
          last === undefined ? smallBlock : Math.min(longestCopied, last.used),
        );
        block = { bytes: new Uint8Array(size), used: 0, seqs: [], own: true };
        this.#keep(size - length);
        this.#blocks.push(block);
      } else {
        this.#keep(-length);
      }
      block.bytes.set(bytes, block.used);
      block.used += length;
    }
    this.#keep(length);
    this.unread += length;
    if (seq > 0 && remember(block.seqs, seq)) this.#keep(rangeBytes);
  }

  #shift(): void {
    this.#next += 1;
    if (this.#next * 2 < this.#blocks.length) return;
    this.#blocks.splice(0, this.#next);
    this.#next = 0;
  }

  #release({ bytes, used, seqs }: Block): void {
    this.unread -= used;
    for (let i = 0; i < seqs.length; i += 2) {
      this.#host.done(this.peer, seqs[i] as number, seqs[i + 1] as number);
    }
    this.#keep(-bytes.length - (seqs.length / 2) * rangeBytes);
  }

  /** Its last chunk is done, when all before it was taken and the program says so. */
  #settle(): void {
    if (!this.over) return;
    const seq = this.#lastSeq;
    if (!this.#acked || seq === 0) return;
    this.#lastSeq = 0;
    this.#host.done(this.peer, seq, seq);
  }

  #keep(bytes: number): void {
    this.kept += bytes;
    this.#host.keeps(this, bytes);
  }
}

export interface Reader {
  give(bytes: Uint8Array | undefined): void;
  fail(error: ChaskiError): void;
}

interface Block {
  readonly bytes: Uint8Array;
  used: number;
  /** First and last of the messages that brought it, range by range; but for the last of the stream. */
  readonly seqs: number[];
  readonly own?: boolean;
}

/** Adds a message behind others; whether it begins a range. */
function remember(seqs: number[], seq: number): boolean {
  if (seqs.at(-1) === seq - 1) {
    seqs[seqs.length - 1] = seq;
    return false;
  }
  seqs.push(seq, seq);
  return true;
}

/** Longer ones keep the memory that they came in, which is not much more. */
const longestCopied = 16_384;
const smallBlock = 256;
const rangeBytes = 16;
/** About what an open stream takes without any chunk. */
const ownBytes = 512;
