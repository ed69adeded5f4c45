// Headers of a stored record, read where they lie.
import { ChaskiError } from '../errors.ts';
import type { Headers } from './types.ts';

/**
 * The headers that begin at `at` of `memory`: how many, then for each the length of its name, its name, the length of its value
 * (−1: null), its value.
 *
 * @throws ChaskiError `ERR_CHASKI_CORRUPT` for what are none.
 */
export function headersAt(memory: Uint8Array, at: number): Headers {
  const reading = new Varints(memory, at);
  const count = reading.next();
  if (count === 0) return none;
  if (count < 0) throw broken();
  const headers: [string, Uint8Array | null][] = [];
  for (let i = 0; i < count; i += 1) {
    const name = reading.bytes(reading.next());
    const length = reading.next();
    const value = length === -1 ? null : reading.bytes(length);
    headers.push([Buffer.from(name.buffer, name.byteOffset, name.length).toString(), value]);
  }
  return headers;
}

/** Where the headers that begin at `at` end. */
export function headersEnd(memory: Uint8Array, at: number): number {
  const reading = new Varints(memory, at);
  for (let left = reading.next(); left > 0; left -= 1) {
    reading.skip(reading.next());
    reading.skip(Math.max(0, reading.next()));
  }
  return reading.at;
}

/** Zig-zag numbers of at most 5 bytes, and bytes between them. */
class Varints {
  readonly #memory: Uint8Array;
  at: number;

  constructor(memory: Uint8Array, at: number) {
    this.#memory = memory;
    this.at = at;
  }

  next(): number {
    let raw = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.#memory[this.at];
      if (byte === undefined) break;
      this.at += 1;
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1);
    }
    throw broken();
  }

  bytes(length: number): Uint8Array {
    const { at } = this;
    this.skip(length);
    return this.#memory.subarray(at, at + length);
  }

  skip(length: number): void {
    if (length < 0 || length > this.#memory.length - this.at) throw broken();
    this.at += length;
  }
}

function broken(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_CORRUPT',
    'The headers of this record are none. Its batch was stored so: its checksum is right.',
  );
}

const none: Headers = [];
