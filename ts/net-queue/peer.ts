// One peer: what was put to it, what it has acknowledged, and what of its own messages is done.
import type { ChaskiError } from '../errors.ts';
import { AckTracker } from './acks.ts';
import { longestCopied } from './send-slab.ts';
import { dropped, droppedInPart, forgotten, peerClosed } from './failures.ts';
import { Rejections } from './rejections.ts';
import { RoomLine } from './room-line.ts';
import type { OnFull } from './types.ts';
import { Waiters } from './waiters.ts';

/** Where a slab of messages goes. */
export interface Target {
  readonly peers: readonly Peer[];
}

/** How much may be put to a peer, and what happens there. */
export interface PeerPolicy {
  readonly onFull: OnFull;
  readonly highWaterBytes: number;
  readonly highWaterMessages: number;
}

/** The counters count payloads per session; they are exact up to 2^53. */
export class Peer {
  readonly number: number;
  /** False while its session has lost its connection. */
  connected: boolean = false;
  /** UUID; '' before the handshake of a client. */
  id: string;
  /** This peer alone, as a target. */
  readonly target: Target;

  // Sending. Below both marks, a put needs no look at anything else.
  sentSeq: number = 0;
  sentBytes: number = 0;
  seqMark: number = 0;
  byteMark: number = 0;
  /** Every message up to this one is acknowledged or dropped. */
  ackedSeq: number = 0;
  doneMessages: number = 0;
  doneBytes: number = 0;
  /** The last message that may have left; known when the peer is lost. */
  writtenSeq: number = Infinity;
  /** Longest message that it takes. */
  maxMessageBytes: number;
  /** Longest message that a slab takes for it. */
  longestGathered: number;
  /** Of a peer of the Python package: our id, which as a message would be our leave. */
  ownId: Uint8Array | undefined = undefined;
  /** What happens at which mark. */
  policy: PeerPolicy = noPolicy;
  /** It acknowledges what has arrived, a frame at a time. */
  acksFrames: boolean = false;
  /** What one slab brings to it settles together, so the puts of a slab can share a promise. */
  sharing: boolean = false;
  /** The high-water mark was reached, and nothing has told yet that the backlog is under it again. */
  full: boolean = false;
  /** Sequence number that native watches; 0 for none. */
  watched: number = 0;
  /** Nothing more can be put to it: one of both sides takes its leave, or it is gone. */
  barred: boolean = false;
  /** Why native lost it, or was told to, known before listeners are told; undefined too when it left in order. */
  lostBy: ChaskiError | undefined = undefined;
  /** Why nothing can be sent any more. */
  gone: ChaskiError | undefined = undefined;
  /** Called when it is gone; those who wait for more than acknowledgements. */
  onLost: Set<() => void> | undefined = undefined;
  /** From this message on, nothing was handed over. */
  goneFrom: number = Infinity;
  /** Messages refused by onFull 'drop-newest' that no event has told yet. */
  refused: number = 0;
  readonly waiters: Waiters = new Waiters();
  readonly rejections: Rejections = new Rejections();
  /** What needs no acknowledgement, because it is acknowledged, or was dropped or cancelled. */
  readonly settled: AckTracker = new AckTracker();
  /** Those who wait for room. */
  readonly room: RoomLine = new RoomLine();

  // Receiving.
  readonly acks: AckTracker = new AckTracker();
  /**
   * Messages that were delivered more than once by this process, or will be, and are not done: which delivery counts. Undefined
   * when there are none.
   */
  retries: Map<number, number> | undefined = undefined;
  /** Called when it is gone. */
  onGone: (() => void) | undefined = undefined;
  /** Called when native has forgotten it: it is gone, and all that it sent was taken. */
  onForgotten: (() => void) | undefined = undefined;
  /** Ids that it had before this one and that messages may still come of, each with the number behind its last message. */
  readonly former: { readonly id: string; readonly end: number }[] = [];
  /** Last message that native handed over. */
  received: number = 0;
  /** What native was last told. */
  ackTold: number = 0;

  constructor(number: number, id: string, maxMessageBytes: number) {
    this.number = number;
    this.id = id;
    this.maxMessageBytes = maxMessageBytes;
    this.longestGathered = Math.min(maxMessageBytes, longestCopied);
    this.target = { peers: [this] };
  }

