// Where the chunks of streams go, of all peers: the first one of a stream makes a message, the others go to it. What a peer may
// have lying here unread is bounded; beyond that nothing more is taken of it.
import { Kind, otherKind, readChunkHead } from '../codec/index.ts';
import type { ChunkHead, Codec } from '../codec/index.ts';
import { kindShift, lengthMask } from '../binding/index.ts';
import type { ChaskiError } from '../errors.ts';
import { clearTimeout, setTimeout } from '../shared/timers.ts';
import { Origin } from './origin.ts';
import { ReceivedBatch } from './batch.ts';
import {
  closed,
  noStream,
  streamAborted,
  streamBegunAnew,
  streamBlocked,
  streamLetGo,
  streamLost,
  streamWithoutBeginning,
} from './failures.ts';
import { IncomingStream } from './incoming-stream.ts';
import { Inflow } from './inflow.ts';
import type { InflowHost } from './inflow.ts';
import type { Peer } from './peer.ts';

/** What the router asks of its communicator. */
export interface RouterHost {
  /** Bytes of a peer that may lie here unread. */
  readonly mostBytes: number;
  /** Messages first to last of `peer` are done. */
  done(peer: Peer, first: number, last: number): void;
  warn(error: ChaskiError): void;
  /** Ends the session with `peer`; false if it has no connection that could end. */
  hangUp(peer: Peer): boolean;
  /** There is somebody to be served: a reader waits, or there is room again for what a peer has sent. */
  onRoom(): void;
}

export class StreamRouter<T> {
  readonly #host: RouterHost;
  readonly #flows: InflowHost;
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #peers: Map<Peer, Incoming> = new Map();
  /** Peers of which nothing more is taken. */
  readonly #stopped: Set<Incoming> = new Set();
  readonly #hungry: Set<Incoming> = new Set();
  #ended = false;

  constructor(host: RouterHost) {
    this.#host = host;
    this.#most = Math.max(host.mostBytes, leastOfAll);
    this.#mostOfOne = Math.max(leastOfOne, Math.min(1 << 20, host.mostBytes / 4));
    this.#flows = {
      done: (peer, first, last) => {
        host.done(peer, first, last);
      },
      keeps: (flow, bytes) => {
        this.#keeps(flow, bytes);
      },
      waits: (flow, waits) => {
        this.#waits(flow, waits);
      },
      letGo: (flow, bytes) => {
        if (!this.#ended) host.warn(streamLetGo(flow.peer.id, bytes));
      },
    };
  }

  /** Whether nothing more is taken of some peer. */
  get anyStopped(): boolean {
    return this.#stopped.size > 0;
  }

  /** Whether nothing more is taken of `peer`. */
  stops(peer: Peer): boolean {
    const incoming = this.#stopped.size === 0 ? undefined : this.#peers.get(peer);
    return incoming !== undefined && this.#stopped.has(incoming);
  }

  /** Peers of whose streams somebody waits for a chunk, and of which more is taken. */
  get hungry(): readonly Peer[] {
    return [...this.#hungry].filter((each) => !this.#stopped.has(each)).map(({ peer }) => peer);
  }

  /** Whether somebody waits for a chunk of `peer`, and more is taken of it. */
  isHungry(peer: Peer): boolean {
    const incoming = this.#peers.get(peer);
    return incoming !== undefined && this.#hungry.has(incoming) && !this.#stopped.has(incoming);
  }

  /** Takes messages of a peer; those that begin a stream make one that `give` is called with. */
  route(batch: ReceivedBatch<T>, give: (message: ReceivedBatch<T>) => void): void {
    const incoming = this.#incoming(batch);
    for (let i = 0; i < batch.length; i += 1) {
      const reason =
        incoming.broken === undefined ? this.#take(incoming, batch, i, give) : undefined;
      if (reason !== undefined) this.#break(incoming, reason);
      // One that was away is hung up on when it is back.
      else if (i === 0) this.#hangUp(incoming);
      if (incoming.broken !== undefined)
        this.#host.done(incoming.peer, batch.seq + i, batch.seq + i);
    }
  }

  /** Nothing more will come of anybody. From now on all that is left may be taken. */
  ending(): void {
    this.#ended = true;
    this.#stopped.clear();
  }

  /** All that was left is taken. */
  end(error: ChaskiError | undefined): void {
    for (const incoming of this.#peers.values()) {
      this.#lose(incoming, () => error ?? closed());
    }
  }

  #take(
    incoming: Incoming,
    batch: ReceivedBatch<T>,
    i: number,
    give: (message: ReceivedBatch<T>) => void,
  ): string | undefined {
    const { peer } = incoming;
    const seq = batch.seq + i;
    const word = batch.word(i);
    const kind = word >>> kindShift;
    const offset = batch.offset(i);
    const length = word & lengthMask;
    if (kind !== Kind.STREAM) {
      this.#takeOther(incoming, batch, i, give);
      return undefined;
    }
    const { memory } = batch.origin;
    const head = readChunkHead(memory, offset, length);
    if (typeof head === 'string') return head;
    const flow = head.first
      ? this.#begin(incoming, head, batch, i, give)
      : incoming.open.get(head.stream);
    if (typeof flow === 'string') return flow;
    if (flow === undefined) return this.#takeOrphan(incoming, head, seq);
    if (head.aborted) {
      incoming.open.delete(head.stream);
      this.#host.done(peer, seq, seq);
      flow.end(streamAborted(peer.id));
      return undefined;
    }
    if (head.last) incoming.open.delete(head.stream);
    flow.push(memory, offset + headBytes, length - headBytes, seq, head.last);
    return undefined;
  }

