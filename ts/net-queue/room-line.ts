// Those who wait for room towards a peer, in line.
import type { ChaskiError } from '../errors.ts';
import { Line } from '../shared/line.ts';
import type { Member } from '../shared/line.ts';

/** Somebody who waits for room towards a peer. */
export interface RoomWaiter {
  /** There is room; called synchronously, once. */
  onRoom(): void;
  /** There will be none. */
  onGone(error: ChaskiError): void;
}

export class RoomLine {
  readonly #line: Line<Place> = new Line();

  /** How many wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Waits behind the others. The function that is returned leaves the line, once it is of no use any more. */
  join(waiter: RoomWaiter): () => void {
    const place: Place = { waiter, over: false };
    this.#line.push(place);
    return () => {
      if (place.over) return;
      end(place);
      this.#line.leave();
    };
  }

  /** Takes the first one out of the line. */
  take(): RoomWaiter | undefined {
    const place = this.#line.shift();
    return place && end(place);
  }
}

/** Over when whoever stood there was served, or has left; then it holds nobody. */
interface Place extends Member {
  over: boolean;
  waiter: RoomWaiter | undefined;
}

function end(place: Place): RoomWaiter | undefined {
  const { waiter } = place;
  place.over = true;
  place.waiter = undefined;
  return waiter;
}
