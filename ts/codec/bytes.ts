// Byte arguments of users, made safe to read.
import { types } from 'node:util';

import { ChaskiError } from '../errors.ts';

/**
 * A Uint8Array over the memory of any ArrayBuffer or view, or undefined for anything else.
 *
 * Of whatever realm it is; what only looks like one (a Proxy, an object with its prototype) is none.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for memory that was taken away; a Uint8Array is returned as it is, see `isLost`.
 */
export function asBytes(value: unknown): Uint8Array | undefined {
  if (types.isUint8Array(value)) return value;
  const view = ArrayBuffer.isView(value);
  if (!view && !types.isAnyArrayBuffer(value)) return undefined;
  try {
    if (!view) return new Uint8Array(value);
    // A typed array whose memory was taken away says that it is empty; asked for an element, it throws.
    if (value.byteLength === 0 && !types.isDataView(value)) {
      Uint8Array.prototype.at.call(value as Uint8Array, 0);
    }
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
  if (lengthOf(bytes) > 0) return false;
  try {
    Uint8Array.prototype.at.call(bytes, 0);
    return false;
  } catch {
    return true;
  }
}

/** How many bytes `bytes` is long, whatever its owner lets its properties say: what is counted is what is sent. */
export function lengthOf(bytes: Uint8Array | Uint32Array): number {
  return byteLength.call(bytes) as number;
}

/**
 * The bytes of `bytes` in a view of its own, whose properties nobody has changed.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for memory that was taken away.
 */
export function plain(bytes: Uint8Array | Uint32Array): Uint8Array {
  const memory = buffer.call(bytes) as ArrayBufferLike;
  try {
    return new Uint8Array(memory, byteOffset.call(bytes) as number, lengthOf(bytes));
  } catch {
    throw lostMemory();
  }
}

/** `bytes`, or a copy when other threads could write to it meanwhile. */
export function unshared(bytes: Uint8Array): Uint8Array {
  return types.isSharedArrayBuffer(buffer.call(bytes)) ? new Uint8Array(bytes) : bytes;
}

/** What is told of memory that was taken away; `more` says what else can be done. */
export function lostMemory(more?: string): ChaskiError {
  const message =
    'The memory of these bytes is detached: it was transferred, released, or shrunk under its view, before they were read. ' +
    'Do that last, or give a copy.';
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    more === undefined ? message : `${message} ${more}`,
  );
}

const byteLength: () => unknown = getter('byteLength');
const byteOffset: () => unknown = getter('byteOffset');
const buffer: () => unknown = getter('buffer');

/** A getter that all typed arrays have, and that no property of one of them can hide. */
function getter(name: string): () => unknown {
  const typed = Object.getPrototypeOf(Uint8Array.prototype) as object;
  // oxlint-disable-next-line typescript/unbound-method -- it is bound to what is asked, at each call.
  return Object.getOwnPropertyDescriptor(typed, name)?.get as () => unknown;
}
