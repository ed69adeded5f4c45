// Batches that native has handed over and that wait for their turn: in order, and by peer.
import type { ReceivedBatch } from './batch.ts';
import { Line } from '../shared/line.ts';
import type { Member } from '../shared/line.ts';

/** A batch, and how much of it was taken. */
interface Front<T> extends Member {
  over: boolean;
  /** Undefined when all of it was taken: who passes it over later holds nothing by that. */
  batch: ReceivedBatch<T> | undefined;
  cursor: number;
}

export class Parked<T> {
  readonly #inOrder: Line<Front<T>> = new Line();
  readonly #byPeer: Map<string, Line<Front<T>>> = new Map();

  push(batch: ReceivedBatch<T>): void {
    const front: Front<T> = { over: false, batch, cursor: 0 };
    this.#inOrder.push(front);
    let line = this.#byPeer.get(batch.peer);
    if (line === undefined) this.#byPeer.set(batch.peer, (line = new Line()));
    line.push(front);
  }

  /** What is left of the first one. */
  shift(): ReceivedBatch<T> | undefined {
    const front = this.#inOrder.shift();
    if (front?.batch === undefined) return undefined;
    const { batch, cursor } = front;
    // The first of all is the first of its peer.
    this.#shiftOf(batch.peer);
    return batch.part(cursor, batch.length - cursor);
  }

  /** At most `max` messages of this peer. */
  takeFrom(peer: string, max: number): ReceivedBatch<T> | undefined {
    const front = this.#byPeer.get(peer)?.first;
    if (front?.batch === undefined) return undefined;
    const { batch, cursor } = front;
    const count = Math.min(batch.length - cursor, max);
    front.cursor = cursor + count;
    if (front.cursor === batch.length) {
      this.#shiftOf(peer);
      front.over = true;
      front.batch = undefined;
      this.#inOrder.leave();
    }
    return batch.part(cursor, count);
  }

  #shiftOf(peer: string): void {
    const line = this.#byPeer.get(peer);
    line?.shift();
    if (line?.length === 0) this.#byPeer.delete(peer);
  }
}
