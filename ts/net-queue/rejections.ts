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

  /** What is known about message `seq`. */
  of(seq: number): 'none' | 'dropped' | 'forgotten' {
    if (seq <= this.#horizon) return 'forgotten';
    const ranges = this.#ranges;
    let low = 0;
    let high = ranges.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[2 * middle + 1] as number) < seq) low = middle + 1;
      else high = middle;
    }
    const first = ranges[2 * low];
    return first !== undefined && first <= seq ? 'dropped' : 'none';
  }

  /** The same for first to last: the worst of them. */
  among(first: number, last: number): 'none' | 'dropped' | 'forgotten' {
    if (first <= this.#horizon) return 'forgotten';
    const ranges = this.#ranges;
    for (let i = 0; i < ranges.length; i += 2) {
      if ((ranges[i] as number) <= last && (ranges[i + 1] as number) >= first) return 'dropped';
    }
    return 'none';
  }
}

/** Ranges remembered; even. */
const most = 1024;
