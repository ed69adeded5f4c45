// Where the small messages of a turn are gathered, so that one call hands them to native.
import { kindShift } from '../binding/index.ts';
import { lengthOf } from '../codec/index.ts';
import type { Peer, Target } from './peer.ts';
import type { SharedPut } from './shared-put.ts';

/** A longer payload goes to native directly, from the user's memory. */
export const longestCopied: number = 32 * 1024;

/** The longest body of a frame with more than one message. */
export const frameBytes: number = 65_520;
const wordBytes = 4;

/** What a slab is made of. */
export interface SlabMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

const nothing: SlabMemory = { bytes: new Uint8Array(0), words: new Uint32Array(0) };

/**
 * Memory of slabs that were handed over, for the next one of whatever communicator: those that gather in a turn are few, however
 * many there are, and what the last one used is still in the caches.
 */
const free: SlabMemory[] = [];
const mostFree = 4;

function takeMemory(): SlabMemory {
  return (
    free.pop() ?? {
      bytes: new Uint8Array(Buffer.allocUnsafeSlow(frameBytes).buffer),
      words: new Uint32Array(frameBytes / wordBytes),
    }
  );
}

/** Gives back what nobody reads any more. */
export function recycle(memory: SlabMemory): void {
  if (free.length < mostFree) free.push(memory);
}

/** Payloads one after the other, a word for each. All of them go to the same target, and make up one frame at most. */
export class SendSlab {
  #memory: SlabMemory | undefined = undefined;
  bytes: Uint8Array = nothing.bytes;
  words: Uint32Array = nothing.words;
  used: number = 0;
  count: number = 0;
  /** Bytes that the frame still takes, words included. */
  room: number = frameBytes;
  target: Target | undefined = undefined;
  /** The only target, if its backlog in bytes cannot reach a mark before this slab is full. */
  quick: Peer | undefined = undefined;
  /** What the puts of this slab return, if they share it. */
  shared: SharedPut | undefined = undefined;
  /** Which messages were cancelled, by their places, for each peer. */
  cancelled: Map<Peer, Set<number>> | undefined = undefined;

  /** The first message is about to be added. */
  begin(target: Target): void {
    this.#memory ??= takeMemory();
    this.bytes = this.#memory.bytes;
    this.words = this.#memory.words;
    this.target = target;
  }

  /** Whether a payload of so many bytes fits beside what is there. */
  fits(length: number): boolean {
    return length + wordBytes <= this.room;
  }

  /**
   * Copies a payload that fits.
   *
   * @throws TypeError for detached memory whose `length` is out of date (see `isLost`); then nothing was added.
   */
  add(payload: Uint8Array, length: number, kind: number): void {
    const at = this.used;
    if (length < 16) {
      if (lengthOf(payload) !== length) throw new TypeError('The memory is detached.');
      const { bytes } = this;
      for (let i = 0; i < length; i += 1) bytes[at + i] = payload[i] as number;
    } else {
      this.bytes.set(payload, at);
    }
    this.words[this.count] = (kind << kindShift) | length;
    this.used = at + length;
    this.count += 1;
    this.room -= length + wordBytes;
  }

  /** Empties it; what it held is the caller's, to be recycled. */
  take(): SlabMemory {
    const memory = this.#memory ?? nothing;
    this.#memory = undefined;
    this.bytes = nothing.bytes;
    this.words = nothing.words;
    this.used = 0;
    this.count = 0;
    this.room = frameBytes;
    this.target = undefined;
    this.quick = undefined;
    this.shared = undefined;
    this.cancelled = undefined;
    return memory;
  }
}
