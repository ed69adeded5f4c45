// Learns of acknowledgements that somebody waits for. Native watches one sequence number of each peer and wakes JavaScript
// when it is reached, so nothing is woken for acknowledgements that nobody looks at.
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { setImmediate } from '../shared/timers.ts';
import type { Backlog } from './backlog.ts';
import { Budget } from '../shared/budget.ts';
import type { Peer } from './peer.ts';

export class AckWatch {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #backlog: Backlog;
  readonly #handOver: (peer: Peer) => void;
  /** For those who wait for room. */
  readonly #budget: Budget = new Budget();
  /** They are served when the event loop has turned. */
  #later = false;
  /** Peers that native watches, or should from the end of this turn on. */
  readonly #peers: Set<Peer> = new Set();

  /** `handOver` hands native what is still gathered for a peer: it cannot watch what it has not seen. */
  constructor(
    native: NativeBinding,
    handle: QueueHandle,
    backlog: Backlog,
    handOver: (peer: Peer) => void,
  ) {
    this.#native = native;
    this.#handle = handle;
    this.#backlog = backlog;
    this.#handOver = handOver;
  }

  /** Somebody waits for `peer`; native learns of it with the next `arm()`. */
  add(peer: Peer): void {
    this.#peers.add(peer);
  }

  /** `peer` is lost. */
  delete(peer: Peer): void {
    this.#peers.delete(peer);
  }

  /** Some of the watched messages were acknowledged. */
  onAcked(): void {
    for (const peer of this.#peers) {
      peer.watched = 0;
      this.#backlog.refresh(peer);
      peer.settle();
    }
    this.arm();
  }

  /** Has native watch what must be watched next, and settles what is acknowledged already. */
  arm(): void {
    if (!this.#later) this.#budget.start();
    for (const peer of this.#peers) {
      while (!this.#armed(peer)) {
        this.#backlog.refresh(peer);
        peer.settle();
        this.#serveRoom(peer);
      }
    }
  }

  /** Whether native watches what must be watched next; false when that is acknowledged already. */
  #armed(peer: Peer): boolean {
    this.#serveRoom(peer);
    const next = this.#next(peer);
    if (next === Infinity || peer.gone !== undefined) {
      this.#peers.delete(peer);
      // What native still watches may be reached without anybody here to hear of it.
      peer.watched = 0;
      return true;
    }
    if (peer.watched !== 0 && peer.watched <= next) return true;
    this.#handOver(peer);
    if (this.#native.queueWatch(this.#handle, peer.number, next)) return false;
    peer.watched = next;
    return true;
  }

  /** The message whose acknowledgement somebody waits for first; Infinity when nobody waits. */
  #next(peer: Peer): number {
    const { waiters, settled } = peer;
    let next = waiters.first;
    if (peer.full || peer.room.waiting > 0) {
      // Where numbers are missing, there may be room sooner than they tell.
      const enough = settled.ranges === 0 ? peer.sentSeq - peer.policy.highWaterMessages + 1 : 0;
      next = Math.min(next, Math.max(peer.ackedSeq + 1, enough));
    }
    // What was cancelled is never acknowledged; what comes before it is.
    return next === Infinity ? next : settled.lastMissing(next);
  }

  /** Has somebody's patience rewarded, in order, while there is room. When many wait, the event loop turns in between. */
  #serveRoom(peer: Peer): void {
    while (!this.#later && peer.room.waiting > 0 && this.#backlog.hasRoom(peer)) {
      peer.room.take()?.onRoom();
      if (this.#budget.spend()) this.#continueLater();
    }
  }

  #continueLater(): void {
    this.#later = true;
    setImmediate(() => {
      this.#later = false;
      this.arm();
    });
  }
}
