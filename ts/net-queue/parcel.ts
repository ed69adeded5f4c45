// Batches on their way to another thread: a copy in memory of its own, which can be moved there. The memory that a batch lies in
// cannot: others lie in it too, and what is delivered again is taken from it.
import { types } from 'node:util';

import { kindShift, lengthMask } from '../binding/index.ts';
import type { Codec } from '../codec/index.ts';
import type { Delivery } from './origin.ts';
import { invalid } from './failures.ts';
import { Inflow } from './inflow.ts';
import { refuseUnknown } from '../shared/checks.ts';
import { codecOption } from './options.ts';
import type { FromParcelOptions, Parcel, ParcelContent, ParceledBatch } from './types.ts';

/** What `postMessage()` makes of it is a plain object with the same fields, without the transfer list. */
class OwnParcel implements Parcel {
  readonly peer: string;
  readonly seq: number;
  readonly deliveries: number;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly payloads: Uint8Array<ArrayBuffer>;

  constructor({ origin, seq, deliveries, length }: Delivery, bytes: number) {
    const memory = new ArrayBuffer(4 * length + bytes);
    this.peer = origin.id;
    this.seq = seq;
    this.deliveries = deliveries;
    this.words = new Uint32Array(memory, 0, length);
    this.payloads = new Uint8Array(memory, 4 * length);
  }

  get transferList(): ArrayBuffer[] {
    return [this.payloads.buffer];
  }
}

/**
 * A copy of these messages.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for a stream, whose bytes are still to come.
 */
export function toParcel(delivery: Delivery): Parcel {
  const { origin, index, start, length } = delivery;
  if (origin.settling instanceof Inflow) {
    throw invalid('batch', 'a stream', 'read here: its chunks can be put to a thread one by one');
  }
  let bytes = 0;
  for (let i = 0; i < length; i += 1) bytes += (index[start + 2 * i + 1] as number) & lengthMask;
  const parcel = new OwnParcel(delivery, bytes);
  let used = 0;
  // Payloads that lie one behind the other are copied at once.
  let from = index[start] as number;
  let end = from;
  const copy = (): void => {
    parcel.payloads.set(new Uint8Array(origin.buffer, from, end - from), used);
    used += end - from;
  };
  for (let i = 0; i < length; i += 1) {
    const offset = index[start + 2 * i] as number;
    const word = index[start + 2 * i + 1] as number;
    parcel.words[i] = word;
    if (offset !== end) {
      copy();
      from = offset;
    }
    end = offset + (word & lengthMask);
  }
  copy();
  return parcel;
}

/**
 * The messages of a parcel, in the thread that it was posted to. It is read with the same serializer as the communicator that
 * received them; nothing is copied.
 *
 * @example
 * parentPort.on('message', (parcel) => {
 *   const batch = fromParcel(parcel);
 *   for (let i = 0; i < batch.length; i += 1) work(batch.at(i));
 * });
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function fromParcel<T = unknown>(
  parcel: ParcelContent,
  options: FromParcelOptions<T> = {},
): ParceledBatch<T> {
  refuseUnknown('options', options, ['serializer']);
  return new OpenedParcel<T>(checked(parcel), codecOption(options));
}

class OpenedParcel<T> implements ParceledBatch<T> {
  readonly peer: string;
  readonly seq: number;
  readonly deliveries: number;
  readonly length: number;
  readonly byteLength: number;
  readonly #words: Uint32Array;
  readonly #payloads: Uint8Array;
  /** Where each payload begins, and the last one ends. */
  readonly #offsets: Float64Array;
  readonly #codec: Codec;

  constructor({ peer, seq, deliveries, words, payloads }: ParcelContent, codec: Codec) {
    this.peer = peer;
    this.seq = seq;
    this.deliveries = deliveries;
    this.length = words.length;
    this.byteLength = payloads.length;
    this.#words = words;
    this.#payloads = payloads;
    this.#codec = codec;
    this.#offsets = new Float64Array(words.length + 1);
    let end = 0;
    for (let i = 0; i < words.length; i += 1) {
      end += (words[i] as number) & lengthMask;
      this.#offsets[i + 1] = end;
    }
    if (end !== payloads.length) throw noParcel(payloads);
  }

  byteLengthAt(i: number): number {
    return (this.#words[this.#checked(i)] as number) & lengthMask;
  }

  view(i: number): Uint8Array {
    const from = this.#offsets[this.#checked(i)] as number;
    return this.#payloads.subarray(from, this.#offsets[i + 1]);
  }

  at(i: number): T {
    const word = this.#words[this.#checked(i)] as number;
    const from = this.#offsets[i] as number;
    const value: unknown =
      word <= lengthMask && this.#codec.rawBytes
        ? this.view(i)
        : this.#codec.decode(word >>> kindShift, this.#payloads, from, word & lengthMask);
    return value as T;
  }

  #checked(i: number): number {
    if (i >>> 0 === i && i < this.length) return i;
    throw invalid('i', i, `an index of the batch, a whole number from 0 to ${this.length - 1}`);
  }
}

function checked(parcel: ParcelContent): ParcelContent {
  if (
    typeof parcel === 'object' &&
    parcel !== null &&
    typeof parcel.peer === 'string' &&
    typeof parcel.seq === 'number' &&
    typeof parcel.deliveries === 'number' &&
    types.isUint32Array(parcel.words) &&
    // No batch is empty; what was moved away is.
    parcel.words.length > 0 &&
    types.isUint8Array(parcel.payloads)
  ) {
    return parcel;
  }
  throw noParcel(parcel);
}

function noParcel(value: unknown): Error {
  return invalid(
    'parcel',
    value,
    'what toParcel() of a batch made, unchanged, and not posted to another thread with its transfer list yet',
  );
}
