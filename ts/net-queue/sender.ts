// The sending side of a communicator: gathers puts, holds the bounds, learns of acknowledgements.
import { kindShift, status } from '../binding/index.ts';
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { asBytes, isLost, Kind, lostMemory, unshared } from '../codec/index.ts';
import { ChaskiError, isErrorCode } from '../errors.ts';
import {
  closed,
  fromNative,
  invalid,
  notConnected,
  peerClosed,
  queueFull,
  tooLarge,
} from './failures.ts';
import type { Settings } from './options.ts';
import type { Peer, Target } from './peer.ts';
import { ManyResult, RefusedResult, SentResult } from './put-result.ts';
import type { Watch } from './put-result.ts';
import { frameBytes, longestCopied, SendSlab } from './send-slab.ts';
import { SharedPut } from './shared-put.ts';
import type { OnFull, Packed, PutResult } from './types.ts';

/** What the sender tells its communicator. */
export interface SenderHost {
  /** The backlog of every peer is under its mark again. */
  onDrain(): void;
  /** Messages to `peer` were refused by onFull 'drop-newest'. */
  onRefused(peer: Peer, count: number): void;
  /** Native has events that must be read now. */
  readEvents(): void;
}

/** Payload and kind of one message. */
interface Encoded {
  readonly bytes: Uint8Array;
  readonly kind: number;
}

export class Sender implements Watch {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #host: SenderHost;
  readonly #settings: Settings;
  readonly #rawBytes: boolean;
  readonly #onFull: OnFull;
  readonly #slab: SendSlab = new SendSlab();
  readonly #single: Uint32Array = new Uint32Array(1);
  readonly #status: Float64Array = new Float64Array(status.length);
  /** Peers that native watches, or should from the end of this turn on. */
  readonly #watching: Set<Peer> = new Set();
  readonly #refusing: Set<Peer> = new Set();
  #fullPeers = 0;
  #scheduled = false;
  #closed: (() => ChaskiError) | undefined = undefined;
  /** The latest target of several peers, so that puts to the same ones share a slab. */
  #several: Target = { peers: [] };

  constructor(native: NativeBinding, handle: QueueHandle, settings: Settings, host: SenderHost) {
    this.#native = native;
    this.#handle = handle;
    this.#host = host;
    this.#settings = settings;
    this.#rawBytes = settings.codec.rawBytes;
    this.#onFull = settings.onFull;
  }

  get needDrain(): boolean {
    return this.#fullPeers > 0;
  }

