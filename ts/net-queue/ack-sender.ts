// Tells native which messages were processed: once a turn, and not once a message.
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { setImmediate } from '../shared/timers.ts';
import type { Peer } from './peer.ts';

export class AckSender {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #due: Set<Peer> = new Set();
  #latest: Peer | undefined = undefined;
  #scheduled = false;
  #closed = false;

  constructor(native: NativeBinding, handle: QueueHandle) {
    this.#native = native;
    this.#handle = handle;
  }

  /** Messages first to last of `peer` are processed. */
  readonly done = (peer: Peer, first: number, last: number): void => {
    if (!peer.acks.done(first, last)) return;
    if (this.#latest !== peer) {
      this.#latest = peer;
      this.#due.add(peer);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.flush);
    }
  };

  /** Tells native now. */
  readonly flush = (): void => {
    this.#scheduled = false;
    this.#latest = undefined;
    if (!this.#closed) {
      for (const peer of this.#due) {
        if (peer.acks.prefix > peer.ackTold) {
          peer.ackTold = peer.acks.prefix;
          this.#native.queueAck(this.#handle, peer.number, peer.ackTold);
        }
      }
    }
    this.#due.clear();
  };

  /** Native is gone. */
  close(): void {
    this.#closed = true;
  }
}
