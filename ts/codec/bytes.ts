// Byte arguments of users, made safe to read.
import { types } from 'node:util';

import { ChaskiError } from '../errors.ts';

/**
 * A Uint8Array over the memory of any ArrayBuffer or view, or undefined for anything else.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for memory that was taken away; a Uint8Array is returned as it is, see `isLost`.
 */
export function asBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  const view = ArrayBuffer.isView(value);
  if (!view && !types.isAnyArrayBuffer(value)) return undefined;
  try {
    if (!view) return new Uint8Array(value);
    // A typed array whose memory was taken away says that it is empty; asked for an element, it throws.
    if (value.byteLength === 0 && !(value instanceof DataView)) (value as Uint16Array).at(0);
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  } catch {
    throw lostMemory();
  }
}

/**
 * Whether the memory under `bytes` was taken away (its buffer transferred, or shrunk under the view). Such a view says
 * that its length is 0, so only empty views need this question.
 */
export function isLost(bytes: Uint8Array): boolean {
  // Not `length`: optimized code of V8 11 (Node 20) that has seen a resizable buffer reads the old one of detached memory.
  if (bytes.byteLength > 0) return false;
  try {
    bytes.at(0);
    return false;
  } catch {
    return true;
  }
}

/** `bytes`, or a copy when other threads could write to it meanwhile. */
export function unshared(bytes: Uint8Array): Uint8Array {
  return types.isSharedArrayBuffer(bytes.buffer) ? new Uint8Array(bytes) : bytes;
}

export function lostMemory(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    'The memory of this message is detached or was shrunk under its view: it was transferred or resized before it was put. ' +
      'Put first, transfer afterwards.',
  );
}
