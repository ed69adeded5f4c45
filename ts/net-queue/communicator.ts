// The communicator: what users hold. It gives the parts their place (sender, inbox, peers) and runs the life of the whole.
import { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import { chooseHost, loadNative, wakeBits } from '../binding/index.ts';
import type { NativeBinding, NativeEvent, QueueHandle } from '../binding/index.ts';
import { ChaskiError, toChaskiError } from '../errors.ts';
import { bound, timeoutOf } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import { AckSender } from './ack-sender.ts';
import { Budget } from './budget.ts';
import { tellClose, tellLost, tellOpen } from './diagnostics.ts';
import { busy, closed, fromNative, handlerFailed, invalid, notConnected } from './failures.ts';
import { Inbox } from './inbox.ts';
import type { Want } from './inbox.ts';
import { BatchIterator, MessageIterator } from './iterator.ts';
import { uuidBytes } from './options.ts';
import type { Settings } from './options.ts';
import { PeerBook } from './peer-book.ts';
import { Peer } from './peer.ts';
import type { RoomWaiter } from './peer.ts';
import { SentResult } from './put-result.ts';
import { Sender } from './sender.ts';
import { readableOf, writableOf } from './streams.ts';
import { BatchPump, MessagePump } from './subscription.ts';
import type {
  Address,
  Batch,
  BatchesOptions,
  CloseOptions,
  CommunicatorEvents,
  GetBatchOptions,
  GetOptions,
  Message,
  MessageHandler,
  Packed,
  PutResult,
  SendOptions,
  Stats,
  Subscription,
  WritableOptions,
} from './types.ts';
import { Purpose } from './types.ts';

/**
 * One end of a message queue: a server with its peers, or a client with its server.
 *
 * Messages of a peer arrive in the order in which it put them, each once. Memory is bounded per peer and direction by
 * `highWaterMark`. It keeps the process alive until it is closed, unless `unref()` was called.
 *
 * Made by `open()` and `new()`.
 */
export class Communicator<T = unknown>
  extends EventEmitter<CommunicatorEvents>
  implements AsyncIterable<Message<T>>, AsyncDisposable
{
  readonly #settings: Settings;
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #sender: Sender;
  readonly #inbox: Inbox<T>;
  readonly #acks: AckSender;
  readonly #peers: PeerBook = new PeerBook();
  /** Of get() and getBatch(). */
  readonly #gets: Budget = new Budget();
  /** The only one to whom a put without peers goes, if there is only one. */
  #only: Peer | undefined = undefined;
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening';
  #failure: ChaskiError | undefined = undefined;
  #address: Address | undefined = undefined;
  #lastStats: Stats = {};
  /** Events that were read and not told yet. */
  #events: NativeEvent[] = [];
  #telling = false;
  #subscription: Subscription | undefined = undefined;
  #readyWaiters: ((error: ChaskiError | undefined) => void)[] = [];
  #closeWaiters: (() => void)[] = [];

  /** @internal */
  constructor(settings: Settings) {
    super();
    this.#settings = settings;
    const native = loadNative();
    this.#native = native;
    const host = chooseHost(settings.runOn);
    try {
      this.#handle = native.queueOpen(
        {
          server: settings.purpose === Purpose.SERVER,
          unix: settings.path !== '',
          host: settings.host,
          port: settings.port,
          path: settings.path,
          id: uuidBytes(settings.id),
          cluster: settings.cluster,
          ackProcessed: settings.ackProcessed,
          highWaterBytes: settings.highWaterBytes,
          highWaterMessages: settings.highWaterMessages,
          dropOldest: settings.onFull === 'drop-oldest',
          maxMessageBytes: settings.maxMessageBytes,
          maxPeers: settings.maxPeers,
          connectTimeoutMs: settings.connectTimeoutMs === Infinity ? 0 : settings.connectTimeoutMs,
          handshakeTimeoutMs: settings.handshakeTimeoutMs,
          keepAliveMs: settings.keepAliveMs,
          idleTimeoutMs: settings.idleTimeoutMs,
          runOn: host === 'loop' ? 1 : 0,
        },
        this.#onWake,
      );
    } catch (error) {
      throw toChaskiError(error, 'The communicator could not be opened');
    }
    this.#acks = new AckSender(native, this.#handle);
    this.#sender = new Sender(native, this.#handle, settings, {
      onDrain: () => {
        process.nextTick(this.#emitDrain);
      },
      onRefused: (peer, count) => {
        this.#emitSafely('dropped', peer.id, count);
      },
      readEvents: () => {
        this.#readEvents();
      },
    });
    this.#inbox = new Inbox<T>(native, this.#handle, settings.codec, {
      peerByNumber: (number) => this.#peerByNumber(number),
      peerById: (id) => this.#peers.byId(id),
      done: settings.ackProcessed ? this.#acks.done : undefined,
    });
    if (settings.purpose === Purpose.CLIENT) {
      // A client's server is peer 0 and can be put to before the connection stands.
      this.#only = this.#addPeer(0);
    }
  }

  /** UUID of this communicator. */
  get id(): string {
    return this.#settings.id;
  }

  /** Ids of the peers that are connected now. It is live: it changes as they come and go. */
  get peers(): ReadonlySet<string> {
    return this.#peers.live;
  }

  /** True once it is closed for good: `close()` has ended, or the server of a client has gone. */
  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** True while the backlog towards some peer is at its high-water mark; the event `drain` tells when it is not any more. */
  get needDrain(): boolean {
    return this.#sender.needDrain;
  }

  /**
   * Resolves when a server listens, or a client has shaken hands with its server.
   *
   * @throws ChaskiError `ERR_CHASKI_TIMEOUT`, `_NOT_CONNECTED`, `_ADDRESS`, `_PROTOCOL` or what else kept it from opening;
   * `_CLOSED` when it was closed; `_ABORTED`.
   */
  ready(options?: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'open') {
        resolve();
        return;
      }
      if (this.#state !== 'opening' || this.#failure !== undefined) {
        reject(this.#failure ?? closed());
        return;
      }
      const disarm = bound('Opening the communicator', options, (error) => {
        this.#readyWaiters = this.#readyWaiters.filter((known) => known !== waiter);
        reject(error);
      });
      const waiter = (error: ChaskiError | undefined): void => {
        disarm();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#readyWaiters.push(waiter);
    });
  }

  /** Where a server listens (with the port that the system chose), or what a client is connected to; undefined before `ready()`. */
  address(): Address | undefined {
    return this.#address;
  }

  /**
   * Puts a message to `peers`; without any, to the server (client) or to all peers (server). It is encoded once.
   *
   * Never blocks. The data is copied before this returns, so it may be changed at once. Messages of a turn travel
   * together. The result is a promise that costs next to nothing until somebody looks at it, and that does not report an
   * unhandled rejection when nobody does. It fulfils when every peer has acknowledged, and rejects with a ChaskiError whose
   * `delivered` says whether the message may have arrived: `ERR_CHASKI_QUEUE_FULL` (see `onFull`), `_NOT_CONNECTED`,
   * `_CLOSED`, `_TOO_LARGE`.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` (wrong type, detached memory), `_CODEC` (cannot be encoded).
   */
  put(data: T, ...peers: string[]): PutResult;
  put(data: T, peer?: string): PutResult {
    if (peer === undefined) {
      const only = this.#only;
      if (only !== undefined) return this.#sender.put(only, data);
      return this.#sender.putEach(this.#peers.everyone, [], data);
    }
    if (arguments.length === 2) {
      const known = this.#peers.liveById(peer);
      if (known !== undefined) return this.#sender.put(known, data);
    }
    // `arguments`, because rest parameters would cost an array on every put.
    const [found, unknown] = this.#resolve(Array.prototype.slice.call(arguments, 1) as unknown[]);
    return this.#sender.putEach(found, unknown, data);
  }

  /**
   * Puts many messages: values, or bytes packed into one piece of memory (which goes without a copy in JavaScript, all or
   * nothing). One result for all. Where one of the values is refused (see `onFull`), the rest is not put, and the result rejects.
   *
   * @throws ChaskiError as `put()`, and `ERR_CHASKI_TOO_LARGE` for packed bytes.
   */
  putMany(messages: Iterable<T> | Packed, ...peers: string[]): PutResult {
    const found = this.#targets(peers);
    if (isPacked(messages)) return this.#sender.putPacked(found, messages);
    if (typeof messages !== 'object' || messages === null || !(Symbol.iterator in messages)) {
      throw invalid('messages', messages, 'an iterable, or { data, lengths }');
    }
    return this.#sender.putAll(found, messages);
  }

  /**
   * Puts without waiting: false, and nothing is queued, when the backlog of a peer is at its high-water mark, when there is
   * no peer, or when the communicator is closed.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_CODEC`, `_TOO_LARGE`.
   */
  trySend(data: T, ...peers: string[]): boolean {
    const [found, unknown] = peers.length === 0 ? [this.#everyone(), []] : this.#resolve(peers);
    return unknown.length === 0 && this.#sender.tryPut(found, data);
  }

  /**
   * Waits for room under the high-water mark, puts, and resolves when every peer has acknowledged. Sends to one peer
   * keep their order. Do not change `data` before it settles.
   *
   * @throws ChaskiError as `put()`, and `ERR_CHASKI_TIMEOUT`, `_ABORTED`: `delivered` is 'no' when it was not put yet.
   */
  async send(data: T, options?: SendOptions): Promise<void> {
    const [found, unknown] =
      options?.peers === undefined ? [this.#everyone(), []] : this.#resolve(options.peers);
    if (unknown.length > 0) throw notConnected(unknown[0]);
    if (found.length === 0) throw notConnected(undefined);
    let put = false;
    await this.#bounded(
      'Sending',
      options,
      async (givenUp) => {
        const only = found.length === 1 ? found[0] : undefined;
        if (only !== undefined) {
          await this.#inRoom(only, givenUp, () => {
            put = true;
            return { result: this.#sender.put(only, data) };
          }).then(({ result }) => result);
          return;
        }
        await Promise.all(found.map((peer) => this.#inRoom(peer, givenUp, () => undefined)));
        put = true;
        await this.#sender.putEach(found, [], data);
      },
      () => (put ? 'unknown' : 'no'),
    );
  }

  /**
   * Resolves when the backlog towards `peer` (or every peer) is under the high-water mark.
   *
   * @throws ChaskiError `ERR_CHASKI_CLOSED`, `_NOT_CONNECTED`, `_TIMEOUT`, `_ABORTED`.
   */
  async writable(options?: WritableOptions): Promise<void> {
    this.#checkOpen();
    const found = options?.peer === undefined ? this.#everyone() : this.#targets([options.peer]);
    await this.#bounded('Waiting for room', options, async (givenUp) => {
      await Promise.all(found.map((peer) => this.#inRoom(peer, givenUp, () => undefined)));
    });
  }

  /**
   * Resolves when everything that was put has been settled: acknowledged, dropped, or lost with its peer.
   *
   * @throws ChaskiError `ERR_CHASKI_TIMEOUT`, `_ABORTED`.
   */
  async drain(options?: WaitOptions): Promise<void> {
    const settled = (): void => {};
    await this.#bounded('Draining', options, async () => {
      await Promise.all(
        this.#peers.all
          .filter((peer) => peer.sentSeq > 0)
          .map((peer) =>
            new SentResult(this.#sender, peer, peer.sentSeq, peer.sentSeq).then(settled, settled),
          ),
      );
    });
  }

  /**
   * The next message, of `peer` or of any. After `close()` it gives what had arrived, then rejects.
   *
   * @throws ResourceClosed `ERR_CHASKI_CLOSED`; ChaskiError `_TIMEOUT`, `_ABORTED`, `_BUSY` (there is a subscription).
   */
  get(options?: GetOptions): Promise<Message<T>> {
    return this.#wanted(options, 0);
  }

  /**
   * A message that is there already, or undefined.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY`.
   */
  tryGet(peer?: string): Message<T> | undefined {
    this.#checkFree('tryGet()');
    return peer === undefined ? this.#inbox.take() : this.#inbox.takeFrom(peer);
  }

  /**
   * The next messages of one peer that are there together: at least one, at most `max`.
   *
   * @throws ResourceClosed and ChaskiError as `get()`.
   */
  getBatch(options?: GetBatchOptions): Promise<Batch<T>> {
    return this.#wanted(options, maxOf(options));
  }

  /**
   * Messages until the communicator closes. `break`, `return` and `throw` end this iteration only: what it had not given
   * stays in the queue. Several iterations share the messages. The loop turns every 5 ms or 4,096 messages. It throws when a
   * client's connection broke, and ends when it was closed in order, by either side.
   *
   * With `ack: 'processed'`, a message is acknowledged when its body has ended and the next one is asked for: not after
   * `break` or a throw, unless `message.ack()` was called.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    this.#checkFree('Iteration');
    return new MessageIterator<T>(this.#inbox, this.#settings.ackProcessed);
  }

  /**
   * Batches until the communicator closes; the same rules as iteration of messages.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY`.
   */
  batches(options?: BatchesOptions): AsyncIterableIterator<Batch<T>> {
    this.#checkFree('batches()');
    const autoAck = this.#settings.ackProcessed && options?.autoAck !== false;
    return new BatchIterator<T>(this.#inbox, autoAck, maxOf(options));
  }

  /**
   * Calls `handler` for each message. What it throws or rejects with is told by the event `warning`
   * (`ERR_CHASKI_HANDLER`); the next message follows all the same.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY` when somebody else consumes, `_INVALID_ARGUMENT`.
   */
  subscribe(handler: MessageHandler<T>): Subscription {
    this.#checkHandler(handler);
    const pump = new MessagePump<T>(
      this.#inbox,
      this.#settings.ackProcessed,
      this.#pumpHost,
      handler,
    );
    this.#subscription = pump;
    pump.start();
    return pump;
  }

  /** Calls `handler` for each batch; otherwise as `subscribe()`. */
  subscribeBatches(handler: (batch: Batch<T>) => unknown): Subscription {
    this.#checkHandler(handler);
    const pump = new BatchPump<T>(
      this.#inbox,
      this.#settings.ackProcessed,
      this.#pumpHost,
      handler,
    );
    this.#subscription = pump;
    pump.start();
    return pump;
  }

  /** The messages as a Readable in object mode. Destroying it ends that reading only. */
  toReadable(): Readable {
    return readableOf(this[Symbol.asyncIterator]());
  }

  /** A Writable in object mode: each write is a put, held back at the high-water mark; it finishes when all is acknowledged. */
  toWritable(): Writable {
    let last: PutResult | undefined;
    return writableOf(
      async (data) => {
        await this.writable();
        last = this.put(data as T);
      },
      async () => {
        await last;
      },
    );
  }

  /**
   * Sends what was put, takes leave of the peers, and waits until they have done the same and acknowledged everything; at most
   * `timeoutMs` (default: the option `closeTimeoutMs`). `force` waits for nothing. What had arrived can still be got.
   * Idempotent: later calls wait for the same end, and can force it. Never rejects but for a wrong argument.
   */
  async close(options?: CloseOptions): Promise<void> {
    const timeoutMs = timeoutOf(options);
    const force = options?.force === true;
    if (this.#state === 'closed') return;
    const first = this.#state !== 'closing';
    if (first) this.#beginClose();
    if (first || force) {
      this.#native.queueClose(
        this.#handle,
        force ? 0 : timeoutMs === Infinity ? this.#settings.closeTimeoutMs : timeoutMs,
      );
    }
    await new Promise<void>((resolve) => {
      this.#closeWaiters.push(resolve);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets it keep the process alive (the default). */
  ref(): this {
    if (this.#state !== 'closed') this.#native.queueRef(this.#handle, true);
    return this;
  }

  /** Lets the process end although it is open. */
  unref(): this {
    if (this.#state !== 'closed') this.#native.queueRef(this.#handle, false);
    return this;
  }

  /** Gauges and counters; after the close, the last ones. */
  stats(): Stats {
    if (this.#state !== 'closed')
      this.#lastStats = this.#native.queueStats(this.#handle) ?? this.#lastStats;
    return this.#lastStats;
  }

  readonly #onWake = (): void => {
    if (this.#state === 'closed') return;
    const bits = this.#native.queueWake(this.#handle);
    if ((bits & wakeBits.events) !== 0) {
      this.#readEvents();
      this.#tellEvents();
    }
    if ((bits & wakeBits.acked) !== 0 && !this.closed) this.#sender.onAcked();
    if ((bits & wakeBits.readable) !== 0) this.#inbox.readable();
  };

  /** Takes native's events. Only what numbers mean is applied at once; the rest is told when the caller's work is done. */
  #readEvents(): void {
    const events = this.#native.queueEvents(this.#handle);
    for (const event of events) {
      if (event.kind === 'peer') this.#greet(event);
      else if (event.kind === 'dropped') this.#drop(event);
    }
    if (this.#events.length === 0 && events.length > 0) process.nextTick(this.#tellEvents);
    this.#events.push(...events);
  }

  readonly #tellEvents = (): void => {
    if (this.#telling) return;
    this.#telling = true;
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
      this.#tell(event);
    }
    this.#telling = false;
  };

  #tell(event: NativeEvent): void {
    switch (event.kind) {
      case 'open':
        this.#address = addressOf(event);
        if (this.#settings.purpose === Purpose.SERVER) this.#onOpen();
        break;
      case 'peer': {
        const peer = this.#peers.byNumber(event.peer ?? 0);
        if (peer === undefined) break;
        if (this.#settings.purpose === Purpose.CLIENT) this.#onOpen();
        this.#emitSafely('ini', peer.id);
        break;
      }
      case 'fin': {
        const peer = this.#peers.byNumber(event.peer ?? 0);
        if (peer === undefined) break;
        this.#emitSafely('fin', peer.id);
        // Who takes its leave waits for the others to do the same, with all that they had put by then.
        if (this.#settings.purpose === Purpose.CLIENT) {
          void this.close();
        } else {
          this.#sender.flush();
          this.#native.queueFinish(this.#handle, peer.number);
        }
        break;
      }
      case 'lost':
        this.#lose(event);
        break;
      case 'gone': {
        const peer = this.#peers.byNumber(event.peer ?? 0);
        if (peer !== undefined) this.#peers.forget(peer);
        break;
      }
      case 'dropped': {
        const peer = this.#peers.byNumber(event.peer ?? 0);
        const count = (event.last ?? 0) - (event.first ?? 0) + 1;
        if (peer !== undefined) this.#emitSafely('dropped', peer.id, count);
        break;
      }
      case 'warning':
        this.#emitSafely('warning', fromNative(event.code, event.message));
        break;
      case 'failed':
        this.#failure = fromNative(event.code, event.message);
        this.#settleReady(this.#failure);
        break;
      case 'closed':
        this.#onClosed();
        break;
    }
  }

  #onOpen(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    const { id, purpose } = this.#settings;
    tellOpen({ id, purpose, address: this.#address });
    this.#settleReady(undefined);
  }

  #settleReady(error: ChaskiError | undefined): void {
    const waiters = this.#readyWaiters;
    this.#readyWaiters = [];
    for (const waiter of waiters) waiter(error);
  }

  #addPeer(number: number): Peer {
    const peer = new Peer(number, '', this.#settings.maxMessageBytes);
    this.#peers.add(peer);
    this.#sender.add(peer);
    return peer;
  }

  #greet(event: NativeEvent): void {
    const number = event.peer ?? 0;
    const peer = this.#peers.byNumber(number) ?? this.#addPeer(number);
    this.#peers.greet(peer, event.id ?? '');
    if (event.maxMessageBytes !== undefined) peer.limit(event.maxMessageBytes);
    peer.sharing = event.ackProcessed === false && this.#settings.onFull !== 'drop-oldest';
    this.#chooseOnly();
  }

  #lose(event: NativeEvent): void {
    const peer = this.#peers.byNumber(event.peer ?? 0);
    if (peer === undefined) return;
    const error = event.code === '' ? undefined : fromNative(event.code, event.message);
    this.#peers.lose(peer);
    this.#chooseOnly();
    this.#sender.lose(peer, error ?? closed());
    const { id, purpose } = this.#settings;
    tellLost({ id, purpose, peer: peer.id, error });
    if (purpose === Purpose.CLIENT) {
      // Without its server a client has nothing left to do.
      this.#failure ??= error;
      void this.close({ force: true });
    }
    this.#emitSafely('lost', peer.id, error);
  }

  #drop(event: NativeEvent): void {
    this.#peers.byNumber(event.peer ?? 0)?.drop(event.first ?? 0, event.last ?? 0);
  }

  #chooseOnly(): void {
    if (this.#settings.purpose === Purpose.CLIENT) return;
    const { everyone } = this.#peers;
    this.#only = everyone.length === 1 ? everyone[0] : undefined;
  }

  #beginClose(): void {
    this.#acks.flush();
    this.#state = 'closing';
    this.#settleReady(this.#failure ?? closed());
    this.#sender.close(this.#peers.all, () => closed(this.#failure, 'no'));
  }

  #onClosed(): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'closing') this.#beginClose();
    this.stats();
    this.#acks.close();
    for (const peer of this.#peers.all) {
      this.#sender.lose(peer, this.#failure ?? closed());
      this.#peers.lose(peer);
    }
    this.#state = 'closed';
    this.#inbox.end(this.#failure === undefined ? undefined : closed(this.#failure));
    this.#native.queueForget(this.#handle);
    const { id, purpose } = this.#settings;
    tellClose({ id, purpose });
    this.#emitSafely('close');
    const waiters = this.#closeWaiters;
    this.#closeWaiters = [];
    for (const waiter of waiters) waiter();
  }

  #peerByNumber(number: number): Peer {
    const known = this.#peers.byNumber(number);
    if (known !== undefined) return known;
    this.#readEvents();
    const peer = this.#peers.byNumber(number);
    if (peer === undefined) {
      throw new ChaskiError(
        'ERR_CHASKI_INTERNAL',
        `The native part named the peer ${number}, which it never announced.`,
      );
    }
    return peer;
  }

  /** The peers of a put without ids. A client's server counts before it is reached. */
  #everyone(): readonly Peer[] {
    return this.#only === undefined ? this.#peers.everyone : [this.#only];
  }

  #targets(ids: readonly string[]): readonly Peer[] {
    if (ids.length === 0) return this.#everyone();
    const [found, unknown] = this.#resolve(ids);
    if (unknown.length > 0) throw notConnected(unknown[0]);
    return found;
  }

  #resolve(ids: readonly unknown[]): [Peer[], string[]] {
    const found: Peer[] = [];
    const unknown: string[] = [];
    for (const id of new Set(ids)) {
      if (typeof id !== 'string') throw invalid('peer', id, 'the id of a peer, as text');
      const peer = this.#peers.liveById(id);
      if (peer === undefined) unknown.push(id);
      else found.push(peer);
    }
    return [found, unknown];
  }

  /** Calls `act` when there is room towards `peer`: at once, or in line with others. */
  #inRoom<R>(peer: Peer, givenUp: AbortSignal, act: () => R): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      if (peer.gone !== undefined) throw notConnected(peer.id);
      const run = (): void => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      };
      if (peer.roomWaiters.length === 0 && this.#sender.hasRoom(peer)) {
        run();
        return;
      }
      const waiter: RoomWaiter = { onRoom: run, onGone: reject };
      peer.roomWaiters.push(waiter);
      this.#sender.watch(peer);
      givenUp.addEventListener('abort', () => {
        peer.roomWaiters = peer.roomWaiters.filter((known) => known !== waiter);
      });
    });
  }

  /** Runs `work` inside the bounds of `options`; it learns when it was given up. */
  #bounded(
    what: string,
    options: WaitOptions | undefined,
    work: (givenUp: AbortSignal) => Promise<void>,
    delivered?: () => 'no' | 'unknown',
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = new AbortController();
      let over = false;
      const disarm = bound(
        what,
        options,
        (error) => {
          over = true;
          giveUp.abort();
          reject(error);
        },
        delivered,
      );
      if (over) return;
      work(giveUp.signal).then(
        () => {
          disarm();
          resolve();
        },
        (error: unknown) => {
          disarm();
          reject(error);
        },
      );
    });
  }

  #wanted(options: GetOptions | undefined, max: 0): Promise<Message<T>>;
  #wanted(options: GetOptions | undefined, max: number): Promise<Batch<T>>;
  #wanted(options: GetOptions | undefined, max: number): Promise<Message<T> | Batch<T>> {
    const inbox = this.#inbox;
    const peer = options?.peer;
    if (this.#subscription !== undefined) return Promise.reject(this.#busy('get()'));
    // Who came first is served first.
    if (!inbox.hasWants && options?.signal?.aborted !== true) {
      const there =
        max > 0
          ? inbox.takeBatch(max, peer)
          : peer === undefined
            ? inbox.take()
            : inbox.takeFrom(peer);
      if (there !== undefined) {
        const spent = 'length' in there ? this.#gets.spendMany(there.length) : this.#gets.spend();
        return spent ? this.#afterTurn(there) : Promise.resolve(there);
      }
    }
    return new Promise((resolve, reject) => {
      const settle = (value: Message<T> | Batch<T>): void => {
        disarm();
        this.#gets.start();
        resolve(value);
      };
      const want: Want<T> = {
        peer,
        max,
        over: false,
        onMessage: settle,
        onBatch: settle,
        onEnd: (error) => {
          disarm();
          reject(error ?? closed());
        },
      };
      const disarm = bound('Getting a message', options, (error) => {
        want.over = true;
        reject(error);
      });
      if (!want.over) inbox.want(want);
    });
  }

  /** A loop around get() leaves others their time too: promises alone would never let the event loop turn. */
  #afterTurn<V>(value: V): Promise<V> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#gets.start();
        resolve(value);
      });
    });
  }

  #checkOpen(): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw closed(this.#failure, 'no');
  }

  #checkFree(wanted: string): void {
    if (this.#subscription !== undefined) throw this.#busy(wanted);
  }

  #checkHandler(handler: unknown): void {
    if (typeof handler !== 'function') throw invalid('handler', handler, 'a function');
    this.#checkFree('A subscription');
    if (this.#inbox.hasWants) throw busy('A subscription', 'a waiting get() or iteration');
  }

  #busy(wanted: string): ChaskiError {
    return busy(wanted, 'a subscription');
  }

  readonly #pumpHost = {
    onHandlerError: (cause: unknown): void => {
      const error = handlerFailed('A message handler', cause);
      if (this.listenerCount('warning') > 0) this.#emitSafely('warning', error);
      else process.emitWarning(error);
    },
    onUnsubscribed: (): void => {
      this.#subscription = undefined;
    },
  };

  readonly #emitDrain = (): void => {
    if (!this.#sender.needDrain) this.#emitSafely('drain');
  };

  /** Tells listeners. What one of them throws is Node's to report, as an uncaught exception, and harms nothing here. */
  #emitSafely<E extends keyof CommunicatorEvents>(
    event: E,
    ...values: CommunicatorEvents[E]
  ): void {
    try {
      (this.emit as (event: string, ...values: unknown[]) => boolean).call(this, event, ...values);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

function addressOf({ host, port, path }: NativeEvent): Address {
  return path === undefined || path === '' ? { host: host ?? '', port: port ?? 0 } : { path };
}

function maxOf(options: { max?: number } | undefined): number {
  const max = options?.max;
  if (max === undefined) return Infinity;
  if (Number.isInteger(max) && max >= 1) return max;
  throw invalid('max', max, 'an integer of at least 1');
}

function isPacked(messages: unknown): messages is Packed {
  return (
    typeof messages === 'object' &&
    messages !== null &&
    'data' in messages &&
    'lengths' in messages &&
    !(Symbol.iterator in messages)
  );
}
