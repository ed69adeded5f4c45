// The memory that received messages are copied into: filled once from front to back, never reused, because views of it
// stay valid for ever.
import type { Codec } from '../codec/index.ts';
import type { Peer } from './peer.ts';

/** Payloads, and two index numbers for each message: offset and word. */
export class Arena {
  readonly memory: Uint8Array;
  readonly index: Uint32Array;
  /** Bytes of `memory` that are taken. */
  used: number = 0;
  /** Numbers of `index` that are taken. */
  indexed: number = 0;

  constructor() {
    this.memory = new Uint8Array(Buffer.allocUnsafeSlow(arenaBytes).buffer);
    this.index = new Uint32Array(Buffer.allocUnsafeSlow(indexBytes).buffer);
  }

  /** Whether too little is left for a drain to be worth it. */
  get spent(): boolean {
    return this.used > arenaBytes - 1024 || this.indexed > this.index.length - 64;
  }

  /** Messages that the index still takes. */
  get slots(): number {
    return (this.index.length - this.indexed) >>> 1;
  }
}

/** What the messages of a batch share; all that a message keeps alive of it. */
export class Origin {
  readonly peer: Peer;
  readonly memory: Uint8Array;
  readonly buffer: ArrayBufferLike;
  readonly codec: Codec;
  /** Acknowledges first to last; nothing with ack 'received'. */
  readonly done: ((peer: Peer, first: number, last: number) => void) | undefined;

  constructor(
    peer: Peer,
    memory: Uint8Array,
    codec: Codec,
    done: ((peer: Peer, first: number, last: number) => void) | undefined,
  ) {
    this.peer = peer;
    this.memory = memory;
    this.buffer = memory.buffer;
    this.codec = codec;
    this.done = done;
  }
}

/** Small, so that a view that somebody keeps does not keep much. */
const arenaBytes = 64 * 1024;
const indexBytes = 32 * 1024;
