// @ts-check
// The messages that every contender sends, and the check that every receiver makes.

/** Messages go round in this many payloads, so a lost, doubled or swapped message is seen at once. */
export const KINDS = 4;
const MASK = KINDS - 1;
const FIRST = Uint8Array.of(0xc1, 0x52, 0x93, 0x24);
const LAST = Uint8Array.of(0x1e, 0x8d, 0x3c, 0xab);

/**
 * @param {number} size @param {number} [mask] 0: all of one kind
 * @returns {Uint8Array[]} one message of each kind, each in memory of its own
 */
export function makeMessages(size, mask = MASK) {
  return Array.from({ length: KINDS }, (_, i) => {
    const kind = i & mask;
    const message = new Uint8Array(new ArrayBuffer(size));
    for (let i = 0; i < size; i++) message[i] = (i * 31 + kind * 7) & 0x7f;
    message[0] = FIRST[kind];
    message[size - 1] = LAST[kind];
    return message;
  });
}

/**
 * A batch of about 64 KiB, or of one message of each kind.
 * @param {number} size @returns {import('./peer.mjs').Packed}
 */
export function makePacked(size) {
  const count = size > 16_384 ? KINDS : Math.floor(65_536 / size) & ~MASK;
  const data = new Uint8Array(size * count);
  const messages = makeMessages(size);
  for (let i = 0; i < count; i++) data.set(messages[i & MASK], i * size);
  return { data, lengths: new Uint32Array(count).fill(size), first: 0 };
}

/** Counts messages, and checks length, first and last byte of each. */
export class Check {
  /**
   * @param {number} size @param {number} keep how many of the last views are held, and checked again when they are let go
   * @param {number} [mask] 0: all messages are of one kind
   */
  constructor(size, keep, mask = MASK) {
    this.size = size;
    this.mask = mask;
    this.count = 0;
    this.wrong = 0;
    this.keep = keep;
    /** @type {Uint8Array[]} */
    this.held = [];
    /** Called with what is held no more. @type {(view: Uint8Array) => void} */
    this.letGo = () => {};
  }

  /** @param {Uint8Array} view */
  take(view) {
    const last = view.length - 1;
    const kind = this.count++ & this.mask;
    if (last !== this.size - 1 || view[0] !== FIRST[kind] || view[last] !== LAST[kind])
      this.wrong++;
    if (this.keep !== 0) this.#hold(view);
  }

  /** A message in place. @param {Uint8Array} memory @param {number} offset @param {number} length */
  takeAt(memory, offset, length) {
    const kind = this.count++ & this.mask;
    if (
      length !== this.size ||
      memory[offset] !== FIRST[kind] ||
      memory[offset + length - 1] !== LAST[kind]
    )
      this.wrong++;
  }

  /** @param {Uint8Array} view */
  #hold(view) {
    const slot = this.count % this.keep;
    const old = this.held[slot];
    this.held[slot] = view;
    if (old === undefined) return;
    const kind = (this.count - this.keep - 1) & this.mask;
    if (old[0] !== FIRST[kind] || old[old.length - 1] !== LAST[kind]) this.wrong++;
    this.letGo(old);
  }
}
