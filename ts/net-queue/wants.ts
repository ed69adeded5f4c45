// Those who wait for a message: one line for any peer, and one for each peer of which somebody wants a message.
import type { ChaskiError } from '../errors.ts';
import type { ReceivedBatch } from './batch.ts';
import { Line } from '../shared/line.ts';
import type { Message } from './types.ts';

/** Somebody who waits for a message or a batch. */
export interface Want<T> {
  /** Only from this peer. */
  readonly peer: string | undefined;
  /** The most messages of a batch; 0 for a single message. */
  readonly max: number;
  /** Given up; only `Wants` says so. */
  over: boolean;
  /** Its place among all, or 0 when it does not wait; only `Wants` gives it. */
  place: number;
  onMessage(message: Message<T>): void;
  onBatch(batch: ReceivedBatch<T>): void;
  onEnd(error: ChaskiError | undefined): void;
}

export class Wants<T> {
  readonly #any: Line<Want<T>> = new Line();
  readonly #byPeer: Map<string, Line<Want<T>>> = new Map();
  #length = 0;
  #places = 0;

  get length(): number {
    return this.#length;
  }

  /** The first that takes a message of any peer. */
  get any(): Want<T> | undefined {
    return this.#any.first;
  }

  /** The first that takes messages of this peer only. */
  of(peer: string): Want<T> | undefined {
    return this.#byPeer.size === 0 ? undefined : this.#byPeer.get(peer)?.first;
  }

  /** The peers of which somebody wants a message; it may be gone through while lines end. */
  get peers(): Iterable<string> {
    return this.#byPeer.keys();
  }

  /** Whether it is the first of its line. */
  add(want: Want<T>): boolean {
    this.#length += 1;
    this.#places += 1;
    want.place = this.#places;
    let line: Line<Want<T>> | undefined = this.#any;
    if (want.peer !== undefined) {
      line = this.#byPeer.get(want.peer);
      if (line === undefined) this.#byPeer.set(want.peer, (line = new Line()));
    }
    line.push(want);
    return line.length === 1;
  }

  /** Takes out the first of the line of `want`, which is `want`. */
  take(want: Want<T>): void {
    this.#leave(want, (line) => line.shift());
  }

  /** Takes `want` out, wherever it stands. */
  giveUp(want: Want<T>): void {
    if (want.place === 0) return;
    want.over = true;
    this.#leave(want, (line) => {
      line.leave();
    });
  }

  #leave(want: Want<T>, leave: (line: Line<Want<T>>) => void): void {
    const { peer } = want;
    want.place = 0;
    const line = peer === undefined ? this.#any : this.#byPeer.get(peer);
    if (line === undefined) return;
    leave(line);
    this.#length -= 1;
    if (peer !== undefined && line.length === 0) this.#byPeer.delete(peer);
  }
}
