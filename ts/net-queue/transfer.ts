// Memory that its owner gives away with a message: moved to where only native can reach it.
import { types } from 'node:util';

import { asBytes, isLost, lostMemory } from '../codec/index.ts';
import { ChaskiError } from '../errors.ts';
import { invalid } from './failures.ts';

/**
 * The bytes of `data`, which can be given away as far as can be told beforehand.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function transferable(data: unknown): Uint8Array {
  const bytes = asBytes(data);
  if (bytes === undefined) {
    throw invalid('data', data, 'bytes with transfer: an ArrayBuffer, or a view of all of one');
  }
  if (isLost(bytes)) throw lostMemory();
  const { buffer, byteLength } = bytes;
  if (types.isSharedArrayBuffer(buffer)) {
    throw refused('it lies in a SharedArrayBuffer, which other threads can still write to');
  }
  if (byteLength !== buffer.byteLength) {
    throw refused(
      `it is a view of ${byteLength} of the ${buffer.byteLength} bytes of its ArrayBuffer, ` +
        'and the others would be taken away as well (small Buffers share one)',
    );
  }
  return bytes;
}

/**
 * Detaches the memory of `transferable()` bytes and returns it in a place of its own.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`: it cannot be detached, and was not.
 */
export function take({ buffer }: Uint8Array): Uint8Array {
  let moved: ArrayBuffer;
  try {
    // Not `buffer.transfer()`: Node 22 lets that take away what is marked as untransferable, even the pool of all small Buffers.
    moved = structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] });
  } catch (cause) {
    throw refused(untransferable, cause);
  }
  // Node 20 copies what it cannot transfer.
  if (buffer.byteLength > 0) throw refused(untransferable);
  return new Uint8Array(moved);
}

function refused(why: string, cause?: unknown): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `data cannot be transferred: ${why}. Leave transfer out, or put a copy: new Uint8Array(data).`,
    cause === undefined ? {} : { cause },
  );
}

const untransferable =
  'its ArrayBuffer cannot be detached (it is the memory of a WebAssembly module, or marked as untransferable)';
