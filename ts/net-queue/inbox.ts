// Received messages on their way to whoever consumes them. Native is drained only when somebody asks, batch by batch;
// what is left of a batch stays at the front, so consumers can take turns and leave at any point.
import { drained } from '../binding/index.ts';
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import type { Codec } from '../codec/index.ts';
import { ChaskiError } from '../errors.ts';
import { Arena } from '../shared/arena.ts';
import { Index, Origin } from './origin.ts';
import type { Delivery, Source } from './origin.ts';
import { ReceivedBatch } from './batch.ts';
import type { GivenMessage } from './message.ts';
import { Parked } from './parked.ts';
import { Inflow } from './inflow.ts';
import type { Peer } from './peer.ts';
import type { Redelivery } from './redelivery.ts';
import { mayBeReleased } from './release.ts';
import { Retention } from '../shared/retention.ts';
import type { StreamRouter } from './stream-router.ts';
import { Wants } from './wants.ts';
import type { Want } from './wants.ts';

/** What the inbox needs of its communicator. */
export interface InboxHost {
  /** The peer that native calls `number`; reads events first when it is new. */
  peerByNumber(number: number): Peer;
  /** Also one that had this id when it sent what may still be there. */
  peerById(id: string): Peer | undefined;
  /** The peers that native may name. */
  allPeers(): readonly Peer[];
  /** Messages first to last of `peer` will never come. */
  skipped(peer: Peer, first: number, last: number): void;
}

export class Inbox<T> {
  /** The batch in hand. Hot consumers read it here and move `cursor`. */
  batch: ReceivedBatch<T> | undefined = undefined;
  cursor: number = 0;
  /** Messages in `batch`. */
  count: number = 0;
  /** The same, or 0 while messages are copied out of their arena, or a subscription has them to itself. */
  sharing: number = 0;
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #host: InboxHost;
  readonly #codec: Codec;
  readonly #info: Float64Array = new Float64Array(drained.length);
  #arena: Arena = new Arena();
  #index: Index = new Index();
  /** Undefined with ack 'received'. */
  readonly #redelivery: Redelivery<T> | undefined;
  /** With serializer 'stream'. */
  readonly #streams: StreamRouter<T> | undefined;
  readonly #retention: Retention = new Retention();
  /** What the latest batch shares with those of the same peer in the same arena. */
  #origin: Origin | undefined = undefined;
  /** Place of the peer that was drained last, where they are not left to native to choose. */
  #turn = 0;
  /** Native may have something. */
  #readable = false;
  #ended = false;
  #endError: ChaskiError | undefined = undefined;
  /** Batches that come before all others, the first one last: those of iterations that ended, and what they stood before. */
  readonly #front: Front<T>[] = [];
  /** What is to be delivered again comes before the next batch of native: each in its turn. */
  #againNext = false;
  /** Drained together with what its server sent under another id before. */
  #divided: ReceivedBatch<T>[] = [];
  /** Batches that were begun, or drained past, in order. */
  readonly #parked: Parked<T> = new Parked();
  readonly #wants: Wants<T> = new Wants();
  /** Of the subscription, which has the messages to itself: called when there is something. */
  #onReadable: (() => void) | undefined = undefined;

  constructor(
    native: NativeBinding,
    handle: QueueHandle,
    codec: Codec,
    redelivery: Redelivery<T> | undefined,
    streams: StreamRouter<T> | undefined,
    host: InboxHost,
  ) {
    this.#native = native;
    this.#handle = handle;
    this.#codec = codec;
    this.#redelivery = redelivery;
    this.#streams = streams;
    this.#host = host;
  }

  /** No more will come. What is here can still be taken. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Why it ended, when that was not in order. */
  get endError(): ChaskiError | undefined {
    return this.#endError;
  }

  get hasWants(): boolean {
    return this.#wants.length > 0;
  }

  /** A subscription has the messages to itself. */
  get reserved(): boolean {
    return this.#onReadable !== undefined;
  }

  /** Keeps all messages for one who is told by `onReadable` when there are some. */
  reserve(onReadable: () => void): void {
    this.#onReadable = onReadable;
    this.sharing = 0;
  }

  /** Ends `reserve()`. */
  release(): void {
    this.#onReadable = undefined;
    this.#hold(this.batch, this.cursor);
  }

  /** Makes sure that a batch with something left is in hand; false when nothing is there. */
  fill(): boolean {
    if (this.cursor < this.count) return true;
    const batch = this.#nextFront(undefined) ?? this.#parked.shift() ?? this.#next(-1, undefined);
    this.#hold(batch, 0);
    return batch !== undefined;
  }

