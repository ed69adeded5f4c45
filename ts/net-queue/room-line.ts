// Those who wait for room towards a peer, in line. Joining, leaving and being served cost the same however long the line is.
import type { ChaskiError } from '../errors.ts';

/** Somebody who waits for room towards a peer. */
export interface RoomWaiter {
  /** There is room; called synchronously, once. */
  onRoom(): void;
  /** There will be none. */
  onGone(error: ChaskiError): void;
}

export class RoomLine {
  /** Places that are empty stay until they are many. */
  #places: Place[] = [];
  #head = 0;
  #waiting = 0;

  /** How many wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Waits behind the others. The function that is returned leaves the line, once it is of no use any more. */
  join(waiter: RoomWaiter): () => void {
    const place: Place = { waiter };
    this.#places.push(place);
    this.#waiting += 1;
    return () => {
      if (place.waiter === undefined) return;
      place.waiter = undefined;
      this.#waiting -= 1;
      if (this.#places.length > 2 * this.#waiting + 1024) this.#compact();
    };
  }

  /** Takes the first one out of the line. */
  take(): RoomWaiter | undefined {
    for (;;) {
      const place = this.#places[this.#head];
      if (place === undefined) return undefined;
      this.#head += 1;
      const { waiter } = place;
      if (waiter === undefined) continue;
      place.waiter = undefined;
      this.#waiting -= 1;
      if (this.#places.length > 2 * this.#waiting + 1024) this.#compact();
      return waiter;
    }
  }

  #compact(): void {
    this.#places = this.#places.filter(({ waiter }) => waiter !== undefined);
    this.#head = 0;
  }
}

/** Empty when whoever stood there was served, or has left. */
interface Place {
  waiter: RoomWaiter | undefined;
}
