// A queue of which members may leave before it is their turn.

export interface Member {
  /** It has left: to be passed over. */
  readonly over: boolean;
}

/** First in, first out. Nothing that it does takes longer because many are in it, or have left it. */
export class Line<M extends Member> {
  /** Empty before the head: it keeps nobody alive who was taken out. */
  #members: (M | undefined)[] = [];
  #head = 0;
  #left = 0;

  /** How many are in it. */
  get length(): number {
    return this.#members.length - this.#head - this.#left;
  }

  get first(): M | undefined {
    if (this.#left > 0) this.#passOver();
    return this.#members[this.#head];
  }

  push(member: M): void {
    this.#members.push(member);
  }

  /** Takes the first one out. */
  shift(): M | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    this.#members[this.#head] = undefined;
    this.#head += 1;
    this.#tidy();
    return first;
  }

  /** One of them is over now. */
  leave(): void {
    this.#left += 1;
    this.#tidy();
  }

  #passOver(): void {
    const members = this.#members;
    while (members[this.#head]?.over === true) {
      members[this.#head] = undefined;
      this.#head += 1;
      this.#left -= 1;
    }
  }

  #tidy(): void {
    const gone = this.#head + this.#left;
    if (gone < this.#members.length && (gone < 64 || 2 * gone < this.#members.length)) return;
    this.#members = this.#members.filter((member) => member?.over === false);
    this.#head = 0;
    this.#left = 0;
  }
}
