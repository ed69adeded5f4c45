// Which messages to a peer will never arrive although they were put: dropped, to make room for newer ones.

/** Ranges of sequence numbers, in order. Bounded: the oldest are forgotten, and it is known that they are. */
export class Rejections {
  /** First and last of each range. */
  #ranges: number[] = [];
  /** Nothing is known about messages up to this one. */
  #horizon = 0;

  /** Adds first to last (included), all newer than what was added before. */
  add(first: number, last: number): void {
    const ranges = this.#ranges;
    if (ranges.length > 0 && ranges.at(-1) === first - 1) ranges[ranges.length - 1] = last;
    else ranges.push(first, last);
    if (ranges.length > 2 * most) {
      this.#horizon = ranges[most - 1] as number;
      this.#ranges = ranges.slice(most);
    }
  }

  /** What is known about messages first to last: whether none of them was dropped, or some, or all. */
  among(first: number, last: number): 'none' | 'some' | 'all' | 'forgotten' {
    if (first <= this.#horizon) return 'forgotten';
    const at = this.#from(first);
    const from = this.#ranges[at];
    const to = this.#ranges[at + 1];
    if (from === undefined || to === undefined || from > last) return 'none';
    return from <= first && to >= last ? 'all' : 'some';
  }

  /** The last message up to `seq` of which it is not known that it was dropped. */
  lastKept(seq: number): number {
    const first = this.#ranges[this.#from(seq)];
    return first !== undefined && first <= seq ? first - 1 : seq;
  }

  /** Where in the list the first range is that ends with `seq` or later. */
  #from(seq: number): number {
    const ranges = this.#ranges;
    let low = 0;
    let high = ranges.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[2 * middle + 1] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}

/** Ranges remembered; even. */
const most = 1024;
