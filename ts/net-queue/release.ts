// Memory of large messages that goes back before the garbage collector finds it.
import { types } from 'node:util';

import { loadNative } from '../binding/index.ts';
import { invalid } from './failures.ts';

/**
 * Gives the memory of a large message back, because you are done with it. Nothing else has to be done with messages: the garbage
 * collector finds them too, but late, and when megabytes wait for it, it works hard.
 *
 * Messages over 64 KiB come in memory of their own. `bytes` is any view of it (`data` or `bytes` of the message, what a handler is
 * called with, `memory` of a batch), or its buffer. From now on it and all other views of the message are empty, and
 * its bytes cannot be read again or given to another receiver: release what is settled.
 *
 * @returns false, and nothing has happened, when it is not such memory: that of smaller messages, which many share; memory of yours;
 * or what was released, or transferred to another thread, before.
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` when `bytes` is neither a view nor a buffer.
 */
export function release(bytes: ArrayBufferView | ArrayBufferLike): boolean {
  const memory = ArrayBuffer.isView(bytes) ? bytes.buffer : bytes;
  if (!types.isAnyArrayBuffer(memory)) {
    throw invalid('bytes', bytes, 'a view of the bytes of a message, or their ArrayBuffer');
  }
  return releasable.delete(memory) && loadNative().queueTakeBack(memory as ArrayBuffer);
}

/** `memory` holds one message and nothing else, and native takes it back. */
export function mayBeReleased(memory: ArrayBufferLike): void {
  releasable.add(memory);
}

const releasable: WeakSet<ArrayBufferLike> = new WeakSet();
