// What users put, as payloads: encoded, or taken as the bytes that it is.
import { asBytes, isLost, Kind, lengthOf, lostMemory } from '../codec/index.ts';
import type { Codec } from '../codec/index.ts';
import { ChaskiError } from '../errors.ts';
import { Stream } from '../shared/stream.ts';
import { invalid } from './failures.ts';
import { transferable } from './transfer.ts';

/** Bytes and kind of one message. Valid until the next one is encoded. */
export interface Payload {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly kind: number;
}

export class Payloads {
  /** Whether bytes go as they are. */
  readonly raw: boolean;
  readonly #codec: Codec;

  constructor(codec: Codec) {
    this.raw = codec.rawBytes;
    this.#codec = codec;
  }

  /**
   * The payload of `data`. A Stream stands for the bytes that it has now, and keeps them; only a serializer of the user gets it
   * as it is.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC` or `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  of(data: unknown): Payload {
    const codec = this.#codec;
    if (this.raw) {
      const bytes = asBytes(data);
      if (bytes !== undefined) {
        if (isLost(bytes)) throw lostMemory();
        return payload(bytes, Kind.BYTES);
      }
      if (data instanceof Stream) return payload(bytesOf(data), Kind.BYTES);
    } else if (data instanceof Stream && codec.kind !== Kind.USER) {
      if (codec.kind === Kind.JSON) throw noJson();
      return payload(codec.encode(bytesOf(data)), codec.kind);
    }
    return payload(codec.encode(data), codec.kind);
  }

  /**
   * Bytes whose memory can be given away.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  transferable(data: unknown): Uint8Array {
    if (this.raw) return transferable(data);
    throw invalid('transfer', true, "left out: it needs serializer 'auto' or 'bytes'");
  }
}

function payload(bytes: Uint8Array, kind: number): Payload {
  return { bytes, length: lengthOf(bytes), kind };
}

/** Not copied when they are one chunk. */
function bytesOf(stream: Stream): Uint8Array {
  return stream.peek() ?? new Uint8Array();
}

function noJson(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_CODEC',
    "Could not encode a message: JSON has no way to write the bytes of a Stream. Use serializer 'auto', or put text.",
  );
}
