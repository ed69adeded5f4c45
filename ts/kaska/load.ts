// How much was appended and is not acknowledged: what `highWaterMark` bounds.
import type { ChaskiError } from '../errors.ts';
import { queueFull } from './failures.ts';
import type { Hold } from './hold.ts';
import type { OnFull } from './types.ts';

/** Bytes of appends on their way: gathered in this turn, waiting in line, or with native. */
export class Load {
  /** Beyond so many, who appends should wait. */
  readonly mark: number;
  /** Beyond so many, nothing is taken. */
  readonly #most: number;
  readonly #hold: Hold;
  #bytes = 0;
  #high = false;

  constructor(
    { onFull, highWaterMark }: { readonly onFull: OnFull; readonly highWaterMark: number },
    hold: Hold,
  ) {
    this.#hold = hold;
    this.mark = highWaterMark;
    this.#most = onFull === 'error' ? highWaterMark : 4 * highWaterMark;
  }

  /** Who appends should wait: it was over the mark, or native had no room, and nobody has said `relieve()` since. */
  get high(): boolean {
    return this.#high;
  }

  /** There is no room for more now. */
  raise(): void {
    this.#high = true;
  }

  /** True if it was high, and is down to half of the mark. */
  relieve(): boolean {
    if (!this.#high || 2 * this.#bytes > this.mark) return false;
    this.#high = false;
    return true;
  }

  /** Whether so many bytes more are within the mark. Something is taken whatever its size is when there is nothing else. */
  fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.mark;
  }

  /** Whether so many bytes more are taken. */
  takes(bytes: number): boolean {
    if (this.#bytes === 0 || this.#bytes + bytes <= this.#most) return true;
    this.#high = true;
    return false;
  }

  /** Why so many bytes are not. */
  refusal(bytes: number): ChaskiError {
    return queueFull(bytes, this.#bytes, this.#most);
  }

  add(bytes: number): void {
    if (this.#bytes === 0) this.#hold.begin();
    this.#bytes += bytes;
    if (this.#bytes > this.mark) this.#high = true;
  }

  /** They are acknowledged, or lost. */
  remove(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes -= bytes;
    if (this.#bytes === 0) this.#hold.end();
  }
}
