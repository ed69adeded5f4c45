// The memory that received messages are copied into: filled once from front to back, never reused, because views of it
// stay valid for ever.
import workers from 'node:worker_threads';

/** Payloads, one after the other. */
export class Arena {
  readonly memory: Uint8Array;
  /** Bytes that are taken. */
  used: number = 0;

  constructor(bytes: number = arenaBytes) {
    this.memory = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
    keep(this.memory.buffer);
  }

  /** Whether too little is left for a drain to be worth it; nothing is, when somebody took the memory away all the same. */
  get spent(): boolean {
    return this.used > this.memory.length - 1024;
  }
}

/**
 * Keeps `postMessage()` and `structuredClone()` from moving memory that many messages share to another thread: who asks for
 * one message to be transferred would take all of them.
 */
export const keep: (memory: ArrayBufferLike) => void = (() => {
  try {
    workers.markAsUntransferable(new ArrayBuffer(0));
    return workers.markAsUntransferable;
  } catch {
    // A runtime that has no such thing.
    return () => {};
  }
})();

/** Small, so that a view that somebody keeps does not keep much. */
export const arenaBytes: number = 64 * 1024;
