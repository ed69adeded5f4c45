// Puts of a communicator: who gets them, which are refused, and what becomes of the others. `payloads` encodes, `backlog` says how
// much may be put, `handover` brings it to native, and `ack-watch` learns of acknowledgements.
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { lengthOf } from '../codec/index.ts';
import type { ChaskiError } from '../errors.ts';
import { nextTick } from '../shared/timers.ts';
import { AckWatch } from './ack-watch.ts';
import { Backlog } from './backlog.ts';
import {
  closed,
  invalid,
  notConnected,
  notTaken,
  ofPart,
  ownIdPut,
  peerClosed,
  peerLeaving,
  queueFull,
  stoppedBy,
  tooLarge,
} from './failures.ts';
import { Handover } from './handover.ts';
import type { Settings } from './options.ts';
import { checkPacked } from '../shared/packed.ts';
import { Payloads } from './payloads.ts';
import type { Peer, PeerPolicy, Target } from './peer.ts';
import { JointResult, ManyResult, RefusedResult, SentResult } from './put-result.ts';
import type { PartResult, Watch } from './put-result.ts';
import type { Puts } from './puts.ts';
import type { Packed } from '../shared/packed.ts';
import type { PutResult } from './types.ts';

/** What the sender tells its communicator. */
export interface SenderHost {
  /** A backlog was relieved: at the end of this turn, `drained()` tells whether all of them are under their marks again. */
  onDrain(): void;
  /** Messages to `peer` were refused by onFull 'drop-newest'. */
  onRefused(peer: Peer, count: number): void;
  /** Native has events that must be read now. */
  readEvents(): void;
}

/** Makes the error that tells why a message was refused. */
type Reason = () => ChaskiError;

/** The peers that were given no message, and why. */
type Refusals = ReadonlyMap<Peer, Reason>;

/** Hands a message over; tells native's code for peers that it was not given to. */
type Hand = (target: Target) => ReadonlyMap<Peer, number> | undefined;

export class Sender implements Watch, Puts {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #host: SenderHost;
  readonly #settings: Settings;
  readonly #payloads: Payloads;
  readonly #handover: Handover;
  readonly #backlog: Backlog;
  readonly #acks: AckWatch;
  readonly #refusing: Set<Peer> = new Set();
  #scheduled = false;
  #closed: Reason | undefined = undefined;
  /** The latest target of several peers, so that puts to the same ones share a slab. */
  #several: Target = { peers: [] };

