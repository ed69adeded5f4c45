// What was put to a peer and is not acknowledged: how much of it there may be, and what happens at the bound.
import { status } from '../binding/index.ts';
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import type { Settings } from './options.ts';
import type { Peer, PeerPolicy } from './peer.ts';

/** What the backlog asks of the sender. */
export interface BacklogHost {
  /** The marks of `peer` have moved. */
  onMarks(peer: Peer): void;
  /** `peer` is full: somebody must learn when it is not any more. */
  onFull(peer: Peer): void;
  /** A peer that was full is not any more: at the end of this turn, `drained()` tells whether that is still so, of all. */
  onDrain(): void;
  /** A message to `peer` was refused, by onFull 'drop-newest'. */
  onRefused(peer: Peer): void;
  /** All that was gathered must be handed to native. */
  flush(): void;
  /** Native has events that must be read now. */
  readEvents(): void;
}

export class Backlog {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #settings: Settings;
  readonly #host: BacklogHost;
  readonly #status: Float64Array = new Float64Array(status.length);
  #fullPeers = 0;
  /** Peers that were full, and are under their mark for what was known at the time. */
  readonly #relieved: Set<Peer> = new Set();

  constructor(native: NativeBinding, handle: QueueHandle, settings: Settings, host: BacklogHost) {
    this.#native = native;
    this.#handle = handle;
    this.#settings = settings;
    this.#host = host;
  }

  /** Whether some peer is at its high-water mark. */
  get needDrain(): boolean {
    return this.#fullPeers > 0;
  }

  /**
   * Whether there is news of a drain, at the end of a turn: puts may have filled what became free meanwhile, or taken the place
   * of what was dropped.
   */
  drained(): boolean {
    if (this.#relieved.size === 0) return false;
    const relieved = [...this.#relieved];
    this.#relieved.clear();
    for (const peer of relieved) if (peer.gone === undefined) this.hasRoom(peer);
    return this.#fullPeers === 0;
  }

  /** A new peer: the first marks. */
  add(peer: Peer): void {
    peer.policy = this.#settings;
    this.#setMarks(peer, 1);
  }

  /** Another policy for `peer` from now on. */
  configure(peer: Peer, policy: PeerPolicy): void {
    peer.policy = policy;
    this.refresh(peer);
    // It may be full by the new mark.
    this.hasRoom(peer);
  }

  /** `peer` is lost, and does not count as full any more. */
  lose(peer: Peer): void {
    this.#unmarkFull(peer);
  }

  /** Whether the backlog is under the high-water mark. */
  hasRoom(peer: Peer): boolean {
    if (peer.barred) return false;
    if (!peer.full && this.#underMark(peer)) return true;
    this.refresh(peer);
    if (this.#underMark(peer)) return true;
    this.#markFull(peer);
    return false;
  }

  /** Whether `count` messages of `length` bytes in all may be put now; applies `onFull` when the mark is reached. */
  admit(peer: Peer, length: number, count: number): boolean {
    if (underMarks(peer)) return true;
    this.refresh(peer);
    if (this.#underMark(peer)) return true;
    this.#markFull(peer);
    switch (peer.policy.onFull) {
      case 'wait':
        this.#setMarks(peer, 4);
        return underMarks(peer);
      case 'error':
        return false;
      case 'drop-newest':
        peer.refused += count;
        this.#host.onRefused(peer);
        return false;
      case 'drop-oldest':
        this.#dropOldest(peer, length, count);
        // What is on its way cannot be dropped, and the newest always goes: native keeps at most half of the mark on its way,
        // so at most one message is over it.
        return true;
    }
  }

  /** Learns from native what `peer` has acknowledged. */
  refresh(peer: Peer): void {
    const out = this.#status;
    out[status.writtenSeq] = Infinity;
    if (this.#native.queueStatus(this.#handle, peer.number, out) < 0) return;
    peer.acknowledge(out[status.ackedSeq] as number);
    peer.doneBytes = out[status.doneBytes] as number;
    peer.doneMessages = out[status.doneMessages] as number;
    peer.writtenSeq = out[status.writtenSeq] as number;
    if (this.#underMark(peer)) {
      this.#setMarks(peer, 1);
      this.#unmarkFull(peer);
    } else {
      this.#setMarks(peer, peer.full && peer.policy.onFull === 'wait' ? 4 : 1);
    }
  }

  #dropOldest(peer: Peer, length: number, count: number): void {
    this.#host.flush();
    if (this.#native.queueDropOldest(this.#handle, peer.number, count, length) > 0) {
      this.#host.readEvents();
      this.refresh(peer);
    }
  }

  #underMark(peer: Peer): boolean {
    const { highWaterBytes, highWaterMessages } = peer.policy;
    return (
      peer.sentSeq - peer.doneMessages < highWaterMessages &&
      peer.sentBytes - peer.doneBytes < highWaterBytes
    );
  }

  /** Sets the marks that the fast path looks at to `times` the high-water mark. */
  #setMarks(peer: Peer, times: number): void {
    if (peer.barred) return;
    const { highWaterBytes, highWaterMessages } = peer.policy;
    peer.seqMark = peer.doneMessages + times * highWaterMessages;
    peer.byteMark = peer.doneBytes + times * highWaterBytes;
    this.#host.onMarks(peer);
  }

  #markFull(peer: Peer): void {
    if (peer.full) return;
    peer.full = true;
    this.#fullPeers += 1;
    this.#host.onFull(peer);
  }

  #unmarkFull(peer: Peer): void {
    if (!peer.full) return;
    peer.full = false;
    this.#fullPeers -= 1;
    if (this.#relieved.size === 0) this.#host.onDrain();
    this.#relieved.add(peer);
  }
}

/** Below both marks, a put needs no look at anything else. */
function underMarks(peer: Peer): boolean {
  return peer.sentSeq < peer.seqMark && peer.sentBytes < peer.byteMark;
}
