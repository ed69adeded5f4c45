// Memory for messages that are copied out of their arena, so that who holds one does not hold the arena.
import { keep } from './arena.ts';

/**
 * A copy of `length` bytes at `offset` of `buffer`. It holds nothing but itself, or, where memory of its own would cost more
 * than the message (65 to 1,024 bytes), a page of 4 KiB.
 */
export function copyOf(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  const view = new Uint8Array(buffer, offset, length);
  // V8 puts up to 64 bytes into its own heap, which costs next to nothing.
  if (length <= 64 || length > pageBytes / 4) return new Uint8Array(view);
  if (used + length > pageBytes) renewPage();
  page.set(view, used);
  const copy = new Uint8Array(page.buffer, used, length);
  used += length;
  return copy;
}

function renewPage(): void {
  page = new Uint8Array(Buffer.allocUnsafeSlow(pageBytes).buffer);
  keep(page.buffer);
  used = 0;
}

const pageBytes = 4096;
let page = new Uint8Array(0);
let used = pageBytes;