  constructor(native: NativeBinding, handle: QueueHandle, settings: Settings, host: SenderHost) {
    this.#native = native;
    this.#handle = handle;
    this.#host = host;
    this.#settings = settings;
    this.#payloads = new Payloads(settings.codec);
    this.#handover = new Handover(native, handle, this.#payloads.raw, {
      onGathered: () => {
        this.#schedule();
      },
      onShared: (peer) => {
        this.#acks.add(peer);
      },
      onBroken: (peer, from, code) => {
        this.#broken(peer, from, code);
      },
    });
    this.#backlog = new Backlog(native, handle, settings, {
      onMarks: (peer) => {
        this.#handover.quicken(peer);
      },
      onFull: (peer) => {
        this.watch(peer);
      },
      onDrain: () => {
        host.onDrain();
      },
      onRefused: (peer) => {
        this.#refusing.add(peer);
        this.#schedule();
      },
      flush: () => {
        this.flush();
      },
      readEvents: () => {
        host.readEvents();
      },
    });
    this.#acks = new AckWatch(native, handle, this.#backlog, (peer) => {
      this.#handover.flushFor(peer);
    });
  }

  get needDrain(): boolean {
    return this.#closed !== undefined || this.#backlog.needDrain;
  }

  /** Whether every backlog is under its mark, and that is news. To be asked at the end of a turn. */
  drained(): boolean {
    return this.#closed === undefined && this.#backlog.drained();
  }

  /** Puts to one peer. The hot path: nothing here is made but the result. */
  put(peer: Peer, data: unknown): PutResult {
    if (this.#handover.gather(peer, data)) return this.#result(peer);
    const payload = this.#payloads.of(data);
    const reason = this.#refuseOne(peer, payload.bytes, payload.length);
    if (reason !== undefined) return refusal(peer, reason);
    const code = this.#handover.hand(peer.target, payload)?.get(peer);
    return code === undefined ? this.#result(peer) : this.#refusedBy(peer, code);
  }

  /** Puts to some peers, encoding once. `unknown` are ids that name no peer. */
  putEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult {
    if (this.#closed !== undefined) return new RefusedResult('', this.#closed);
    const payload = this.#payloads.of(data);
    return this.#toEach(peers, unknown, payload.bytes, (target) =>
      this.#handover.hand(target, payload),
    );
  }

  /** The same for bytes whose memory is given away; it is taken only when a peer takes the message. */
  giveEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult {
    const bytes = this.#payloads.transferable(data);
    if (this.#closed !== undefined) return new RefusedResult('', this.#closed);
    return this.#toEach(peers, unknown, bytes, (target) => this.#handover.give(target, bytes));
  }

  #toEach(
    peers: readonly Peer[],
    unknown: readonly string[],
    bytes: Uint8Array,
    hand: Hand,
  ): PutResult {
    const refused = this.#offer(peers, bytes, hand);
    const ids = peers.map((peer) => peer.id);
    const parts = peers.map((peer) => {
      const reason = refused.get(peer);
      return reason === undefined ? this.#latest(peer) : refusal(peer, reason);
    });
    for (const id of unknown) {
      ids.push(id);
      parts.push(new RefusedResult(id, () => notConnected(id)));
    }
    return resultOf(ids, parts);
  }

  /** Hands a message to those peers that can be put to, and tells the others. */
  #offer(peers: readonly Peer[], bytes: Uint8Array, hand: Hand): Refusals {
    const length = lengthOf(bytes);
    const refused = refusals(peers, (peer) => this.#refuseOne(peer, bytes, length));
    const open = refused.size === 0 ? peers : peers.filter((peer) => !refused.has(peer));
    const codes = open.length === 0 ? undefined : hand(this.#targetOf(open));
    for (const [peer, code] of codes ?? []) refused.set(peer, () => this.#errorOf(peer, code));
    return refused;
  }

  /** False, and nothing queued, when the message would not stay under the high-water mark. */
  tryPut(peers: readonly Peer[], data: unknown): boolean {
    if (!this.#haveRoom(peers)) return false;
    const payload = this.#payloads.of(data);
    checkMessage(peers, payload.bytes, payload.length);
    // Encoding may have run code of the user, which can put or close.
    if (!this.#haveRoom(peers)) return false;
    return this.#handover.hand(this.#targetOf(peers), payload) === undefined;
  }

  /** The same for bytes whose memory is given away; it is taken only when all peers take the message. */
  tryGive(peers: readonly Peer[], data: unknown): boolean {
    const bytes = this.#payloads.transferable(data);
    checkMessage(peers, bytes, lengthOf(bytes));
    return this.#haveRoom(peers) && this.#handover.give(this.#targetOf(peers), bytes) === undefined;
  }

  /** The result of a put to a peer that is not connected. */
  refused(id: string): PutResult {
    return new RefusedResult(id, this.#closed ?? ((): ChaskiError => notConnected(id)));
  }

  /** Puts `count` payloads that lie one after the other in `packed.data`, without a copy on this side. */
  putPacked(peers: readonly Peer[], packed: Packed): PutResult {
    if (!this.#payloads.raw) {
      const wanted = "a list of values: packed bytes need serializer 'auto' or 'bytes'";
      throw invalid('data', packed.data, wanted);
    }
    const checked = checkPacked(packed, this.#settings.maxMessageBytes, tooLarge);
    const { data, count } = checked;
    if (this.#closed !== undefined) return new RefusedResult('', this.#closed);
    if (count === 0) return nothing;
    const refused = refusals(peers, (peer) => this.#refuse(peer, data.length, count));
    const parts = peers.map((peer) => {
      const reason = refused.get(peer);
      if (reason !== undefined) return refusal(peer, reason);
      const code = this.#handover.handPacked(peer, checked);
      if (code < 0) return this.#refusedBy(peer, code);
      return new SentResult(this, peer, peer.sentSeq - count + 1, peer.sentSeq);
    });
    return resultOf(
      peers.map((peer) => peer.id),
      parts,
    );
  }

  /**
   * Puts each of `items` to each of `peers`; stops at the first one that is refused, and the result says so. The part of it
   * that speaks for a peer that took that one too speaks for what was put until then.
   */
  putAll(peers: readonly Peer[], items: Iterable<unknown>): PutResult {
    if (this.#closed !== undefined) return new RefusedResult('', this.#closed);
    if (peers.length === 0) return new RefusedResult('', () => notConnected(undefined));
    const only = peers.length === 1 ? peers[0] : undefined;
    const firsts = peers.map((peer) => peer.sentSeq + 1);
    let refused: Refusals = new Map();
    let count = 0;
    try {
      for (const item of items) {
        if (only !== undefined && this.#handover.gather(only, item)) {
          count += 1;
          continue;
        }
        const payload = this.#payloads.of(item);
        refused = this.#offer(peers, payload.bytes, (target) =>
          this.#handover.hand(target, payload),
        );
        if (refused.size > 0) break;
        count += 1;
      }
    } catch (error) {
      throw stoppedBy(error, this.#takeBack(peers, firsts, count) ? 'no' : 'unknown');
    }
    const parts = peers.map((peer, i) => {
      const first = firsts[i] as number;
      const reason = refused.get(peer);
      if (peer.sentSeq < first) return reason === undefined ? nothing : refusal(peer, reason);
      if (reason !== undefined) return refusal(peer, () => ofPart(reason()));
      const alone = peer.sentSeq - first < count + (refused.size > 0 ? 1 : 0);
      return rowResult(this, peer, first, alone);
    });
    return resultOf(
      peers.map((peer) => peer.id),
      parts,
    );
  }

  /** Takes back the `count` messages that were put to `peers` from number `firsts` on; whether nothing of them is left. */
  #takeBack(peers: readonly Peer[], firsts: readonly number[], count: number): boolean {
    let all = true;
    peers.forEach((peer, i) => {
      const first = firsts[i] as number;
      if (peer.sentSeq < first) return;
      const alone = peer.sentSeq - first < count;
      if (!rowResult(this, peer, first, alone).cancel()) all = false;
    });
    return all;
  }

  /** Hands over what was gathered. */
  flush(): void {
    this.#handover.flush();
  }

  /** Has native wake us when the first message that somebody looks at is acknowledged. */
  watch(peer: Peer): void {
    this.#acks.add(peer);
    this.#schedule();
  }

  /** Another policy for `peer` from now on. */
  configure(peer: Peer, policy: PeerPolicy): void {
    // What shares a promise must not be dropped in part.
    this.#handover.flushFor(peer);
    const { onFull, highWaterMessages, highWaterBytes } = policy;
    // As much is left to drop as native leaves by itself.
    const held = onFull === 'drop-oldest' ? 0.5 : 0;
    const messages = Math.ceil(highWaterMessages * held);
    this.#native.queueLimit(this.#handle, peer.number, messages, highWaterBytes * held);
    this.#backlog.configure(peer, policy);
    peer.share();
    // Those who wait for room may have it now.
    this.watch(peer);
  }

  /** Takes back those of the messages first to last to `peer` that have not left: the last ones. How many. */
  cancel(peer: Peer, first: number, last: number): number {
    const gathered = this.#handover.cancel(peer, first, last);
    const handed = last - gathered;
    const count =
      gathered +
      (handed < first ? 0 : this.#native.queueCancel(this.#handle, peer.number, first, handed));
    if (count > 0) {
      peer.cancel(last - count + 1, last);
      this.#backlog.refresh(peer);
      // Those who wait for others, or for room.
      this.watch(peer);
    }
    return count;
  }

  /** Learns from native what `peer` has acknowledged. */
  refresh(peer: Peer): void {
    this.#backlog.refresh(peer);
  }

  /** Whether the backlog is under the high-water mark. */
  hasRoom(peer: Peer): boolean {
    return this.#backlog.hasRoom(peer);
  }

  /** Some of the watched messages were acknowledged. */
  onAcked(): void {
    this.#acks.onAcked();
  }

  /** Opens a new peer's way out. */
  add(peer: Peer): void {
    if (this.#closed === undefined) this.#backlog.add(peer);
    else peer.bar(this.#closed());
  }

  /** `peer` is lost: whatever it has not acknowledged never will be. */
  lose(peer: Peer, error: ChaskiError): void {
    this.#handover.flushFor(peer);
    this.refresh(peer);
    this.#acks.delete(peer);
    this.#backlog.lose(peer);
    peer.fail(error);
  }

  /** `peer` will send no more: it gets what was put until now, then our own farewell. */
  finish(peer: Peer): void {
    this.#handover.flushFor(peer);
    this.#native.queueFinish(this.#handle, peer.number);
  }

  /** From now on puts are refused. */
  close(peers: readonly Peer[], reason: Reason): void {
    this.flush();
    this.#closed ??= reason;
    for (const peer of peers) peer.bar(reason());
  }

  /** The result of the latest put, to `peer` alone. */
  #result(peer: Peer): PutResult {
    return this.#handover.shared(peer) ?? this.#latest(peer);
  }

  /** The same, on its own. */
  #latest(peer: Peer): PartResult {
    return new SentResult(this, peer, peer.sentSeq, peer.sentSeq);
  }

  /** Why a message cannot be put to `peer`; undefined when it can. */
  #refuseOne(peer: Peer, bytes: Uint8Array, length: number): Reason | undefined {
    if (isOwnId(peer, bytes, length)) return () => ownIdPut(peer.id);
    return this.#refuse(peer, length, 1);
  }

  /** Why nothing can be put to `peer` any more; undefined while something can. */
  refusal(peer: Peer): ChaskiError | undefined {
    if (this.#closed !== undefined) return this.#closed();
    if (peer.gone !== undefined) return peerClosed(peer.id, 'no', peer.gone);
    return peer.barred ? peerLeaving(peer.id) : undefined;
  }

  /** Why messages cannot be put to `peer`; undefined when they can. */
  #refuse(peer: Peer, length: number, count: number): Reason | undefined {
    if (this.#closed !== undefined) return this.#closed;
    if (peer.gone !== undefined) return () => peerClosed(peer.id, 'no', peer.gone);
    if (peer.barred) return () => peerLeaving(peer.id);
    if (count === 1) {
      const most = peer.maxMessageBytes;
      if (length > most) return () => tooLarge(length, most);
    }
    if (this.#backlog.admit(peer, length, count)) return undefined;
    const messages = peer.sentSeq - peer.doneMessages;
    const bytes = peer.sentBytes - peer.doneBytes;
    return () => queueFull(peer.id, messages, bytes);
  }

  #haveRoom(peers: readonly Peer[]): boolean {
    return (
      this.#closed === undefined &&
      peers.length > 0 &&
      peers.every((peer) => this.#backlog.hasRoom(peer))
    );
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Not a microtask: a turn can run many of those, each of which may put.
    nextTick(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#scheduled = false;
    this.flush();
    this.#acks.arm();
    const refusing = [...this.#refusing];
    // First: whoever is told may put, and be refused again.
    this.#refusing.clear();
    for (const peer of refusing) {
      const count = peer.refused;
      peer.refused = 0;
      this.#host.onRefused(peer, count);
    }
  };

  #targetOf(peers: readonly Peer[]): Target {
    if (peers.length === 1) return (peers[0] as Peer).target;
    const last = this.#several.peers;
    if (last.length !== peers.length || last.some((peer, i) => peer !== peers[i])) {
      this.#several = { peers: [...peers] };
    }
    return this.#several;
  }

  #refusedBy(peer: Peer, code: number): RefusedResult {
    return refusal(peer, () => this.#errorOf(peer, code));
  }

  /** Native did not take messages that were counted already: nothing more can be sent in order. */
  #broken(peer: Peer, from: number, code: number): void {
    // The events that tell how far it came, and what ended it, are not read yet.
    this.refresh(peer);
    this.#host.readEvents();
    peer.goneFrom = Math.min(peer.goneFrom, from);
    this.#acks.delete(peer);
    this.#backlog.lose(peer);
    peer.fail(peer.lostBy ?? this.#errorOf(peer, code));
  }

  #errorOf(peer: Peer, code: number): ChaskiError {
    const name = this.#native.errorCodes()[-code];
    // Of packed messages, which only native looks at.
    if (name === 'ERR_CHASKI_INVALID_ARGUMENT' && peer.ownId !== undefined)
      return ownIdPut(peer.id);
    if (name === 'ERR_CHASKI_CLOSED') return this.#closed?.() ?? closed(undefined, 'no');
    return notTaken(peer.id, name, code);
  }
}

/** The result of what was put from `first` on. Other puts may have come in between (`alone` is false), which must not be cancelled. */
function rowResult(watch: Watch, peer: Peer, first: number, alone: boolean): SentResult {
  const kind = alone ? SentResult : JointResult;
  return new kind(watch, peer, first, peer.sentSeq);
}

function refusal(peer: Peer, reason: Reason): RefusedResult {
  return new RefusedResult(peer.id, reason);
}

/** The peers to which messages cannot be put, and why. All are asked before any of them is given a message. */
function refusals(
  peers: readonly Peer[],
  refuse: (peer: Peer) => Reason | undefined,
): Map<Peer, Reason> {
  const refused = new Map<Peer, Reason>();
  for (const peer of peers) {
    const reason = refuse(peer);
    if (reason !== undefined) refused.set(peer, reason);
  }
  return refused;
}

/** @throws ChaskiError for a message that one of `peers` does not take, whenever it is put. */
function checkMessage(peers: readonly Peer[], bytes: Uint8Array, length: number): void {
  for (const peer of peers) {
    const { maxMessageBytes } = peer;
    if (length > maxMessageBytes) throw tooLarge(length, maxMessageBytes);
    if (isOwnId(peer, bytes, length)) throw ownIdPut(peer.id);
  }
}

/** Whether a Python peer would take the message for our leave. */
function isOwnId({ ownId }: Peer, bytes: Uint8Array, length: number): boolean {
  return (
    ownId !== undefined && length === ownId.length && ownId.every((byte, i) => byte === bytes[i])
  );
}

/** What became of a put to some peers: `parts[i]` is the result towards `ids[i]`. */
export function resultOf(ids: readonly string[], parts: readonly PartResult[]): PutResult {
  const [only] = parts;
  if (only === undefined) return new RefusedResult('', () => notConnected(undefined));
  return parts.length === 1 ? only : new ManyResult(ids, parts);
}

/** The result of putting nothing at all. */
const nothing: PartResult = new ManyResult([], []);
