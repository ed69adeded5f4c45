// Queue of chunks that is open at both ends.

/** Chunks in order; adding, taking and looking at either end takes constant time. Knows nothing of their bytes. */
export class ChunkDeque implements Iterable<Uint8Array> {
  // A ring: `#count` chunks from `#head` on, modulo the length, which is a power of two.
  #slots: (Uint8Array | undefined)[];
  #head: number;
  #count: number;

  constructor() {
    this.#slots = [];
    this.#head = 0;
    this.#count = 0;
  }

  get length(): number {
    return this.#count;
  }

  push(chunk: Uint8Array): void {
    if (this.#count === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#count) & (this.#slots.length - 1)] = chunk;
    this.#count += 1;
  }

  unshift(chunk: Uint8Array): void {
    if (this.#count === this.#slots.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = chunk;
    this.#count += 1;
  }

  shift(): Uint8Array | undefined {
    if (this.#count === 0) return undefined;
    const chunk = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#count -= 1;
    return chunk;
  }

  pop(): Uint8Array | undefined {
    if (this.#count === 0) return undefined;
    this.#count -= 1;
    const index = (this.#head + this.#count) & (this.#slots.length - 1);
    const chunk = this.#slots[index];
    this.#slots[index] = undefined;
    return chunk;
  }

  /** Puts `chunk` in the place of the first one, which must be there. */
  replaceFirst(chunk: Uint8Array): void {
    this.#slots[this.#head] = chunk;
  }

  /** Chunk `index`, counted from the front, or undefined. */
  at(index: number): Uint8Array | undefined {
    if (!(index >= 0 && index < this.#count)) return undefined;
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)];
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
    this.#count = 0;
  }

  /** As many chunks as there are when it starts, by position. */
  *[Symbol.iterator](): Generator<Uint8Array, void, undefined> {
    const end = this.#count;
    for (let index = 0; index < end; index += 1) {
      const chunk = this.at(index);
      if (chunk === undefined) return;
      yield chunk;
    }
  }

  #grow(): void {
    const slots: (Uint8Array | undefined)[] = Array.from(this);
    const length = Math.max(8, slots.length * 2);
    while (slots.length < length) slots.push(undefined);
    this.#slots = slots;
    this.#head = 0;
  }
}
