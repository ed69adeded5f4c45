// Which messages of a peer are done, when they need not be done in order. Acknowledgements are cumulative, so only the
// prefix without a gap can be told to the peer.

/** The done messages of one peer. Sequence numbers start at 1. */
export class AckTracker {
  /** Every message up to this one is done. */
  prefix: number = 0;
  /** Done beyond the prefix: first and last of each range, disjoint, not adjacent, in order. */
  readonly #beyond: number[] = [];

  /** Marks first to last (included) as done; whether the prefix grew. Doing so twice is harmless. */
  done(first: number, last: number): boolean {
    if (last <= this.prefix) return false;
    if (first > this.prefix + 1) {
      this.#keep(first, last);
      return false;
    }
    this.prefix = last;
    if (this.#beyond.length > 0) this.#absorb();
    return true;
  }

  /** Whether this message is done. */
  has(seq: number): boolean {
    if (seq <= this.prefix) return true;
    const first = this.#beyond[2 * this.#from(seq)];
    return first !== undefined && first <= seq;
  }

  /** The last message up to `seq`, beyond the prefix, that is not done. */
  lastMissing(seq: number): number {
    const at = this.#from(seq);
    const first = this.#beyond[2 * at];
    return first !== undefined && first <= seq ? first - 1 : seq;
  }

  /** How many ranges are remembered beyond the prefix. */
  get ranges(): number {
    return this.#beyond.length / 2;
  }

  #absorb(): void {
    const beyond = this.#beyond;
    let used = 0;
    while (used < beyond.length && (beyond[used] as number) <= this.prefix + 1) {
      this.prefix = Math.max(this.prefix, beyond[used + 1] as number);
      used += 2;
    }
    if (used > 0) beyond.splice(0, used);
  }

  #keep(first: number, last: number): void {
    const beyond = this.#beyond;
    const low = this.#from(first - 1);
    let end = low;
    let from = first;
    let to = last;
    while (2 * end < beyond.length && (beyond[2 * end] as number) <= to + 1) {
      from = Math.min(from, beyond[2 * end] as number);
      to = Math.max(to, beyond[2 * end + 1] as number);
      end += 1;
    }
    beyond.splice(2 * low, 2 * (end - low), from, to);
  }

  /** Which is the first range that ends at `seq` or later. */
  #from(seq: number): number {
    const beyond = this.#beyond;
    let low = 0;
    let high = beyond.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((beyond[2 * middle + 1] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