  #begin(
    incoming: Incoming,
    { stream }: ChunkHead,
    batch: ReceivedBatch<T>,
    i: number,
    give: (message: ReceivedBatch<T>) => void,
  ): Inflow | string {
    const { peer, open } = incoming;
    if (stream <= incoming.highest) {
      // Another process of it, in the same session.
      this.#lose(incoming, () => streamBegunAnew(peer.id));
      incoming.lowest = stream;
    }
    if (open.size >= mostOpen) return `the beginning of more than ${mostOpen} streams at a time`;
    incoming.highest = stream;
    incoming.lowest = Math.min(incoming.lowest, stream);
    const flow = this.#flow(incoming, batch, i, give);
    open.set(stream, flow);
    return flow;
  }

  /** A message with a stream of its own. */
  #flow(
    incoming: Incoming,
    { origin: { id }, seq, deliveries }: ReceivedBatch<T>,
    i: number,
    give: (message: ReceivedBatch<T>) => void,
  ): Inflow {
    const { peer } = incoming;
    const flow = new Inflow(this.#flows, peer);
    // The message holds the stream, and nobody else does: so it is known when nobody can read it any more.
    const codec = codecFor(new IncomingStream(flow));
    const origin = new Origin({ peer, id, codec, settling: flow }, nothing, -1);
    give(new ReceivedBatch<T>(origin, emptyIndex, 0, 1, seq + i, deliveries));
    return flow;
  }

  /** Bytes of a Python peer are a stream in one piece; what another serializer wrote is told to the reader. */
  #takeOther(
    incoming: Incoming,
    batch: ReceivedBatch<T>,
    i: number,
    give: (message: ReceivedBatch<T>) => void,
  ): void {
    const flow = this.#flow(incoming, batch, i, give);
    const word = batch.word(i);
    const kind = word >>> kindShift;
    const seq = batch.seq + i;
    if (kind === Kind.BYTES && incoming.peer.ownId !== undefined) {
      flow.push(batch.origin.memory, batch.offset(i), word & lengthMask, seq, true);
    } else {
      flow.push(nothing, 0, 0, seq, false);
      flow.end(otherKind(kind, "'stream'"));
    }
  }

  /** A chunk of a stream that did not begin here. */
  #takeOrphan(incoming: Incoming, head: ChunkHead, seq: number): string | undefined {
    const { peer, orphans } = incoming;
    const { stream } = head;
    if (!incoming.resumed || stream >= incoming.lowest) {
      return `a chunk of stream ${stream}, which has not begun or has ended`;
    }
    this.#host.done(peer, seq, seq);
    if (!orphans.has(stream) && incoming.told < mostOrphans) {
      incoming.told += 1;
      orphans.add(stream);
      this.#host.warn(streamWithoutBeginning(peer.id));
    }
    if (head.last || head.aborted) orphans.delete(stream);
    this.#look(incoming);
    return undefined;
  }

  #break(incoming: Incoming, reason: string): void {
    const { peer } = incoming;
    incoming.broken = noStream(peer.id, reason);
    this.#lose(incoming, () => noStream(peer.id, reason));
    // The event `lost` has it, unless that was told before what the peer had left was looked at.
    if (!this.#hangUp(incoming)) this.#host.warn(incoming.broken);
    this.#look(incoming);
    this.#check(incoming);
  }

  #hangUp({ peer, broken }: Incoming): boolean {
    const hangsUp = broken !== undefined && this.#host.hangUp(peer);
    if (hangsUp) peer.lostBy ??= broken;
    return hangsUp;
  }

  #lose({ open }: Incoming, reason: () => ChaskiError): void {
    const flows = [...open.values()];
    open.clear();
    for (const flow of flows) flow.end(reason());
  }

  #incoming(batch: ReceivedBatch<T>): Incoming {
    const { peer } = batch.origin;
    let incoming = this.#peers.get(peer);
    if (incoming === undefined) {
      incoming = {
        peer,
        open: new Map(),
        highest: 0,
        lowest: Infinity,
        resumed: batch.seq > 1 || batch.deliveries > 1,
        orphans: new Set(),
        told: 0,
        broken: undefined,
        kept: 0,
        full: new Set(),
        waiting: new Set(),
        unread: new Set(),
        timer: undefined,
      };
      this.#peers.set(peer, incoming);
      peer.onForgotten = (): void => {
        this.#forget(peer);
      };
    }
    return incoming;
  }

  /** All that a lost peer sent was taken. */
  #forget(peer: Peer): void {
    const incoming = this.#peers.get(peer);
    if (incoming === undefined) return;
    this.#lose(incoming, () => streamLost(peer.id, peer.lostBy));
    this.#peers.delete(peer);
    this.#stopped.delete(incoming);
    this.#hungry.delete(incoming);
    clearTimeout(incoming.timer);
  }

  #keeps(flow: Inflow, bytes: number): void {
    const incoming = this.#peers.get(flow.peer);
    if (incoming === undefined) return;
    incoming.kept += bytes;
    if (flow.kept >= this.#mostOfOne) incoming.full.add(flow);
    else incoming.full.delete(flow);
    if (flow.kept === 0) incoming.unread.delete(flow);
    else incoming.unread.add(flow);
    this.#check(incoming);
  }

  #check(incoming: Incoming): void {
    const tooMuch = incoming.kept >= this.#most || incoming.full.size > 0;
    if (tooMuch && incoming.broken === undefined && !this.#ended) {
      this.#stopped.add(incoming);
      this.#tellLater(incoming);
    } else if (this.#stopped.delete(incoming)) {
      this.#host.onRoom();
    }
  }

  #waits(flow: Inflow, waits: boolean): void {
    const incoming = this.#peers.get(flow.peer);
    if (incoming === undefined) return;
    if (!waits) {
      incoming.waiting.delete(flow);
      this.#look(incoming);
      return;
    }
    incoming.waiting.add(flow);
    this.#look(incoming);
    if (this.#stopped.has(incoming)) this.#tellLater(incoming);
    this.#host.onRoom();
  }

  /** Whether more is wanted of a peer, also while nobody asks for a message: for a reader, or to be thrown away. */
  #look(incoming: Incoming): void {
    const { waiting, orphans, broken } = incoming;
    if (waiting.size > 0 || orphans.size > 0 || broken !== undefined) this.#hungry.add(incoming);
    else this.#hungry.delete(incoming);
  }

  /** One waits for a stream, and another that nobody reads is in its way: unless that changes soon, somebody should know. */
  #tellLater(incoming: Incoming): void {
    if (incoming.timer !== undefined || !readersWait(incoming)) return;
    incoming.timer = setTimeout(() => {
      incoming.timer = undefined;
      if (!this.#stopped.has(incoming) || !readersWait(incoming)) return;
      const unheeded = [...incoming.unread].some((flow) => !flow.begun && flow.unread > 0);
      if (unheeded) this.#host.warn(streamBlocked(incoming.peer.id));
    }, tellAfterMs);
    incoming.timer.unref();
  }
}

