// One stream on its way to some peers: pulled from its source when there is room towards all of them, and put in chunks.
import {
  ChunkFlag,
  chunkHead,
  isLost,
  lengthOf,
  longestChunk,
  lostMemory,
  writeChunkHead,
} from '../codec/index.ts';
import type { ChaskiError } from '../errors.ts';
import { setImmediate } from '../shared/timers.ts';
import { Budget } from '../shared/budget.ts';
import {
  ofPart,
  peerClosed,
  sourceFailed,
  streamCancelled,
  streamsUnsupported,
  tooLarge,
} from './failures.ts';
import type { Peer } from './peer.ts';
import type { PartResult } from './put-result.ts';
import type { Sender } from './sender.ts';
import type { InLine, StreamLine } from './stream-line.ts';
import { bytesGiven } from './stream-source.ts';
import type { Source, Step } from './stream-source.ts';

/** What the streams of a communicator share. */
export interface OutflowHost {
  readonly sender: Sender;
  /** Where a chunk and its head are laid side by side; whoever takes them copies them. */
  readonly scratch: Uint8Array;
  /** The streams that are on their way to `peer`. */
  line(peer: Peer): StreamLine;
  /** A number for a stream that begins. */
  number(): number;
  /** Its last chunk is put, or never will be. */
  sent(flow: Outflow): void;
  /** It is settled towards all its peers. */
  settled(flow: Outflow): void;
}

export class Outflow {
  readonly parts: readonly StreamPart[];
  readonly #host: OutflowHost;
  readonly #source: Source;
  /** Those that get the next chunk. */
  readonly #active: Set<StreamPart>;
  readonly #budget: Budget = new Budget();
  #number = 0;
  /** Chunks that are too small to be worth a message each. */
  #gathered: Uint8Array | undefined = undefined;
  #used = 0;
  /** The source was asked, and has not answered. */
  #waits = false;
  /** When the event loop has turned, it is seen whether it still has not. */
  #looks = false;
  /** What was gathered goes while the source pauses. */
  #sending: Promise<void> | undefined = undefined;
  #unsettled: number;
  #sent = false;
  /** Ends the wait for room. */
  #unhold: (() => void) | undefined = undefined;
  /** Set while it waits for its turn. */
  #onTurn: (() => void) | undefined = undefined;

  constructor(host: OutflowHost, source: Source, peers: readonly Peer[]) {
    this.#host = host;
    this.#source = source;
    this.parts = peers.map((peer) => new StreamPart(this, peer));
    this.#active = new Set(this.parts);
    this.#unsettled = peers.length;
    for (const part of this.parts) {
      (part.peer.onLost ??= new Set()).add(part.onLost);
      host.line(part.peer).join(part);
    }
  }

