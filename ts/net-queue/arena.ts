// The memory that received messages are copied into: filled once from front to back, never reused, because views of it
// stay valid for ever.
import workers from 'node:worker_threads';

import type { Codec } from '../codec/index.ts';
import type { Peer } from './peer.ts';

/** Payloads, one after the other. */
export class Arena {
  readonly memory: Uint8Array;
  /** Bytes that are taken. */
  used: number = 0;

  constructor() {
    this.memory = new Uint8Array(Buffer.allocUnsafeSlow(arenaBytes).buffer);
    keep(this.memory.buffer);
  }

  /** Whether too little is left for a drain to be worth it; nothing is, when somebody took the memory away all the same. */
  get spent(): boolean {
    return this.used > this.memory.length - 1024;
  }
}

/** Two numbers for each message, offset and word, of one batch after the other. */
export class Index {
  readonly numbers: Uint32Array;
  /** Numbers that are taken. */
  used: number = 0;

  constructor() {
    this.numbers = new Uint32Array(Buffer.allocUnsafeSlow(indexBytes).buffer);
  }

  get spent(): boolean {
    return this.used > this.numbers.length - 64;
  }

  /** Messages that it still takes. */
  get slots(): number {
    return (this.numbers.length - this.used) >>> 1;
  }
}

/** What all messages of a peer share. */
export interface Source {
  readonly peer: Peer;
  readonly codec: Codec;
  /** Acknowledges first to last; nothing with ack 'received'. */
  readonly done: ((peer: Peer, first: number, last: number) => void) | undefined;
}

/** What the messages of one peer in one arena share. */
export class Origin implements Source {
  readonly peer: Peer;
  readonly memory: Uint8Array;
  readonly buffer: ArrayBufferLike;
  readonly codec: Codec;
  readonly done: ((peer: Peer, first: number, last: number) => void) | undefined;
  /** Of its peer, and without memory: for messages that have their own. */
  readonly source: Source;
  /** Messages up to this length are given in memory of their own; less than 0: none. */
  readonly copyUpTo: number;

  constructor(source: Source, memory: Uint8Array, copyUpTo: number) {
    this.peer = source.peer;
    this.memory = memory;
    this.buffer = memory.buffer;
    this.codec = source.codec;
    this.done = source.done;
    this.source = source;
    this.copyUpTo = copyUpTo;
  }
}

/**
 * Keeps `postMessage()` and `structuredClone()` from moving memory that many messages share to another thread: who asks for
 * one message to be transferred would take all of them.
 */
export const keep: (memory: ArrayBufferLike) => void = (() => {
  try {
    workers.markAsUntransferable(new ArrayBuffer(0));
    return workers.markAsUntransferable;
  } catch {
    // A runtime that has no such thing.
    return () => {};
  }
})();

/** Small, so that a view that somebody keeps does not keep much. */
export const arenaBytes: number = 64 * 1024;
const indexBytes = 32 * 1024;