  /** Puts to one peer. The hot path: nothing here is made but the result. */
  put(peer: Peer, data: unknown): PutResult {
    if (this.#gather(peer, data)) return this.#slab.shared?.result ?? this.#result(peer);
    return this.#putTo(peer, this.#encode(data));
  }

  /** Puts to some peers, encoding once. `unknown` are ids that name no peer. */
  putEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult {
    if (this.#closed !== undefined) return new RefusedResult('', this.#closed);
    const encoded = this.#encode(data);
    const ids: string[] = [];
    const parts: PutResult[] = [];
    const open: Peer[] = [];
    for (const peer of peers) {
      const refused = this.#refuse(peer, encoded.bytes.length, 1);
      ids.push(peer.id);
      parts.push(refused ?? new SentResult(this, peer, peer.sentSeq + 1, peer.sentSeq + 1));
      if (refused === undefined) open.push(peer);
    }
    for (const id of unknown) {
      ids.push(id);
      parts.push(new RefusedResult(id, () => notConnected(id)));
    }
    if (parts.length === 0) return new RefusedResult('', () => notConnected(undefined));
    if (open.length > 0) {
      const failed = this.#hand(this.#targetOf(open), encoded);
      if (failed !== undefined) {
        for (const peer of open) {
          const at = peers.indexOf(peer);
          if (failed.has(peer)) parts[at] = failed.get(peer) as PutResult;
        }
      }
    }
    return parts.length === 1 ? (parts[0] as PutResult) : new ManyResult(ids, parts);
  }

  /** False, and nothing queued, when the message would not stay under the high-water mark. */
  tryPut(peers: readonly Peer[], data: unknown): boolean {
    if (this.#closed !== undefined || peers.length === 0) return false;
    for (const peer of peers) if (!this.hasRoom(peer)) return false;
    const encoded = this.#encode(data);
    if (encoded.bytes.length > this.#settings.maxMessageBytes) {
      throw tooLarge(encoded.bytes.length, this.#settings.maxMessageBytes);
    }
    return this.#hand(this.#targetOf(peers), encoded) === undefined;
  }

  /** Puts `count` payloads that lie one after the other in `packed.data`, without a copy on this side. */
  putPacked(peers: readonly Peer[], packed: Packed): PutResult {
    const { data, count, words } = this.#checkPacked(packed);
    if (this.#closed !== undefined) return new RefusedResult('', this.#closed);
    if (count === 0) return nothing;
    this.flush();
    const parts = peers.map((peer): PutResult => {
      const refused = this.#refuse(peer, data.length, count);
      if (refused !== undefined) return refused;
      const code =
        typeof words === 'number'
          ? this.#native.queuePutUniform(this.#handle, peer.number, data, words, count)
          : this.#native.queuePut(this.#handle, peer.number, data, data.length, words, count);
      if (code < 0) return this.#refusedBy(peer, code);
      const first = peer.sentSeq + 1;
      peer.sentSeq += count;
      peer.sentBytes += data.length;
      return new SentResult(this, peer, first, peer.sentSeq);
    });
    if (parts.length === 0) return new RefusedResult('', () => notConnected(undefined));
    const ids = peers.map((peer) => peer.id);
    return parts.length === 1 ? (parts[0] as PutResult) : new ManyResult(ids, parts);
  }

  /** Puts each of `items` to each of `peers`; stops at the first one that is refused, and the result says so. */
  putAll(peers: readonly Peer[], items: Iterable<unknown>): PutResult {
    if (peers.length === 0) return new RefusedResult('', () => notConnected(undefined));
    const only = peers.length === 1 ? peers[0] : undefined;
    const firsts = peers.map((peer) => peer.sentSeq + 1);
    for (const item of items) {
      if (only !== undefined && this.#gather(only, item)) continue;
      const before = peers.map((peer) => peer.sentSeq);
      const result = this.putEach(peers, [], item);
      if (peers.some((peer, i) => peer.sentSeq === before[i])) return result;
    }
    const parts = peers.map((peer, i) => {
      const first = firsts[i] as number;
      return peer.sentSeq < first ? nothing : new SentResult(this, peer, first, peer.sentSeq);
    });
    if (parts.length === 1) return parts[0] as PutResult;
    return new ManyResult(
      peers.map((peer) => peer.id),
      parts,
    );
  }

  /** Hands over what was gathered. */
  flush(): void {
    const slab = this.#slab;
    const { target, count, shared } = slab;
    if (target === undefined || count === 0) return;
    if (shared !== undefined) this.#await(shared, target.peers[0] as Peer);
    for (const peer of target.peers) {
      const code = this.#native.queuePut(
        this.#handle,
        peer.number,
        slab.bytes,
        slab.used,
        slab.words,
        count,
      );
      if (code < 0) this.#broken(peer, peer.sentSeq - count + 1, code);
    }
    slab.clear();
  }

  /** The slab of `shared` is complete: from the end of this turn on, native watches its last message. */
  #await(shared: SharedPut, peer: Peer): void {
    shared.seq = peer.sentSeq;
    peer.waiters.add(shared);
    this.#watching.add(peer);
  }

  /** Has native wake us when the first message that somebody looks at is acknowledged. */
  watch(peer: Peer): void {
    this.#watching.add(peer);
    this.#schedule();
  }

  /** Whether the backlog is under the high-water mark. */
  hasRoom(peer: Peer): boolean {
    if (peer.gone !== undefined) return false;
    if (!peer.full && this.#underMark(peer)) return true;
    this.refresh(peer);
    if (this.#underMark(peer)) return true;
    this.#markFull(peer);
    return false;
  }

  /** Some of the watched messages were acknowledged. */
  onAcked(): void {
    for (const peer of this.#watching) {
      peer.watched = 0;
      this.refresh(peer);
      peer.settle();
    }
    this.#arm();
  }

  /** Opens a new peer's way out. */
  add(peer: Peer): void {
    this.#setMarks(peer, 1);
  }

  /** `peer` is lost: whatever it has not acknowledged never will be. */
  lose(peer: Peer, error: ChaskiError): void {
    if (this.#slab.target?.peers.includes(peer)) this.flush();
    this.refresh(peer);
    this.#watching.delete(peer);
    this.#unmarkFull(peer);
    peer.fail(error);
  }

  /** From now on puts are refused. */
  close(peers: readonly Peer[], reason: () => ChaskiError): void {
    this.flush();
    this.#closed ??= reason;
    for (const peer of peers) peer.bar();
  }

  /** Adds a message of bytes to the slab, when nothing needs a second look. */
  #gather(peer: Peer, data: unknown): boolean {
    if (!(data instanceof Uint8Array)) return false;
    const { length } = data;
    const slab = this.#slab;
    if (
      slab.quick !== peer ||
      length === 0 ||
      length > peer.longestGathered ||
      peer.sentSeq >= peer.seqMark ||
      !slab.fits(length)
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

  /** Whether puts of bytes need a second look, now that a slab was begun or the marks of `peer` have moved. */
  #quicken(peer: Peer): void {
    const slab = this.#slab;
    if (slab.target !== peer.target) return;
    const far = peer.sentBytes + frameBytes <= peer.byteMark;
    slab.quick = far && this.#rawBytes ? peer : undefined;
  }

  #encode(data: unknown): Encoded {
    const { codec } = this.#settings;
    if (this.#rawBytes) {
      const bytes = asBytes(data);
      if (bytes !== undefined) {
        if (isLost(bytes)) throw lostMemory();
        return { bytes, kind: Kind.BYTES };
      }
    }
    return { bytes: codec.encode(data), kind: codec.kind };
  }

  #putTo(peer: Peer, encoded: Encoded): PutResult {
    const refused = this.#refuse(peer, encoded.bytes.length, 1);
    if (refused !== undefined) return refused;
    const failed = this.#hand(peer.target, encoded);
    if (failed !== undefined) return failed.get(peer) as PutResult;
    return this.#slab.shared?.result ?? this.#result(peer);
  }

  /** The result of the latest put, to `peer` alone. The first of a slab is on its own: often it is the only one. */
  #result(peer: Peer): PutResult {
    const slab = this.#slab;
    if (!peer.sharing || slab.count < 2 || slab.target !== peer.target) {
      return new SentResult(this, peer, peer.sentSeq, peer.sentSeq);
    }
    slab.shared = new SharedPut(peer.id, peer.sentSeq);
    return slab.shared.result;
  }

  /** Takes a message that was let in. Tells those peers to which it could not be handed over. */
  #hand(target: Target, { bytes, kind }: Encoded): Map<Peer, PutResult> | undefined {
    const slab = this.#slab;
    const { length } = bytes;
    if (length > longestCopied) return this.#handLong(target, bytes, kind);
    if (slab.target !== target || !slab.fits(length)) this.flush();
    if (slab.count === 0) {
      slab.target = target;
      this.#quicken(target.peers[0] as Peer);
    }
    slab.add(bytes, length, kind);
    for (const peer of target.peers) {
      peer.sentSeq += 1;
      peer.sentBytes += length;
    }
    this.#schedule();
    return undefined;
  }

  #handLong(target: Target, bytes: Uint8Array, kind: number): Map<Peer, PutResult> | undefined {
    this.flush();
    const payload = unshared(bytes);
    this.#single[0] = (kind << kindShift) | payload.length;
    let failed: Map<Peer, PutResult> | undefined;
    for (const peer of target.peers) {
      const code = this.#native.queuePut(
        this.#handle,
        peer.number,
        payload,
        payload.length,
        this.#single,
        1,
      );
      if (code < 0) {
        failed ??= new Map();
        failed.set(peer, this.#refusedBy(peer, code));
      } else {
        peer.sentSeq += 1;
        peer.sentBytes += payload.length;
      }
    }
    return failed;
  }

  /** Why a message cannot be put to `peer`; undefined when it can. */
  #refuse(peer: Peer, length: number, count: number): PutResult | undefined {
    if (this.#closed !== undefined) return new RefusedResult(peer.id, this.#closed);
    if (peer.gone !== undefined) {
      return new RefusedResult(peer.id, () => peerClosed(peer.id, 'no', peer.gone));
    }
    if (count === 1) {
      const most = Math.min(this.#settings.maxMessageBytes, peer.maxMessageBytes);
      if (length > most) return new RefusedResult(peer.id, () => tooLarge(length, most));
    }
    if (peer.sentSeq < peer.seqMark && peer.sentBytes < peer.byteMark) return undefined;
    return this.#admit(peer, length, count) ? undefined : this.#full(peer);
  }

  /** Decides about a message that met a mark. */
  #admit(peer: Peer, length: number, count: number): boolean {
    this.refresh(peer);
    if (this.#underMark(peer)) return true;
    this.#markFull(peer);
    switch (this.#onFull) {
      case 'wait':
        this.#setMarks(peer, 4);
        return peer.sentSeq < peer.seqMark && peer.sentBytes < peer.byteMark;
      case 'error':
        return false;
      case 'drop-newest':
        peer.refused += count;
        this.#refusing.add(peer);
        this.#schedule();
        return false;
      case 'drop-oldest': {
        this.flush();
        const gone = this.#native.queueDropOldest(this.#handle, peer.number, count, length);
        if (gone > 0) {
          this.#host.readEvents();
          this.refresh(peer);
        }
        // What is on its way cannot be dropped, and the newest always goes: native keeps at most half of the mark on its way,
        // so at most one message is over it.
        return true;
      }
    }
  }

  #full(peer: Peer): PutResult {
    const messages = peer.sentSeq - peer.doneMessages;
    const bytes = peer.sentBytes - peer.doneBytes;
    return new RefusedResult(peer.id, () => queueFull(peer.id, messages, bytes));
  }

  #underMark(peer: Peer): boolean {
    return (
      peer.sentSeq - peer.doneMessages < this.#settings.highWaterMessages &&
      peer.sentBytes - peer.doneBytes < this.#settings.highWaterBytes
    );
  }

  /** Sets the marks that the fast path looks at to `times` the high-water mark. */
  #setMarks(peer: Peer, times: number): void {
    if (peer.gone !== undefined || this.#closed !== undefined) return;
    peer.seqMark = peer.doneMessages + times * this.#settings.highWaterMessages;
    peer.byteMark = peer.doneBytes + times * this.#settings.highWaterBytes;
    this.#quicken(peer);
  }

  /** Learns from native what `peer` has acknowledged. */
  refresh(peer: Peer): void {
    const out = this.#status;
    out[status.writtenSeq] = Infinity;
    if (this.#native.queueStatus(this.#handle, peer.number, out) < 0) return;
    peer.ackedSeq = out[status.ackedSeq] as number;
    peer.doneBytes = out[status.doneBytes] as number;
    peer.doneMessages = out[status.doneMessages] as number;
    peer.writtenSeq = out[status.writtenSeq] as number;
    if (this.#underMark(peer)) {
      this.#setMarks(peer, 1);
      this.#unmarkFull(peer);
    } else {
      this.#setMarks(peer, peer.full && this.#onFull === 'wait' ? 4 : 1);
    }
  }

  #markFull(peer: Peer): void {
    if (peer.full) return;
    peer.full = true;
    this.#fullPeers += 1;
    this.watch(peer);
  }

  #unmarkFull(peer: Peer): void {
    if (!peer.full) return;
    peer.full = false;
    this.#fullPeers -= 1;
    if (this.#fullPeers === 0) this.#host.onDrain();
  }

  /** Has somebody's patience rewarded, in order, while there is room. */
  #serveRoom(peer: Peer): void {
    while (peer.roomWaiters.length > 0 && this.hasRoom(peer)) peer.roomWaiters.shift()?.onRoom();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Not a microtask: a turn can run many of those, each of which may put.
    process.nextTick(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#scheduled = false;
    this.flush();
    if (this.#watching.size > 0) this.#arm();
    for (const peer of this.#refusing) {
      const count = peer.refused;
      peer.refused = 0;
      this.#host.onRefused(peer, count);
    }
    this.#refusing.clear();
  };

  #arm(): void {
    for (const peer of this.#watching) {
      while (!this.#armed(peer)) {
        this.refresh(peer);
        peer.settle();
        this.#serveRoom(peer);
      }
    }
  }

  /** Whether native watches what must be watched next; false when that is acknowledged already. */
  #armed(peer: Peer): boolean {
    this.#serveRoom(peer);
    const next = Math.min(
      peer.waiters.first,
      peer.full || peer.roomWaiters.length > 0
        ? Math.max(peer.ackedSeq + 1, peer.sentSeq - this.#settings.highWaterMessages + 1)
        : Infinity,
    );
    if (next === Infinity || peer.gone !== undefined) {
      this.#watching.delete(peer);
      return true;
    }
    if (peer.watched !== 0 && peer.watched <= next) return true;
    // Native has not seen what is still in the slab.
    if (this.#slab.target?.peers.includes(peer)) this.flush();
    if (this.#native.queueWatch(this.#handle, peer.number, next)) return false;
    peer.watched = next;
    return true;
  }

  #targetOf(peers: readonly Peer[]): Target {
    if (peers.length === 1) return (peers[0] as Peer).target;
    const last = this.#several.peers;
    if (last.length !== peers.length || last.some((peer, i) => peer !== peers[i])) {
      this.#several = { peers: [...peers] };
    }
    return this.#several;
  }

  #checkPacked({ data, lengths }: Packed): {
    data: Uint8Array;
    count: number;
    words: Uint32Array | number;
  } {
    const most = this.#settings.maxMessageBytes;
    if (!this.#rawBytes) {
      throw invalid(
        'data',
        data,
        "a list of values: packed bytes need serializer 'auto' or 'bytes'",
      );
    }
    if (!(data instanceof Uint8Array)) throw invalid('data', data, 'a Uint8Array');
    if (isLost(data)) throw lostMemory();
    const bytes = unshared(data);
    if (typeof lengths === 'number') {
      const count = bytes.length / lengths;
      if (!Number.isInteger(lengths) || lengths < 1 || !Number.isInteger(count)) {
        throw invalid(
          'lengths',
          lengths,
          `an integer that divides the ${bytes.length} bytes of data`,
        );
      }
      if (lengths > most) throw tooLarge(lengths, most);
      return { data: bytes, count, words: lengths };
    }
    if (!(lengths instanceof Uint32Array)) {
      throw invalid('lengths', lengths, 'a Uint32Array, or one length for all');
    }
    // Native reads what was checked, also when another thread writes to it.
    const words = unshared32(lengths);
    let sum = 0;
    const count = words.byteLength / Uint32Array.BYTES_PER_ELEMENT;
    for (let i = 0; i < count; i += 1) {
      const length = words[i] as number;
      if (length > most) throw tooLarge(length, most);
      sum += length;
    }
    if (sum !== bytes.length) {
      throw invalid(
        'lengths',
        `a list with the sum ${sum}`,
        `as long in sum as data: ${bytes.length}`,
      );
    }
    return { data: bytes, count, words };
  }

  #refusedBy(peer: Peer, code: number): PutResult {
    return new RefusedResult(peer.id, () => this.#errorOf(peer, code));
  }

  /** Native did not take messages that were counted already: nothing more can be sent in order. */
  #broken(peer: Peer, from: number, code: number): void {
    peer.goneFrom = Math.min(peer.goneFrom, from);
    this.#watching.delete(peer);
    this.#unmarkFull(peer);
    peer.fail(this.#errorOf(peer, code));
  }

  #errorOf(peer: Peer, code: number): ChaskiError {
    const name = this.#native.errorCodes()[-code];
    if (name === 'ERR_CHASKI_CLOSED') return this.#closed?.() ?? closed(undefined, 'no');
    if (name === 'ERR_CHASKI_NOT_CONNECTED') return notConnected(peer.id);
    if (isErrorCode(name)) {
      return new ChaskiError(name, `The native part refused a message to ${peer.id} (${name}).`, {
        delivered: 'no',
        retryable: name === 'ERR_CHASKI_QUEUE_FULL',
      });
    }
    return fromNative(name, `The native part refused a message with the unknown code ${code}.`);
  }
}

/** The result of putting nothing at all. */
const nothing: PutResult = new ManyResult([], []);

function unshared32(words: Uint32Array): Uint32Array {
  return words.buffer instanceof SharedArrayBuffer ? new Uint32Array(words) : words;
}