  take(): GivenMessage<T> | undefined {
    if (this.cursor === this.count && !this.fill()) return undefined;
    const at = this.cursor;
    this.cursor = at + 1;
    const message = this.batch?.message(at);
    // Held here, a stream that nobody reads would never be known to be garbage.
    if (this.#streams !== undefined) this.#hold(undefined, 0);
    return message;
  }

  takeFrom(id: string): GivenMessage<T> | undefined {
    return this.#takePartFrom(id, 1)?.message(0);
  }

  /** At most `max` messages of one peer. */
  takeBatch(max: number, id?: string): ReceivedBatch<T> | undefined {
    if (id !== undefined) return this.#takePartFrom(id, max);
    if (!this.fill()) return undefined;
    const from = this.cursor;
    const count = Math.min(this.count - from, max);
    this.cursor = from + count;
    const part = this.batch?.part(from, count);
    if (this.#streams !== undefined) this.#hold(undefined, 0);
    return part;
  }

  /** What was given to somebody who has left is given to the next one, before all else, unless it is settled by then. */
  giveBack(delivery: Delivery): void {
    if (this.#ended || this.#redelivery === undefined) return;
    const { settling } = delivery.origin;
    const isStream = settling instanceof Inflow;
    if (isStream && !settling.fresh) return;
    const { batch, cursor, count } = this;
    if (batch !== undefined && cursor < count) {
      this.#front.push({ batch: batch.part(cursor, count - cursor), given: false });
    }
    this.#hold(undefined, 0);
    const { origin, index, start, length, seq, deliveries } = delivery;
    const given = new ReceivedBatch<T>(origin, index, start, length, seq, deliveries);
    this.#front.push({ batch: given, given: !isStream });
    this.again();
  }

  /** Answers `want` now, or when it is its turn. */
  want(want: Want<T>): void {
    const wants = this.#wants;
    const first = wants.add(want);
    if (this.#ended) this.serve();
    // Where others wait, there was nothing when they were last served, and what comes is told by `readable()`.
    else if (!first) return;
    else if (want.peer === undefined) this.#serveAny();
    else if (wants.any === undefined) this.#give(want);
  }

  /** `want` waits no more. */
  giveUp(want: Want<T>): void {
    this.#wants.giveUp(want);
  }

  /** Something arrived. */
  readable(): void {
    this.#readable = true;
    this.again();
  }

  /** There is something: it arrived, or is to be delivered again. */
  again(): void {
    if (this.#streams !== undefined) this.#feed(this.#streams);
    this.serve();
    this.#onReadable?.();
  }

  /** Gives what is there to those who wait, first come first served. */
  serve(): void {
    const wants = this.#wants;
    if (wants.length === 0) return;
    this.#serveAny();
    if (wants.any === undefined) {
      for (const peer of wants.peers) {
        let want = wants.of(peer);
        while (want !== undefined && this.#give(want)) want = wants.of(peer);
      }
    }
    if (this.#ended) this.#endWants();
  }

  /** Nothing of `peer` will come any more: who waits for it is given what is there, or told. */
  leave(peer: string, error: ChaskiError): void {
    this.#readable = true;
    this.serve();
    const wants = this.#wants;
    for (let want = wants.of(peer); want !== undefined; want = wants.of(peer)) {
      wants.take(want);
      want.onEnd(error);
    }
  }

  /** Takes all that native still has, because its handle is about to go. */
  end(error: ChaskiError | undefined): void {
    this.#readable = true;
    const streams = this.#streams;
    streams?.ending();
    for (let batch = this.#drain(-1); batch !== undefined; batch = this.#drain(-1)) {
      if (streams === undefined) this.#parked.push(batch);
      else this.#route(streams, batch);
    }
    this.#ended = true;
    streams?.end(error);
    this.#endError = error;
    // Nobody could acknowledge it.
    this.#redelivery?.end();
    this.again();
  }

  /** Serves those who take messages of any peer, and before them those of one peer who came earlier. */
  #serveAny(): void {
    const wants = this.#wants;
    for (let want = wants.any; want !== undefined && this.fill(); want = wants.any) {
      const rival = wants.of((this.batch as ReceivedBatch<T>).peer);
      this.#give(rival !== undefined && rival.place < want.place ? rival : want);
    }
  }

  #endWants(): void {
    const wants = this.#wants;
    const end = (want: Want<T>): void => {
      wants.take(want);
      want.onEnd(this.#endError);
    };
    for (let want = wants.any; want !== undefined; want = wants.any) end(want);
    for (const peer of wants.peers) {
      for (let want = wants.of(peer); want !== undefined; want = wants.of(peer)) end(want);
    }
  }

  /** Gives the first of its line what it wants; false when that is not there. */
  #give(want: Want<T>): boolean {
    const { peer, max } = want;
    if (max > 0) {
      const batch = this.takeBatch(max, peer);
      if (batch === undefined) return false;
      this.#wants.take(want);
      want.onBatch(batch);
      return true;
    }
    const message = peer === undefined ? this.take() : this.takeFrom(peer);
    if (message === undefined) return false;
    this.#wants.take(want);
    want.onMessage(message);
    return true;
  }

  #hold(batch: ReceivedBatch<T> | undefined, cursor: number): void {
    this.batch = batch;
    this.cursor = cursor;
    this.count = batch?.length ?? 0;
    const shares = this.#streams === undefined && !this.reserved;
    const shared = batch !== undefined && batch.origin.copyUpTo < 0 && shares;
    this.sharing = shared ? this.count : 0;
  }

  #takePartFrom(id: string, max: number): ReceivedBatch<T> | undefined {
    const front = this.#nextFront(id);
    if (front !== undefined) {
      if (front.length <= max) return front;
      this.#front.push({ batch: front.part(max, front.length - max), given: false });
      return front.part(0, max);
    }
    if (this.cursor < this.count && this.batch?.peer === id) return this.takeBatch(max);
    const parked = this.#parked.takeFrom(id, max);
    if (parked !== undefined) return parked;
    const number = this.#host.peerById(id)?.number;
    let batch = this.#next(number, id);
    while (batch !== undefined && batch.peer !== id) {
      this.#parked.push(batch);
      batch = this.#next(number, id);
    }
    if (batch === undefined || batch.length <= max) return batch;
    this.#parked.push(batch);
    return this.#parked.takeFrom(id, max);
  }

  /** The first batch of those that come before all others, of any peer or of one. */
  #nextFront(id: string | undefined): ReceivedBatch<T> | undefined {
    const front = this.#front;
    for (let at = front.length - 1; at >= 0; at -= 1) {
      const { batch, given } = front[at] as Front<T>;
      if (id !== undefined && batch.peer !== id) continue;
      const rest = given ? (this.#redelivery?.again(batch) ?? []) : [batch];
      const [first, ...others] = rest;
      const kept = others.map((other) => ({ batch: other, given: false }));
      front.splice(at, 1, ...kept.reverse());
      if (first !== undefined) return first;
    }
    return undefined;
  }

  /** What native has, of a peer that it knows by this number, and what is to be delivered again: in turn. */
  #next(number: number | undefined, id: string | undefined): ReceivedBatch<T> | undefined {
    if (this.#againNext) {
      const again = this.#redelivery?.take(id);
      this.#againNext = false;
      if (again !== undefined) return again;
    }
    const batch =
      number === undefined
        ? undefined
        : this.#streams === undefined
          ? this.#drain(number)
          : this.#nextStream(this.#streams, number, id);
    this.#againNext = batch !== undefined && this.#redelivery !== undefined;
    return batch ?? this.#redelivery?.take(id);
  }

  /** The next message that is a stream. */
  #nextStream(
    streams: StreamRouter<T>,
    number: number,
    id: string | undefined,
  ): ReceivedBatch<T> | undefined {
    for (;;) {
      const chunks = number < 0 ? this.#drainAny(streams) : this.#drainOf(streams, number);
      if (chunks === undefined) return undefined;
      this.#route(streams, chunks);
      const there = id === undefined ? this.#parked.shift() : this.#parked.takeFrom(id, Infinity);
      if (there !== undefined) return there;
    }
  }

  /** Takes what those who read streams wait for. */
  #feed(streams: StreamRouter<T>): void {
    for (const peer of streams.hungry) {
      while (streams.isHungry(peer)) {
        const chunks = this.#drain(peer.number);
        if (chunks === undefined) break;
        this.#route(streams, chunks);
      }
    }
  }

