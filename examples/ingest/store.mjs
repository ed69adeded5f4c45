// @ts-check
// Where records go: a Kaska log on disk, with a topic for each producer. A batch of the queue is stored by one append, and stored
// once: the writer has a name that this run alone uses, and the numbers that the queue gave the messages are its sequence. When a
// batch comes again, because whoever stored it died before it was acknowledged, the log knows what it has of it.

import { Kaska } from 'chaski/kaska';
import { Failure, explain, printable } from './failure.mjs';

/** @typedef {import('chaski/net-queue').Batch<unknown>} Batch */
/** @typedef {import('chaski/kaska').Writer} Writer */

/** @param {number} share */
export const topicName = (share) => `producer-${share}`;

export class Store {
  /** Records and their bytes that are safe on disk, and were not before this process stored them. */
  records = 0;
  bytes = 0;
  /** Records that came again and were there already. */
  again = 0;

  #kaska;
  #writers;
  /** The write of each producer that began last. @type {Promise<void>[]} */
  #last = [];

  /**
   * Opens the log in `folder`, or makes it.
   * @param {string} folder
   * @param {number} producers
   * @param {string} run its name, the same for each process that takes part in it
   */
  static async open(folder, producers, run) {
    const kaska = await openLog(folder);
    const writers = [];
    for (let share = 0; share < producers; share++) {
      const name = topicName(share);
      const topic = kaska.topics.get(name) ?? (await kaska.createTopic(name));
      writers.push(await topic.writer(`${run}/${share}`));
    }
    return new Store(kaska, writers);
  }

  /**
   * @param {Kaska} kaska
   * @param {Writer[]} writers
   */
  constructor(kaska, writers) {
    this.#kaska = kaska;
    this.#writers = writers;
  }

  /** Syncs so far. */
  get commits() {
    return this.#kaska.stats()['syncs'] ?? 0;
  }

  /**
   * The offset behind the last record of each producer's topic.
   * @returns {number[]}
   */
  ends() {
    return this.#writers.map((_, share) => this.#kaska.topic(topicName(share)).endOffset());
  }

  /**
   * Stores a batch; settled when it is safe on disk. Batches that wait at the same time share a sync.
   * @param {number} share
   * @param {Batch} batch
   * @returns {Promise<void>}
   */
  write(share, batch) {
    const before = this.#last[share];
    const storing = this.#append(share, batch).catch(async (error) => {
      // What comes behind a batch that failed leaves a gap, and may be refused for it earlier: the first tells why.
      await before;
      throw error;
    });
    this.#last[share] = storing;
    return storing;
  }

  /**
   * @param {number} share
   * @param {Batch} batch
   */
  async #append(share, batch) {
    const writer = this.#writers[share];
    if (!writer) throw new Error(`there is no producer ${share}`);
    const packed = packedOf(batch);
    try {
      const { count } = await writer.appendBatch(packed, { sequence: batch.seq });
      this.records += count;
      this.bytes += sum(packed.lengths, batch.length - count);
      this.again += batch.length - count;
    } catch (error) {
      throw explain(`cannot write ${topicName(share)}`, causeOf(error));
    }
  }

  close() {
    return this.#kaska.close();
  }
}

/**
 * Opens the log in `folder`.
 * @param {string} folder
 * @returns {Promise<Kaska>}
 */
export async function openLog(folder) {
  try {
    return await Kaska.open({ dir: folder });
  } catch (error) {
    const code = /** @type {{ code?: string }} */ (error)?.code;
    if (code === 'ERR_CHASKI_LOCKED') {
      throw new Failure(`another process has ${printable(folder)} open; see --out`, {
        cause: error,
      });
    }
    throw explain(`cannot open the log in ${printable(folder)}`, causeOf(error));
  }
}

/** What the system said, if it did. @param {unknown} error */
function causeOf(error) {
  const cause = /** @type {{ cause?: { code?: unknown } }} */ (error)?.cause;
  return typeof cause?.code === 'string' ? cause : error;
}

/**
 * The payloads of a batch, one behind the other. They usually lie so already, and are not copied then.
 * @param {Batch} batch
 * @returns {{ data: Uint8Array, lengths: Uint32Array }}
 */
export function packedOf(batch) {
  const lengths = new Uint32Array(batch.length);
  const start = batch.offset(0);
  let end = start;
  let together = true;
  for (let i = 0; i < batch.length; i++) {
    lengths[i] = batch.byteLengthAt(i);
    together &&= batch.offset(i) === end;
    end += batch.byteLengthAt(i);
  }
  if (together) return { data: batch.memory.subarray(start, end), lengths };
  const data = new Uint8Array(end - start);
  let at = 0;
  for (let i = 0; i < batch.length; i++) {
    const offset = batch.offset(i);
    data.set(batch.memory.subarray(offset, offset + batch.byteLengthAt(i)), at);
    at += batch.byteLengthAt(i);
  }
  return { data, lengths };
}

/** The sum of the numbers from `from` on. @param {Uint32Array} numbers @param {number} from */
function sum(numbers, from) {
  let total = 0;
  for (let i = from; i < numbers.length; i++) total += /** @type {number} */ (numbers[i]);
  return total;
}