  /** Whether puts can share a promise follows from when it acknowledges, and from whether some of them can be dropped. */
  share(): void {
    this.sharing = this.acksFrames && this.policy.onFull !== 'drop-oldest';
  }

  /** Number `first` is that of the first message which the peer will send, and those before it are no concern of this process. */
  begin(first: number): void {
    this.received = first - 1;
    this.ackTold = first - 1;
    this.acks.prefix = first - 1;
  }

  /** From message `first` on it has another id, which it is about to be given. */
  rename(first: number): void {
    const { id, former } = this;
    if (first > (former.at(-1)?.end ?? this.received + 1)) former.push({ id, end: first });
  }

  /** The id it had when it sent message `seq`; none before that is asked for any more. */
  idAt(seq: number): string {
    const { former } = this;
    while (former[0] !== undefined && former[0].end <= seq) former.shift();
    return former[0]?.id ?? this.id;
  }

  /** The peer has told in its handshake which messages it takes. */
  limit(maxMessageBytes: number): void {
    this.maxMessageBytes = maxMessageBytes;
    this.longestGathered = Math.min(this.maxMessageBytes, longestCopied);
  }

  /** What became of first to last: pending, or an error, or undefined when they are all acknowledged. */
  outcome(first: number, last: number): 'pending' | ChaskiError | undefined {
    if (last <= this.ackedSeq || this.rejections.among(first, last) !== 'none') {
      return this.#rejection(first, last);
    }
    return this.gone === undefined && last < this.goneFrom ? 'pending' : this.loss(first);
  }

  /** Why what begins with message `first` will never be acknowledged. */
  loss(first: number): ChaskiError {
    const unsent = first > this.writtenSeq || first >= this.goneFrom;
    return peerClosed(this.id, unsent ? 'no' : 'unknown', this.gone);
  }

  /** Native tells that every message up to `seq` is acknowledged. */
  acknowledge(seq: number): void {
    this.settled.done(1, seq);
    this.ackedSeq = this.settled.prefix;
  }

  /** Messages first to last were taken back before they were sent; `reason` is for those who look at just them. */
  cancel(first: number, last: number): void {
    this.settled.done(first, last);
    this.ackedSeq = this.settled.prefix;
  }

  /** Settles those whose messages are acknowledged. */
  settle(): void {
    this.waiters.take(this.ackedSeq, (waiter) => {
      const error = this.#rejection(waiter.first, waiter.seq);
      if (error === undefined) waiter.fulfil();
      else waiter.fail(error);
    });
  }

  /** Messages first to last were dropped, unsent. */
  drop(first: number, last: number): void {
    this.rejections.add(first, last);
    this.settled.done(first, last);
    this.waiters.remove(first, last, (waiter) => {
      waiter.fail(this.#rejection(waiter.first, waiter.seq) ?? dropped(this.id));
    });
  }

  /** Nothing more will be acknowledged. */
  fail(error: ChaskiError): void {
    if (this.gone === undefined) {
      this.gone = error;
      this.onGone?.();
    }
    this.bar(peerClosed(this.id, 'no', error));
    this.settle();
    this.waiters.take(Infinity, (waiter) => {
      waiter.fail(this.loss(waiter.first));
    });
    for (const tell of this.onLost ?? []) tell();
  }

  /** Lets no put pass any more; `reason` is for those who wait for room. */
  bar(reason: ChaskiError): void {
    this.barred = true;
    this.seqMark = 0;
    this.byteMark = 0;
    for (let left = this.room.take(); left !== undefined; left = this.room.take()) {
      left.onGone(reason);
    }
  }

  #rejection(first: number, last: number): ChaskiError | undefined {
    switch (this.rejections.among(first, last)) {
      case 'none':
        return undefined;
      case 'some':
        return droppedInPart(this.id);
      case 'all':
        return dropped(this.id);
      case 'forgotten':
        return forgotten(this.id);
    }
  }
}

/** Until it is known what may be put to it. */
const noPolicy: PeerPolicy = { onFull: 'error', highWaterBytes: 0, highWaterMessages: 0 };
