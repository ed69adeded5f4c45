// What the messages of a batch share: where their numbers stand, whose they are, and who takes word of them.
import type { Codec } from '../codec/index.ts';
import type { Peer } from './peer.ts';

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

/** Messages of one peer, in a row, that were delivered for the so-and-so-manieth time. */
export interface Delivery {
  readonly origin: Origin;
  readonly index: Uint32Array;
  readonly start: number;
  readonly length: number;
  readonly seq: number;
  readonly deliveries: number;
}

/** Takes the word of whoever was given messages. */
export interface Settling {
  /** Messages first to last of `peer`, which were delivered so many times, are done. */
  ack(peer: Peer, first: number, last: number, deliveries: number): void;
  /** These messages are to be delivered again, in so many ms or later; how many of them will be. */
  nack(delivery: Delivery, delayMs: number): number;
}

/** What all messages of a peer share. */
export interface Source {
  readonly peer: Peer;
  /** Id of the peer when it sent them. */
  readonly id: string;
  readonly codec: Codec;
  /** Undefined with ack 'received'. */
  readonly settling: Settling | undefined;
}

/** What the messages of one peer in one arena share. */
export class Origin implements Source {
  readonly peer: Peer;
  readonly id: string;
  readonly memory: Uint8Array;
  readonly buffer: ArrayBufferLike;
  readonly codec: Codec;
  readonly settling: Settling | undefined;
  /** Of its peer, and without memory: for messages that have their own. */
  readonly source: Source;
  /** Messages up to this length are given in memory of their own; less than 0: none. */
  readonly copyUpTo: number;

  constructor(source: Source, memory: Uint8Array, copyUpTo: number) {
    this.peer = source.peer;
    this.id = source.id;
    this.memory = memory;
    this.buffer = memory.buffer;
    this.codec = source.codec;
    this.settling = source.settling;
    this.source = source;
    this.copyUpTo = copyUpTo;
  }
}

const indexBytes = 32 * 1024;
