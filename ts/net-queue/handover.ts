// How messages that were let in get to native: small ones gathered in a slab and handed over together, once a turn; others at
// once, behind what was gathered. Whatever it takes it counts, in `sentSeq` and `sentBytes` of the peer.
import { kindShift, lengthMask } from '../binding/index.ts';
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { Kind, lostMemory, unshared } from '../codec/index.ts';
import type { Checked } from '../shared/packed.ts';
import type { Payload } from './payloads.ts';
import type { Peer, Target } from './peer.ts';
import { frameBytes, longestCopied, recycle, SendSlab } from './send-slab.ts';
import type { SlabMemory } from './send-slab.ts';
import { SharedPut } from './shared-put.ts';
import { take } from './transfer.ts';
import type { PutResult } from './types.ts';

/** What the hand-over asks of the sender. */
export interface HandoverHost {
  /** Something was gathered, and must be flushed at the end of this turn. */
  onGathered(): void;
  /** Somebody may be waiting for the latest message to `peer`: native must watch it. */
  onShared(peer: Peer): void;
  /** Native refused, with `code`, messages to `peer` that were counted already: those from number `from` on. */
  onBroken(peer: Peer, from: number, code: number): void;
}

/** Messages of that length may be what a Python peer must not get. */
const idBytes = 16;

/** The peers to which native did not take a message, and the code that it gave. */
type Refusals = ReadonlyMap<Peer, number>;

export class Handover {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  /** Whether bytes go as they are. */
  readonly #raw: boolean;
  readonly #host: HandoverHost;
  readonly #slab: SendSlab = new SendSlab();
  readonly #single: Uint32Array = new Uint32Array(1);

  constructor(native: NativeBinding, handle: QueueHandle, raw: boolean, host: HandoverHost) {
    this.#native = native;
    this.#handle = handle;
    this.#raw = raw;
    this.#host = host;
  }

  /**
   * Adds a message to the slab when it is bytes and nothing needs a second look; false when something does, and then nothing
   * was done.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for memory that was taken away.
   */
  gather(peer: Peer, data: unknown): boolean {
    if (!(data instanceof Uint8Array)) return false;
    const { length } = data;
    const slab = this.#slab;
    if (
      slab.quick !== peer ||
      // An owner can give his view any property `length`, but no elements: cheaper here than `lengthOf`.
      data[length - 1] === undefined ||
      data[length] !== undefined ||
      length > peer.longestGathered ||
      peer.sentSeq >= peer.seqMark ||
      !slab.fits(length) ||
      (length === idBytes && peer.ownId !== undefined)
    ) {
      return false;
    }
    try {
      slab.add(data, length, Kind.BYTES);
    } catch {
      throw lostMemory();
    }
    peer.sentBytes += length;
    peer.sentSeq += 1;
    return true;
  }

  /**
   * The promise that the latest message, to `peer` alone, shares with others of its slab. The first of a slab is on its own:
   * often it is the only one.
   */
  shared(peer: Peer): PutResult | undefined {
    const slab = this.#slab;
    if (slab.shared !== undefined) return slab.shared.result;
    if (!peer.sharing || slab.count < 2 || slab.target !== peer.target) return undefined;
    slab.shared = new SharedPut(peer.id, peer.sentSeq);
    return slab.shared.result;
  }

  /** Whether puts of bytes need a second look, now that a slab was begun or the marks of `peer` have moved. */
  quicken(peer: Peer): void {
    const slab = this.#slab;
    if (slab.target !== peer.target) return;
    const far = peer.sentBytes + frameBytes <= peer.byteMark;
    slab.quick = far && this.#raw ? peer : undefined;
  }

  /** Takes a message; its bytes are copied. */
  hand(target: Target, payload: Payload): Refusals | undefined {
    const slab = this.#slab;
    const { bytes, length, kind } = payload;
    if (length > longestCopied) return this.#handLong(target, payload);
    if (slab.target !== target || !slab.fits(length)) this.flush();
    if (slab.count === 0) {
      slab.begin(target);
      this.quicken(target.peers[0] as Peer);
    }
    slab.add(bytes, length, kind);
    for (const peer of target.peers) {
      peer.sentSeq += 1;
      peer.sentBytes += length;
    }
    this.#host.onGathered();
    return undefined;
  }

