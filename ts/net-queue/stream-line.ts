// The streams on their way to one peer, in the order of their puts. The oldest goes as fast as it can; those behind it, turn by turn, get only
// so far ahead that a receiver can keep what it has not read of them. So a program that reads streams one after the other never
// waits for bytes that stand behind what it would read later.

/** A stream in line. */
export interface InLine {
  /** It may go on. */
  onTurn(): void;
}

export class StreamLine {
  /** Also those behind the first of which all is put: a receiver may still keep them. */
  readonly #places: Map<InLine, Place> = new Map();
  #first: InLine | undefined = undefined;
  /** What those behind the first have put, and what it takes to keep it. */
  #ahead = 0;
  /** Those of which a part is put. */
  #open = 0;

  join(member: InLine): void {
    this.#places.set(member, { bytes: 0, cost: 0, left: false });
    this.#first ??= member;
  }

  /** How many bytes of `member` may be put now; 0: none, until `onTurn()`. */
  room(member: InLine): number {
    if (member === this.#first) return Infinity;
    const place = this.#places.get(member);
    if (place === undefined || (place.cost === 0 && this.#open >= mostOpen)) return 0;
    return Math.max(0, Math.min(mostOfOne - place.bytes, mostAhead - this.#ahead - chunkCost));
  }

  /** A chunk of `member` with so many bytes was put. */
  put(member: InLine, bytes: number): void {
    const place = this.#places.get(member);
    if (place === undefined) return;
    if (place.cost === 0) this.#open += 1;
    const cost = bytes + chunkCost;
    place.bytes += bytes;
    place.cost += cost;
    if (member !== this.#first) this.#ahead += cost;
  }

  /** No more will be put of `member`. */
  leave(member: InLine): void {
    const left = this.#places.get(member);
    if (left === undefined || left.left) return;
    left.left = true;
    const wasFull = this.#open === mostOpen;
    if (left.cost > 0) this.#open -= 1;
    else this.#places.delete(member);
    if (member === this.#first) this.#follow(member);
    else if (!wasFull) return;
    for (const [next, place] of this.#places) if (!place.left) next.onTurn();
  }

  /** Another one is the first now. */
  #follow(first: InLine): void {
    this.#places.delete(first);
    this.#first = undefined;
    for (const [next, place] of this.#places) {
      this.#ahead -= place.cost;
      if (!place.left) {
        this.#first = next;
        return;
      }
      this.#places.delete(next);
    }
  }
}

interface Place {
  bytes: number;
  cost: number;
  left: boolean;
}

/** Less than a receiver keeps of one stream, and of all together, whatever its mark (`stream-router`). */
const mostOfOne = 65_504;
const mostAhead = 2 << 20;
/** What it takes to keep a chunk, besides its bytes. */
const chunkCost = 1024;
/** A receiver has a few more of a peer open at a time. */
const mostOpen = 1000;
