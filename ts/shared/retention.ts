// Whether consumers keep old arenas alive: who holds on to one small view of an arena holds all of it.
import { whenCollected } from './garbage.ts';
import { arenaBytes as usualBytes } from './arena.ts';

/**
 * Watches a sample of the arenas that were given out whole. While many of them outlive a full garbage collection, somebody
 * holds messages, and small ones had better lie in memory of their own. Garbage that was not collected yet does not count.
 */
export class Retention {
  readonly #arenaBytes: number;
  /** Messages up to this length are to be copied out of their arena; less than 0: none. */
  copyUpTo: number = none;
  /** Not known to have seen a collection. In order. */
  #fresh: Sample[] = [];
  /** Survivors of one. */
  #held: Sample[] = [];
  #retired = 0;
  /** Of so many arenas, one is watched: a weak reference keeps its target until the next full collection. */
  #stride = 1;
  /** The latest one that is watched, and the next. */
  #watched = 0;
  #next = 1;
  /** A full collection ended after this many arenas had been retired. */
  #collected = 0;
  #examined = 0;

  /** Of arenas of so many bytes. */
  constructor(arenaBytes: number = usualBytes) {
    this.#arenaBytes = arenaBytes;
  }

  /** All messages of `memory` were given out, and who filled it holds it no more. */
  retire(memory: ArrayBufferLike): void {
    this.#retired += 1;
    if (this.#collected > this.#examined) this.#examine();
    if (this.#retired >= this.#next) this.#watch(memory);
  }

  #watch(memory: ArrayBufferLike): void {
    if (this.#fresh.length === maxFresh) {
      this.#fresh = halved(this.#fresh);
      this.#stride *= 2;
    }
    const retired = this.#retired;
    this.#fresh.push({
      memory: new WeakRef(memory),
      retired,
      standsFor: retired - this.#watched,
    });
    this.#awaitCollection();
    this.#watched = retired;
    // By chance, lest it goes in step with what is held.
    this.#next = retired + 1 + Math.floor(Math.random() * (2 * this.#stride - 1));
  }

  /** An object that nobody holds is gone when a full collection has come by. */
  #awaitCollection(): void {
    const retired = this.#retired;
    whenCollected({}, () => {
      this.#collected = Math.max(this.#collected, retired);
    });
  }

  #examine(): void {
    this.#examined = this.#collected;
    const held: Sample[] = [];
    const fresh: Sample[] = [];
    for (const sample of this.#held) if (isAlive(sample)) held.push(sample);
    for (const sample of this.#fresh) {
      if (sample.retired > this.#collected) fresh.push(sample);
      else if (isAlive(sample)) held.push(sample);
    }
    this.#held = held.length > maxHeld ? halved(held) : held;
    this.#fresh = fresh;
    if (fresh.length === 0) {
      this.#stride = 1;
      this.#next = this.#retired;
    }
    this.#awaitCollection();
    let bytes = 0;
    for (const { standsFor } of this.#held) bytes += standsFor * this.#arenaBytes;
    // A sample may stand for many that are gone.
    if (bytes >= manyBytes) bytes = Math.min(bytes, process.memoryUsage().arrayBuffers);
    if (bytes >= manyBytes) this.copyUpTo = longestCopied;
    else if (bytes < manyBytes / 2) this.copyUpTo = none;
  }
}

interface Sample {
  readonly memory: WeakRef<ArrayBufferLike>;
  /** How many arenas had been retired then, this one included. */
  readonly retired: number;
  /** How many arenas it speaks for. */
  readonly standsFor: number;
}

function isAlive({ memory }: Sample): boolean {
  return memory.deref() !== undefined;
}

/** Every second one, which speaks for its neighbour too. */
function halved(samples: readonly Sample[]): Sample[] {
  const kept: Sample[] = [];
  for (let i = 1; i < samples.length; i += 2) {
    const sample = samples[i] as Sample;
    kept.push({ ...sample, standsFor: sample.standsFor + (samples[i - 1] as Sample).standsFor });
  }
  return kept;
}

const none = -1;
const manyBytes = 8 << 20;
/** A longer message is at least a quarter of what it holds. */
const longestCopied = 16 * 1024;
const maxFresh = 16;
const maxHeld = 64;
