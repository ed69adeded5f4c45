import { kindShift, lengthMask } from '../binding/index.ts';
import { lostMemory } from '../codec/index.ts';
import { showAs, shownOr } from '../shared/shown.ts';
import { Origin } from './origin.ts';
import type { Delivery, Source } from './origin.ts';
import type { ReceivedBatch } from './batch.ts';
import { copyOf } from '../shared/copies.ts';
import { nack } from './nack.ts';
import type { Message, NackOptions } from './types.ts';

/** A message as consumers are given it. */
export type GivenMessage<T> = ReceivedMessage<T> | OwnMessage<T>;

/** A message in an arena: which one of its batch. Value and view are made when asked for. */
export class ReceivedMessage<T> implements Message<T> {
  readonly #batch: ReceivedBatch<T>;
  readonly #at: number;
  #data: T | typeof unread = unread;

  static {
    showAs(this, 'Message', (message) => {
      const { peer, seq, deliveries } = message;
      return { peer, seq, deliveries, data: shownOr(() => message.data) };
    });
  }

  constructor(batch: ReceivedBatch<T>, at: number) {
    this.#batch = batch;
    this.#at = at;
  }

  get peer(): string {
    return this.#batch.origin.id;
  }

  get seq(): number {
    return this.#batch.seq + this.#at;
  }

  get deliveries(): number {
    return this.#batch.deliveries;
  }

  get data(): T {
    if (this.#data === unread) this.#data = this.#batch.at(this.#at);
    return this.#data;
  }

  get bytes(): Uint8Array {
    return this.#batch.view(this.#at);
  }

  get byteLength(): number {
    return this.#batch.byteLengthAt(this.#at);
  }

  copy(): Uint8Array {
    return this.#batch.view(this.#at).slice();
  }

  ack(): void {
    const { origin, deliveries } = this.#batch;
    origin.settling?.ack(origin.peer, this.seq, this.seq, deliveries);
  }

  nack(options?: NackOptions): boolean {
    return nack(this.delivery(), options) > 0;
  }

  /** @internal */
  delivery(): Delivery {
    return this.#batch.part(this.#at, 1);
  }
}

/** A message in memory of its own: who holds it holds nothing else. */
export class OwnMessage<T> implements Message<T> {
  readonly seq: number;
  readonly deliveries: number;
  readonly bytes: Uint8Array;
  readonly #source: Source;
  readonly #word: number;
  #data: T | typeof unread = unread;

  static {
    showAs(this, 'Message', (message) => {
      const { peer, seq, deliveries } = message;
      return { peer, seq, deliveries, data: shownOr(() => message.data) };
    });
  }

  constructor(source: Source, bytes: Uint8Array, word: number, seq: number, deliveries: number) {
    this.seq = seq;
    this.deliveries = deliveries;
    this.bytes = bytes;
    this.#source = source;
    this.#word = word;
  }

  get peer(): string {
    return this.#source.id;
  }

  get data(): T {
    if (this.#data === unread) this.#data = valueOf<T>(this.#source, this.bytes, this.#word);
    return this.#data;
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  copy(): Uint8Array {
    return this.bytes.slice();
  }

  ack(): void {
    const { peer, settling } = this.#source;
    settling?.ack(peer, this.seq, this.seq, this.deliveries);
  }

  nack(options?: NackOptions): boolean {
    return nack(this.delivery(), options) > 0;
  }

  /** @internal */
  delivery(): Delivery {
    const { bytes, seq, deliveries } = this;
    const memory = new Uint8Array(bytes.buffer);
    return {
      origin: new Origin(this.#source, memory, -1),
      index: Uint32Array.of(bytes.byteOffset, this.#word),
      start: 0,
      length: 1,
      seq,
      deliveries,
    };
  }
}

/** A view of the payload that `word` describes. Memory of an origin begins where its buffer does. */
export function viewAt(origin: Origin, offset: number, word: number): Uint8Array {
  const length = word & lengthMask;
  if (length <= origin.copyUpTo) return copyOf(origin.buffer, offset, length);
  return bytesAt(origin, offset, length);
}

function bytesAt({ buffer }: Origin, offset: number, length: number): Uint8Array {
  try {
    return new Uint8Array(buffer, offset, length);
  } catch {
    throw lostMemory();
  }
}

/** The decoded value of the payload that `word` describes. */
export function valueAt<T>(origin: Origin, offset: number, word: number): T {
  const length = word & lengthMask;
  if (length <= origin.copyUpTo) {
    return valueOf<T>(origin, copyOf(origin.buffer, offset, length), word);
  }
  // Bytes, the kind 0, need no codec where it would take them as they are.
  const value: unknown =
    word <= lengthMask && origin.codec.rawBytes
      ? bytesAt(origin, offset, word)
      : origin.codec.decode(word >>> kindShift, origin.memory, offset, length);
  return value as T;
}

/** The decoded value of the payload `bytes`. */
function valueOf<T>({ codec }: Source, bytes: Uint8Array, word: number): T {
  const value: unknown =
    word <= lengthMask && codec.rawBytes
      ? bytes
      : codec.decode(word >>> kindShift, bytes, 0, bytes.length);
  return value as T;
}

const unread: unique symbol = Symbol('unread');