  /** Takes a message with the memory of its `transferable()` bytes, which is lent to native until it is sent. */
  give(target: Target, bytes: Uint8Array): Refusals | undefined {
    const lent = take(bytes);
    const { length } = lent;
    if (length <= longestCopied)
      return this.hand(target, { bytes: lent, length, kind: Kind.BYTES });
    const word = (Kind.BYTES << kindShift) | length;
    return this.#handAlone(target, length, (peer) =>
      this.#native.queuePutLent(this.#handle, peer.number, lent, word),
    );
  }

  /** Takes packed messages, without a copy on this side, behind what was gathered; native's code. */
  handPacked(peer: Peer, { data, count, words }: Checked): number {
    this.flush();
    const code =
      typeof words === 'number'
        ? this.#native.queuePutUniform(this.#handle, peer.number, data, words, count)
        : this.#native.queuePut(this.#handle, peer.number, data, data.length, words, count);
    if (code >= 0) {
      peer.sentSeq += count;
      peer.sentBytes += data.length;
    }
    return code;
  }

  /** Hands over what was gathered. */
  flush(): void {
    const slab = this.#slab;
    const { target, used, count, shared, cancelled } = slab;
    if (target === undefined || count === 0) return;
    if (shared !== undefined) this.#complete(shared, target.peers[0] as Peer);
    // Before anything else: whatever becomes of it, nothing is handed over twice.
    const memory = slab.take();
    for (const peer of target.peers) {
      const left = cancelled?.get(peer);
      if (left !== undefined) {
        this.#handRest(peer, memory, left, count);
        continue;
      }
      const { bytes, words } = memory;
      const code = this.#native.queuePut(this.#handle, peer.number, bytes, used, words, count);
      if (code < 0) this.#host.onBroken(peer, peer.sentSeq - count + 1, code);
    }
    recycle(memory);
  }

  /** Takes back those of the messages first to last to `peer` that were not handed over yet; how many. */
  cancel(peer: Peer, first: number, last: number): number {
    const slab = this.#slab;
    if (slab.target?.peers.includes(peer) !== true) return 0;
    const before = peer.sentSeq - slab.count;
    if (last <= before) return 0;
    slab.cancelled ??= new Map();
    let places = slab.cancelled.get(peer);
    if (places === undefined) slab.cancelled.set(peer, (places = new Set()));
    const known = places.size;
    for (let seq = Math.max(first, before + 1); seq <= last; seq += 1) {
      const place = seq - before - 1;
      if (places.has(place)) continue;
      places.add(place);
      peer.sentBytes -= (slab.words[place] as number) & lengthMask;
    }
    return places.size - known;
  }

  /** Hands over what was gathered if it is for `peer`, among others or alone. */
  flushFor(peer: Peer): void {
    if (this.#slab.target?.peers.includes(peer) === true) this.flush();
  }

  /** Hands over the first `count` messages of a slab but those at the places `cancelled`, whose numbers are left out. */
  #handRest(
    peer: Peer,
    { bytes, words }: SlabMemory,
    cancelled: ReadonlySet<number>,
    count: number,
  ): void {
    let offset = 0;
    for (let from = 0, to = 0; from < count; from = to) {
      const out = cancelled.has(from);
      let length = 0;
      for (; to < count && cancelled.has(to) === out; to += 1) {
        length += (words[to] as number) & lengthMask;
      }
      const code = out
        ? this.#native.queueSkip(this.#handle, peer.number, to - from)
        : this.#native.queuePut(
            this.#handle,
            peer.number,
            bytes.subarray(offset, offset + length),
            length,
            words.subarray(from, to),
            to - from,
          );
      if (code < 0) {
        this.#host.onBroken(peer, peer.sentSeq - count + 1 + from, code);
        return;
      }
      offset += length;
    }
  }

  /** The slab of `shared` is complete: from the end of this turn on, native watches its last message. */
  #complete(shared: SharedPut, peer: Peer): void {
    shared.seq = peer.sentSeq;
    peer.waiters.add(shared);
    this.#host.onShared(peer);
  }

  #handLong(target: Target, { bytes, length, kind }: Payload): Refusals | undefined {
    const payload = unshared(bytes);
    this.#single[0] = (kind << kindShift) | length;
    return this.#handAlone(target, length, (peer) =>
      this.#native.queuePut(this.#handle, peer.number, payload, length, this.#single, 1),
    );
  }

  /** Hands over a message that does not go through the slab, after what is in there. */
  #handAlone(target: Target, length: number, put: (peer: Peer) => number): Refusals | undefined {
    this.flush();
    let refusals: Map<Peer, number> | undefined;
    for (const peer of target.peers) {
      const code = put(peer);
      if (code < 0) {
        refusals ??= new Map();
        refusals.set(peer, code);
      } else {
        peer.sentSeq += 1;
        peer.sentBytes += length;
      }
    }
    return refusals;
  }
}