  #route(streams: StreamRouter<T>, chunks: ReceivedBatch<T>): void {
    streams.route(chunks, (message) => {
      this.#parked.push(message);
    });
  }

  #drainOf(streams: StreamRouter<T>, number: number): ReceivedBatch<T> | undefined {
    return streams.stops(this.#host.peerByNumber(number)) ? undefined : this.#drain(number);
  }

  /** Of the peers in turn, without those of which nothing is taken. */
  #drainAny(streams: StreamRouter<T>): ReceivedBatch<T> | undefined {
    if (!streams.anyStopped) return this.#drain(-1);
    const peers = this.#host.allPeers();
    for (let i = 1; i <= peers.length; i += 1) {
      const at = (this.#turn + i) % peers.length;
      const peer = peers[at] as Peer;
      if (streams.stops(peer)) continue;
      const chunks = this.#drain(peer.number);
      if (chunks === undefined) continue;
      this.#turn = at;
      return chunks;
    }
    return undefined;
  }

  #drain(number: number): ReceivedBatch<T> | undefined {
    if (this.#divided.length > 0) return this.#divided.shift();
    if (!this.#readable || this.#ended) return undefined;
    const info = this.#info;
    if (this.#arena.spent) this.#renewArena();
    if (this.#index.spent) this.#index = new Index();
    let count = this.#drainInto(this.#arena, number);
    if (count === 0 && (info[drained.tooLong] as number) > 0) {
      this.#renewArena();
      count = this.#drainInto(this.#arena, number);
    }
    if (count <= 0) {
      if (number < 0) this.#readable = false;
      return undefined;
    }
    const arena = this.#arena;
    const peer = this.#host.peerByNumber(info[drained.peer] as number);
    const seq = info[drained.seq] as number;
    if (seq > peer.received + 1) this.#host.skipped(peer, peer.received + 1, seq - 1);
    peer.received = seq + count - 1;
    // Another process of ours was given them before, and has lost them.
    const deliveries = (info[drained.redelivered] as number) + 1;
    const index = this.#index;
    const start = index.used;
    if ((info[drained.largeLength] as number) > 0) {
      return this.#takeLarge(peer, index.numbers[start + 1] as number, seq, deliveries);
    }
    arena.used += info[drained.bytes] as number;
    index.used = start + 2 * count;
    const origin = this.#originOf(peer, peer.idAt(seq), arena);
    const batch = new ReceivedBatch<T>(origin, index.numbers, start, count, seq, deliveries);
    return peer.former.length === 0 ? batch : this.#divide(batch, arena);
  }

  /** What the peer sent under its first id; what is left of `batch` comes next. */
  #divide(batch: ReceivedBatch<T>, arena: Arena): ReceivedBatch<T> {
    const { index, start, seq, deliveries } = batch;
    const { peer } = batch.origin;
    const parts: ReceivedBatch<T>[] = [];
    for (let at = 0, end = 0; at < batch.length; at = end) {
      const origin = this.#originOf(peer, peer.idAt(seq + at), arena);
      end = Math.min((peer.former[0]?.end ?? Infinity) - seq, batch.length);
      parts.push(
        new ReceivedBatch<T>(origin, index, start + 2 * at, end - at, seq + at, deliveries),
      );
    }
    const [first = batch, ...others] = parts;
    this.#divided = others;
    return first;
  }

  #renewArena(): void {
    const { buffer } = this.#arena.memory;
    this.#arena = new Arena();
    this.#retention.retire(buffer);
  }

  #originOf(peer: Peer, id: string, { memory }: Arena): Origin {
    const latest = this.#origin;
    if (latest?.peer === peer && latest.memory === memory && latest.id === id) return latest;
    this.#origin = new Origin(
      this.#sourceOf(peer, id, latest?.source),
      memory,
      this.#retention.copyUpTo,
    );
    return this.#origin;
  }

  #sourceOf(peer: Peer, id: string, latest: Source | undefined): Source {
    if (latest?.peer === peer && latest.id === id) return latest;
    return { peer, id, codec: this.#codec, settling: this.#redelivery };
  }

  #drainInto(arena: Arena, number: number): number {
    this.#info[drained.tooLong] = 0;
    this.#info[drained.largeLength] = 0;
    return this.#native.queueDrain(
      this.#handle,
      number,
      arena.memory,
      arena.used,
      this.#index.numbers,
      this.#index.used,
      this.#index.slots,
      this.#info,
    );
  }

  /** A message with memory of its own, which native hands over without a copy. */
  #takeLarge(peer: Peer, word: number, seq: number, deliveries: number): ReceivedBatch<T> {
    const memory = this.#native.queueTakeLarge(this.#handle, peer.number);
    if (memory === undefined) {
      throw new ChaskiError(
        'ERR_CHASKI_INTERNAL',
        `The native part announced message ${seq} of ${peer.id} and does not have it.`,
      );
    }
    mayBeReleased(memory.buffer);
    const origin = new Origin(this.#sourceOf(peer, peer.idAt(seq), undefined), memory, ownMemory);
    const index = Uint32Array.of(memory.byteOffset, word);
    return new ReceivedBatch<T>(origin, index, 0, 1, seq, deliveries);
  }
}

/** A batch that comes before all others, and whether it was given to somebody before. */
interface Front<T> {
  readonly batch: ReceivedBatch<T>;
  readonly given: boolean;
}

/** Nothing is to be copied out of what holds one message. */
const ownMemory = -1;
