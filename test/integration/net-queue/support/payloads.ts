// Payloads that prove on arrival which ones they are: number, length, and every byte.

/** Bytes of a length that follow from a seed. */
export function bytesOf(seed: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  // A period of 251 bytes meets every border of a power of two with another value.
  const period = Math.min(length, 251);
  for (let i = 0; i < period; i += 1) bytes[i] = (seed * 31 + i * 7 + 11) & 0xff;
  for (let done = period; done < length; done *= 2) {
    bytes.copy(bytes, done, 0, Math.min(done, length - done));
  }
  return bytes;
}

/** Whether `bytes` are what `bytesOf` gives. */
export function isBytesOf(seed: number, length: number, bytes: Uint8Array): boolean {
  return bytes.byteLength === length && Buffer.compare(bytes, bytesOf(seed, length)) === 0;
}

/** A message that carries its number in 8 bytes and is `length` long, at least 8. */
export function numbered(number: number, length: number = 8): Uint8Array {
  const bytes = Buffer.alloc(length, number & 0xff);
  bytes.writeDoubleLE(number);
  return bytes;
}

/** The number in a message of `numbered`. */
export function numberIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0, true);
}