/** What comes of one peer. */
interface Incoming {
  readonly peer: Peer;
  /** Streams of which more is to come, by number. */
  readonly open: Map<number, Inflow>;
  /** The highest and lowest number of a stream that began here. */
  highest: number;
  lowest: number;
  /** The session is older than this process: streams may have begun before it. */
  readonly resumed: boolean;
  /** Streams that are thrown away, because they began before it. */
  readonly orphans: Set<number>;
  /** How many of those were told of. */
  told: number;
  /** What it sent that is no stream. */
  broken: ChaskiError | undefined;
  /** Bytes that its streams keep. */
  kept: number;
  /** Streams at their bound. */
  readonly full: Set<Inflow>;
  /** Streams of which a reader waits for a chunk. */
  readonly waiting: Set<Inflow>;
  /** Streams of which something lies here. */
  readonly unread: Set<Inflow>;
  timer: NodeJS.Timeout | undefined;
}

function readersWait({ waiting }: Incoming): boolean {
  return [...waiting].some((flow) => flow.begun && !flow.over);
}

/** For one message: its data is its stream. */
function codecFor(stream: IncomingStream): Codec {
  return {
    rawBytes: false,
    kind: Kind.STREAM,
    encode: () => nothing,
    decode: () => stream,
  };
}

const headBytes = 8;
const nothing: Uint8Array = new Uint8Array();
const emptyIndex: Uint32Array = Uint32Array.of(0, (Kind.STREAM << kindShift) >>> 0);
/** Streams of a peer that are open at a time. */
const mostOpen = 1024;
const mostOrphans = 64;
const tellAfterMs = 1000;
/** More than a sender puts of streams that are not its oldest (`stream-line`). */
const leastOfOne = 128 * 1024;
const leastOfAll = 6 << 20;