  /** Sends it. What can be put at once is, before this returns. Never throws or rejects. */
  async start(): Promise<void> {
    try {
      this.#budget.start();
      // So messages keep the order of their puts, however long this one's first bytes take.
      const opening = this.#source.slow ? this.#send(nothing, false) : undefined;
      if (opening !== undefined) await opening;
      await this.#sendAll();
    } catch (error) {
      for (const part of this.#active) this.stop(part, (begun) => sourceFailed(error, begun));
    }
  }

  /** No more goes to the peer of `part`, which is told so; unless all of it has gone there. */
  stop(part: StreamPart, reason: (begun: boolean) => ChaskiError): void {
    if (!this.#active.has(part)) return;
    this.#leave(part);
    const begun = part.begun && !part.takeBack();
    if (begun) this.#abort(part.peer);
    part.fail(reason(begun));
    if (this.#active.size === 0) this.#end();
  }

  /** Those before it have made room. */
  onTurn(): void {
    this.#onTurn?.();
  }

  /** `part` is settled. */
  settled(part: StreamPart): void {
    part.peer.onLost?.delete(part.onLost);
    this.#unsettled -= 1;
    if (this.#unsettled === 0) this.#host.settled(this);
  }

  /** Nothing more goes to the peer of `part`. */
  #leave(part: StreamPart): void {
    this.#active.delete(part);
    this.#host.line(part.peer).leave(part);
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      if (this.#sent) return;
      if (this.#budget.spend()) {
        // First of all, so that it keeps its place among the puts.
        const opening = this.#number === 0 ? this.#send(this.#take(), false) : undefined;
        if (opening !== undefined) await opening;
        await turn();
        this.#budget.start();
        continue;
      }
      const answer = this.#source.next();
      // A thenable that comes at once is one that nobody has to wait for.
      const step = isStep(answer) ? answer : await this.#patiently(Promise.resolve(answer));
      if (this.#sent) return;
      if (step.done === true) {
        await this.#send(this.#take(), true);
        return;
      }
      const bytes = bytesGiven(step.value);
      const { whole } = this.#source;
      if (!whole && this.#gather(bytes)) continue;
      // Not awaited where all is put at once: what is put next, by whomever, stays behind it.
      const gathered = this.#used > 0 ? this.#send(this.#take(), false) : undefined;
      if (gathered !== undefined) await gathered;
      if (!whole && this.#gather(bytes)) continue;
      const direct = this.#send(bytes, whole);
      if (direct !== undefined) await direct;
      if (whole) return;
    }
  }

  /** The next step of the source. When it pauses, what was gathered goes meanwhile. */
  async #patiently(answer: Promise<Step>): Promise<Step> {
    if (this.#used === 0) return answer;
    this.#waits = true;
    if (!this.#looks) {
      this.#looks = true;
      setImmediate(this.#look);
    }
    const step = await answer;
    this.#waits = false;
    const sending = this.#sending;
    this.#sending = undefined;
    if (sending !== undefined) await sending;
    return step;
  }

  /** The event loop has turned: the source pauses, if it has given nothing since. */
  readonly #look = (): void => {
    this.#looks = false;
    if (!this.#waits || this.#used === 0 || this.#sent) return;
    const bytes = this.#take();
    this.#sending = (async (): Promise<void> => this.#send(bytes, false))();
    // Whoever waits for the source hears of it.
    this.#sending.catch(() => {});
  };

  /** Copies small chunks together; false when there is no place for this one. */
  #gather(bytes: Uint8Array): boolean {
    const length = lengthOf(bytes);
    if (this.#used + length > mostGathered) return false;
    this.#gathered ??= new Uint8Array(mostGathered);
    this.#gathered.set(bytes, this.#used);
    this.#used += length;
    return true;
  }

  #take(): Uint8Array {
    const bytes = this.#gathered?.subarray(0, this.#used) ?? nothing;
    this.#used = 0;
    return bytes;
  }

  /** Puts `bytes` in as many chunks as it takes, each when there is room; undefined when all is put already. */
  #send(bytes: Uint8Array, last: boolean): Promise<void> | undefined {
    return this.#sendFrom({ bytes, length: lengthOf(bytes), at: 0, last });
  }

  #sendFrom(part: Unsent): Promise<void> | undefined {
    const { bytes, length, last } = part;
    const put = (): void => {
      if (length > 0 && isLost(bytes)) throw lostMemory();
      const { at } = part;
      part.at = Math.min(length, at + this.#mostBytes());
      this.#put(bytes.subarray(at, part.at), last && part.at === length);
    };
    const more = (): Promise<void> | undefined =>
      part.at < length && !this.#sent ? this.#sendFrom(part) : undefined;
    do {
      const waiting = this.#inRoom(put);
      if (waiting !== undefined) return waiting.then(more);
      if (this.#sent || part.at === length) return undefined;
    } while (!this.#budget.spendMany(1));
    return turn().then(() => {
      this.#budget.start();
      return more();
    });
  }

  #put(bytes: Uint8Array, last: boolean): void {
    const { sender, scratch } = this.#host;
    if (this.#number === 0) this.#number = this.#host.number();
    scratch.set(bytes, chunkHead);
    const chunk = scratch.subarray(0, chunkHead + bytes.length);
    for (const part of this.#active) {
      const first = part.begun ? 0 : ChunkFlag.FIRST;
      writeChunkHead(scratch, this.#number, first | (last ? ChunkFlag.LAST : 0));
      const result = sender.putEach(part.peer.target.peers, [], chunk) as PartResult;
      this.#host.line(part.peer).put(part, bytes.length);
      if (result.mayArrive) part.follow(result, last);
      else this.#refused(part, result);
    }
    if (last) for (const part of this.#active) this.#leave(part);
    if (this.#active.size === 0) this.#end();
  }

  /** A chunk did not go to the peer of `part`, so none behind it may. */
  #refused(part: StreamPart, result: PartResult): void {
    this.#leave(part);
    result.catch((error: unknown) => {
      if (part.begun) this.#abort(part.peer);
      part.fail(part.begun ? ofPart(error as ChaskiError) : (error as ChaskiError));
    });
  }

  /** The most bytes that all peers take in a chunk. */
  #mostBytes(): number {
    let most = longestChunk;
    for (const { peer } of this.#active) most = Math.min(most, peer.maxMessageBytes - chunkHead);
    if (most < 1) throw tooLarge(chunkHead + 1, chunkHead + most);
    for (const part of this.#active) most = Math.min(most, this.#host.line(part.peer).room(part));
    return most;
  }

  /** Calls `act` when it may be put to all: at once, or when it is its turn. Nothing happens when nobody is left. */
  #inRoom(act: () => void): Promise<void> | undefined {
    const held = this.#held(true);
    if (this.#active.size === 0) return undefined;
    if (held === undefined) {
      act();
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const again = (): void => {
        const next = this.#held(false);
        if (next !== undefined && this.#active.size > 0) {
          wait(next);
          return;
        }
        this.#unhold = undefined;
        this.#onTurn = undefined;
        try {
          if (this.#active.size > 0) act();
          resolve();
        } catch (error) {
          reject(error);
        }
      };
      const wait = (held: Peer | 'turn'): void => {
        this.#onTurn = held === 'turn' ? again : undefined;
        const leave =
          held === 'turn' ? undefined : held.room.join({ onRoom: again, onGone: again });
        this.#unhold = (): void => {
          leave?.();
          resolve();
        };
        if (held !== 'turn') this.#host.sender.watch(held);
      };
      wait(held);
    });
  }

  /** What it waits for: room towards a peer, or its turn. Peers that take nothing more are left out from now on. */
  #held(queues: boolean): Peer | 'turn' | undefined {
    const { sender } = this.#host;
    for (const part of this.#active) {
      const { peer } = part;
      const refusal = peer.ownId === undefined ? sender.refusal(peer) : streamsUnsupported();
      if (refusal !== undefined) this.stop(part, (begun) => (begun ? ofPart(refusal) : refusal));
    }
    for (const part of this.#active) if (this.#host.line(part.peer).room(part) === 0) return 'turn';
    for (const { peer } of this.#active) {
      if ((queues && peer.room.waiting > 0) || !sender.hasRoom(peer)) return peer;
    }
    return undefined;
  }

  /** Tells a peer that the rest will not come, when there is room. */
  #abort(peer: Peer): void {
    const { sender, scratch } = this.#host;
    const tell = (): void => {
      if (sender.refusal(peer) !== undefined) return;
      writeChunkHead(scratch, this.#number, ChunkFlag.ABORTED);
      void sender.putEach(peer.target.peers, [], scratch.subarray(0, chunkHead));
    };
    if (peer.gone !== undefined) return;
    if (peer.room.waiting === 0 && sender.hasRoom(peer)) {
      tell();
    } else if (!peer.barred) {
      peer.room.join({ onRoom: tell, onGone: () => {} });
      sender.watch(peer);
    }
  }

  #end(): void {
    if (this.#sent) return;
    this.#sent = true;
    this.#unhold?.();
    this.#onTurn = undefined;
    this.#gathered = undefined;
    this.#source.close();
    this.#host.sent(this);
  }
}

/** Bytes on their way, and how far they are. */
interface Unsent {
  readonly bytes: Uint8Array;
  readonly length: number;
  at: number;
  readonly last: boolean;
}

/** What becomes of a stream towards one peer. */
export class StreamPart implements PartResult, InLine {
  readonly peer: Peer;
  readonly onLost: () => void;
  /** A chunk of it was put. */
  begun: boolean = false;
  readonly #flow: Outflow;
  readonly #promise: Promise<void>;
  #fulfil: () => void = () => {};
  #reject: (error: ChaskiError) => void = () => {};
  /** Its first chunk, while that is the only one. */
  #only: PartResult | undefined = undefined;
  #outcome: 'pending' | 'acked' | ChaskiError = 'pending';

  constructor(flow: Outflow, peer: Peer) {
    this.#flow = flow;
    this.peer = peer;
    this.#promise = new Promise((resolve, reject) => {
      this.#fulfil = resolve;
      this.#reject = reject;
    });
    // Nobody need look at it.
    this.#promise.catch(() => {});
    this.onLost = (): void => {
      const error = (begun: boolean): ChaskiError =>
        peerClosed(peer.id, begun ? 'unknown' : 'no', peer.gone);
      // When all of it is put, its last chunk tells: it may have been acknowledged.
      flow.stop(this, error);
    };
  }

  get [Symbol.toStringTag](): string {
    return 'Promise';
  }

  get acked(): boolean {
    return this.#outcome === 'acked';
  }

  get mayArrive(): boolean {
    return typeof this.#outcome === 'string' || this.#outcome.delivered !== 'no';
  }

  get futures(): ReadonlyMap<string, Promise<void>> {
    return new Map([[this.peer.id, this.#promise]]);
  }

  cancel(): boolean {
    this.#flow.stop(this, (begun) => streamCancelled(this.peer.id, begun));
    // All of it is put; what was put in one piece may not have left.
    if (this.#outcome === 'pending' && this.takeBack())
      this.fail(streamCancelled(this.peer.id, false));
    return !this.mayArrive && (this.#outcome as ChaskiError).code === 'ERR_CHASKI_ABORTED';
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise.
  then<A = void, B = never>(
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(onFulfilled, onRejected);
  }

  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<void | B> {
    return this.#promise.catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<void> {
    return this.#promise.finally(onFinally);
  }

  onTurn(): void {
    this.#flow.onTurn();
  }

  /** A chunk was put. */
  follow(chunk: PartResult, last: boolean): void {
    this.#only = this.begun ? undefined : chunk;
    this.begun = true;
    if (!last) return;
    chunk.then(
      () => {
        if (this.#outcome !== 'pending') return;
        this.#outcome = 'acked';
        this.#fulfil();
        this.#flow.settled(this);
      },
      (error: unknown) => {
        this.fail(error as ChaskiError);
      },
    );
  }

  /** Whether nothing of it has left, nor will. */
  takeBack(): boolean {
    return this.#only?.cancel() === true;
  }

  fail(error: ChaskiError): void {
    if (this.#outcome !== 'pending') return;
    this.#outcome = error;
    this.#reject(error);
    this.#flow.settled(this);
  }
}

function isStep(answer: Step | Promise<Step>): answer is Step {
  return !('then' in answer);
}

/** Resolves when the event loop has turned. */
function turn(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(() => {
      resolve(undefined);
    });
  });
}

const nothing: Uint8Array = new Uint8Array();
/** What fits in a frame with others' words beside it, and in an arena. */
const mostGathered = 65_504;
