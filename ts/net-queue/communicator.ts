// The communicator: what users hold. It gives the parts their place (sender, inbox, peers) and runs the life of the whole.
import { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { inspect } from 'node:util';
import type { InspectOptions } from 'node:util';

import { chooseHost, loadNative, wakeBits } from '../binding/index.ts';
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { Kind } from '../codec/index.ts';
import { toChaskiError } from '../errors.ts';
import type { ChaskiError } from '../errors.ts';
import { inLines } from '../shared/shown.ts';
import { clearTimeout, nextTick, now, setTimeout } from '../shared/timers.ts';
import { longestTimeoutMs } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import { AckSender } from './ack-sender.ts';
import { Consumers } from './consumers.ts';
import { tellClose } from './diagnostics.ts';
import { closed, couldNotOpen, invalid, notConnected } from './failures.ts';
import { Farewell } from './farewell.ts';
import { PeerGroup } from './group.ts';
import { Inbox } from './inbox.ts';
import { Life } from '../shared/life.ts';
import { NativeEvents } from './native-events.ts';
import { nativeConfig, peerPolicy, putOptions, uuidBytes } from './options.ts';
import type { Settings } from './options.ts';
import { isPacked } from '../shared/packed.ts';
import type { Packed } from '../shared/packed.ts';
import { Patience } from './patience.ts';
import { PeerBook } from './peer-book.ts';
import { Peer } from './peer.ts';
import { Sender } from './sender.ts';
import type { Puts } from './puts.ts';
import { Redelivery } from './redelivery.ts';
import { StreamRouter } from './stream-router.ts';
import { StreamSender } from './stream-sender.ts';
import { readableOf, writableOf } from '../shared/node-streams.ts';
import type {
  Address,
  Batch,
  BatchesOptions,
  CloseOptions,
  CommunicatorEvents,
  GetBatchOptions,
  GetOptions,
  Group,
  Message,
  MessageHandler,
  PeerOptions,
  PutOptions,
  PutResult,
  Puttable,
  SendOptions,
  Stats,
  SubscribeOptions,
  Subscription,
  WritableOptions,
} from './types.ts';
import { Purpose } from './types.ts';
import { closeOptions, sendOptions, waitOptions, writableOptions } from './wait-options.ts';

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
  readonly #peers: PeerBook;
  readonly #sender: Sender;
  /** With serializer 'stream'. */
  readonly #streams: StreamSender | undefined;
  readonly #puts: Puts;
  readonly #patience: Patience;
  readonly #inbox: Inbox<T>;
  readonly #consumers: Consumers<T>;
  readonly #acks: AckSender;
  readonly #life: Life;
  readonly #farewell: Farewell = new Farewell();
  readonly #events: NativeEvents;
  #lastStats: Stats = {};

  static {
    // What `console.log()` shows. Not a method, because declarations cannot name its symbol.
    Object.defineProperty(this.prototype, inspect.custom, {
      value(this: Communicator, _depth: number, options: InspectOptions): string {
        const { id, purpose } = this.#settings;
        const { peers } = this;
        const shown = { id, purpose, address: this.address(), peers, state: this.#life.state };
        return `Communicator ${inspect(shown, options)}`;
      },
    });
  }

  /** @internal */
  constructor(settings: Settings) {
    super();
    this.#settings = settings;
    const native = loadNative();
    this.#native = native;
    // Cryptography is work: it stays off the JavaScript thread.
    const preferred = settings.security === null ? undefined : 'thread';
    const host = chooseHost(settings.runOn, process, preferred);
    try {
      this.#handle = native.queueOpen(nativeConfig(settings, host), this.#onWake);
    } catch (error) {
      throw toChaskiError(error, 'The communicator could not be opened');
    }
    const handle = this.#handle;
    this.#life = new Life({
      name: 'the communicator',
      closed,
      bar: () => {
        this.#bar();
      },
      leave: (timeoutMs) => {
        this.#farewell.begin(timeoutMs);
        native.queueClose(handle, timeoutMs);
      },
      lose: () => {
        this.#lose();
      },
      forget: () => {
        this.#forget();
      },
      isAwaited: () => this.#peers.all.some(({ waiters }) => waiters.first < Infinity),
    });
    this.#acks = new AckSender(native, handle);
    this.#sender = new Sender(native, handle, settings, {
      onDrain: () => {
        nextTick(this.#emitDrain);
      },
      onRefused: (peer, count) => {
        this.#tell('dropped', peer.id, count);
      },
      readEvents: () => {
        this.#events.read();
      },
    });
    this.#streams =
      settings.codec.kind === Kind.STREAM ? new StreamSender(this.#sender) : undefined;
    this.#puts = this.#streams ?? this.#sender;
    this.#patience = new Patience(this.#sender, this.#life);
    const server =
      settings.purpose === Purpose.CLIENT ? new Peer(0, '', settings.maxMessageBytes) : undefined;
    if (server !== undefined) {
      if (settings.compat === 'python') server.ownId = uuidBytes(settings.id);
      this.#sender.add(server);
    }
    this.#peers = new PeerBook(server);
    this.#events = new NativeEvents(native, handle, {
      settings,
      life: this.#life,
      farewell: this.#farewell,
      peers: this.#peers,
      sender: this.#sender,
      leave: (id, error) => {
        this.#inbox.leave(id, error);
      },
      tell: this.#tell,
    });
    const redelivery = settings.ackProcessed
      ? new Redelivery<T>({
          native,
          handle,
          acks: this.#acks,
          mostMessages: settings.highWaterMessages,
          mostBytes: settings.highWaterBytes,
          onDue: () => {
            this.#inbox.again();
          },
        })
      : undefined;
    const streams =
      this.#streams === undefined
        ? undefined
        : new StreamRouter<T>({
            mostBytes: settings.highWaterBytes,
            done: (peer, first, last) => {
              if (settings.ackProcessed) this.#acks.done(peer, first, last);
            },
            warn: this.#warn,
            hangUp: (peer) => native.queueHangUp(handle, peer.number) === 0 && peer.connected,
            onRoom: () => {
              this.#inbox.again();
            },
          });
    this.#inbox = new Inbox<T>(native, handle, settings.codec, redelivery, streams, {
      peerByNumber: (number) => this.#events.peer(number),
      allPeers: () => this.#peers.all,
      peerById: (id) => this.#peers.senderById(id),
      skipped: (peer, first, last) => {
        if (settings.ackProcessed) this.#acks.done(peer, first, last);
      },
    });
    this.#consumers = new Consumers<T>(this.#inbox, settings.ackProcessed, this.#warn);
  }

  /** UUID of this communicator. */
  get id(): string {
    return this.#settings.id;
  }

  /**
   * What a client has to be opened with, as the options `id` and `secret`, so that another process goes on with its session. Who has it
   * can take the session; keep it as you keep a password.
   */
  get session(): { id: string; secret: string } {
    const { id, secret } = this.#settings;
    return { id, secret: Buffer.from(secret).toString('hex') };
  }

  /**
   * Ids of the peers that there are: connected, or away while their sessions are kept (see `isConnected()`). It is live: it changes
   * as they come and go.
   */
  get peers(): ReadonlySet<string> {
    return this.#peers.live;
  }

  /** Whether there is a connection to `peer`, or to any, at this moment. */
  isConnected(peer?: string): boolean {
    if (peer !== undefined) return this.#peers.byId(peer)?.connected === true;
    return this.#peers.all.some(({ connected }) => connected);
  }

  /** True once it is closed for good: `close()` has ended, or the server of a client has gone. */
  get closed(): boolean {
    return this.#life.closed;
  }

  /**
   * True while the backlog towards some peer is at its high-water mark; the event `drain` tells when it is not any more. From
   * `close()` on, or when a client's server has gone, it stays true, and `writable()` rejects: a loop that puts ends there.
   */
  get needDrain(): boolean {
    return this.#sender.needDrain;
  }

  /**
   * Resolves when a server listens, or a client has shaken hands with its server.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_CONNECTED` when no server is there (within `connectTimeoutMs`), `_TIMEOUT` when none
   * answers, `_ADDRESS` when it cannot listen there or the host name is unknown, `_PROTOCOL` or what else kept it from opening;
   * `_CLOSED` when it was closed; `_ABORTED`. `cause.code` is the system's word for it, such as `ECONNREFUSED`.
   */
  async ready(options?: WaitOptions): Promise<void> {
    await this.#life.ready(waitOptions(options));
  }

  /** Where a server listens (with the port that the system chose), or what a client is connected to; undefined before `ready()`. */
  address(): Address | undefined {
    return this.#events.address;
  }

  /**
   * Puts a message to `peers` (ids of peers, or of groups); without any, to the server (client) or to all peers (server). It is encoded once; bytes, and
   * those of a Stream, go as they are (see the option `serializer`).
   *
   * Never blocks. The data is copied before this returns, so it may be changed at once. Messages of a turn travel
   * together. The result is a promise that costs next to nothing until somebody looks at it, and that does not report an
   * unhandled rejection when nobody does. It fulfils when every peer has acknowledged, and rejects with a ChaskiError whose
   * `delivered` says whether the message may have arrived: `ERR_CHASKI_QUEUE_FULL` (see `onFull`), `_NOT_CONNECTED`,
   * `_CLOSED` (`cause` says why, when it was not in order), `_TOO_LARGE`.
   *
   * With `{ transfer: true }` large bytes are not copied: their memory is given away, and detached when this returns, unless
   * the message was refused.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` (wrong type, detached memory, cannot be transferred), `_CODEC` (cannot
   * be encoded).
   */
  put(data: Puttable<T>, ...peers: string[]): PutResult;
  put(data: Puttable<T>, options: PutOptions): PutResult;
  put(data: Puttable<T>, peer?: string | PutOptions): PutResult {
    // A peer that is undefined is a mistake of the caller, and must not send to all what was meant for one.
    if (arguments.length === 1) {
      const { only } = this.#peers;
      if (only !== undefined) return this.#puts.put(only, data);
      return this.#puts.putEach(this.#peers.everyone, [], data);
    }
    if (arguments.length === 2) {
      if (typeof peer === 'object') return this.#putTo(peer, data);
      const known = peer === undefined ? undefined : this.#peers.liveById(peer);
      if (known !== undefined) return this.#puts.put(known, data);
    }
    // `arguments`, because rest parameters would cost an array on every put.
    const [found, unknown] = this.#peers.resolve(
      Array.prototype.slice.call(arguments, 1) as unknown[],
    );
    return this.#puts.putEach(found, unknown, data);
  }

  /**
   * Puts many messages: values (of a Stream, each chunk), or bytes packed into one piece of memory (which goes without a copy
   * in JavaScript, all or nothing). One result for all, and its rejection says `delivered: 'no'` only when that is true of them
   * all. Where one of the values is refused (see `onFull`), the rest is not put, and the result rejects; when one of `peers` is
   * not connected, nothing is put.
   *
   * @throws ChaskiError as `put()`, and `ERR_CHASKI_TOO_LARGE` for packed bytes. When one of the values cannot be encoded, or
   * the iterable throws, what was put before it is taken back if it has not left; `delivered` of the error says whether
   * all of it was.
   */
  putMany(messages: Iterable<Puttable<T>> | Packed, ...peers: string[]): PutResult {
    const packed = isPacked(messages);
    if (!packed && !isList(messages)) {
      throw invalid('messages', messages, severalMessages);
    }
    const [found, unknown] = this.#found(peers.length === 0 ? undefined : peers);
    if (unknown[0] !== undefined) return this.#sender.refused(unknown[0]);
    return packed ? this.#puts.putPacked(found, messages) : this.#puts.putAll(found, messages);
  }

  /**
   * A group of peers, to put to together; see `Group`.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for what is not the id of a peer.
   */
  group(...peers: string[]): Group<T> {
    return new PeerGroup<T>(this.#peers, this, peers);
  }

  /**
   * Sets how much may be put to a peer, or to each of a group that is there, and what happens at that mark, from now on and as long
   * as its session lasts. A listener of `ini` does it before anything else can be put.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_CONNECTED`, `_INVALID_ARGUMENT`.
   */
  configure(peer: string, options: PeerOptions): void {
    for (const each of this.#peers.named([peer])) {
      this.#sender.configure(each, peerPolicy(options, each.policy));
    }
  }

  /**
   * Puts without waiting: false, and nothing is queued, when the backlog of a peer is at its high-water mark, when there is
   * no peer, or when the communicator is closed.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_CODEC`, `_TOO_LARGE`.
   */
  trySend(data: Puttable<T>, ...peers: string[]): boolean;
  trySend(data: Puttable<T>, options: PutOptions): boolean;
  trySend(data: Puttable<T>, ...to: string[] | [PutOptions]): boolean {
    const first = to[0];
    const { peers, transfer } =
      typeof first === 'object'
        ? putOptions(first)
        : { peers: to.length === 0 ? undefined : to, transfer: false };
    const [found, unknown] = this.#found(peers);
    if (unknown.length > 0) return false;
    return transfer === true ? this.#puts.tryGive(found, data) : this.#puts.tryPut(found, data);
  }

  /**
   * Waits for room under the high-water mark, puts, and resolves when every peer has acknowledged. Sends to one peer
   * keep their order. Do not change `data` before it settles; with `transfer` it is detached when it is put.
   *
   * @throws ChaskiError as `put()`, and `ERR_CHASKI_TIMEOUT`, `_ABORTED`: `delivered` is 'no' when it was not put yet.
   */
  async send(data: Puttable<T>, options?: SendOptions): Promise<void> {
    const checked = sendOptions(options);
    this.#life.checkOpen();
    const found =
      checked?.peers === undefined ? this.#peers.everyone : this.#peers.named(checked.peers);
    if (found.length === 0) throw notConnected(undefined);
    const streams = this.#streams;
    if (streams === undefined) await this.#patience.send(found, data, checked);
    else {
      const give = checked?.transfer === true;
      await this.#patience.follow(
        () => (give ? streams.giveEach(found, [], data) : streams.putEach(found, [], data)),
        checked,
      );
    }
  }

  /**
   * Resolves when the backlog towards `peer` (or every peer) is under the high-water mark; at once when there is no peer.
   *
   * @throws ChaskiError `ERR_CHASKI_CLOSED`, `_NOT_CONNECTED`, `_TIMEOUT`, `_ABORTED`.
   */
  async writable(options?: WritableOptions): Promise<void> {
    const wait = writableOptions(options);
    this.#life.checkOpen();
    const found = wait?.peer === undefined ? this.#peers.everyone : this.#peers.named([wait.peer]);
    await this.#patience.writable(found, wait);
  }

  /**
   * Resolves when everything that was put has been settled: acknowledged, dropped, or lost with its peer.
   *
   * @throws ChaskiError `ERR_CHASKI_TIMEOUT`, `_ABORTED`.
   */
  async drain(options?: WaitOptions): Promise<void> {
    const streams = this.#streams?.settled();
    await this.#patience.drain(this.#peers.all, waitOptions(options), streams);
  }

  /**
   * The next message, of `peer` or of any. After `close()` it gives what had arrived, then rejects.
   *
   * @throws ResourceClosed `ERR_CHASKI_CLOSED`; ChaskiError `_TIMEOUT`, `_ABORTED`, `_BUSY` (there is a subscription).
   */
  get(options?: GetOptions): Promise<Message<T>> {
    return this.#consumers.get(options);
  }

  /**
   * A message that is there already, or undefined.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY`.
   */
  tryGet(peer?: string): Message<T> | undefined {
    // As for a put: undefined does not mean any.
    if (arguments.length > 0 && peer === undefined) throw invalid('peer', peer, onePeer);
    return this.#consumers.tryGet(peer);
  }

  /**
   * The next messages of one peer that are there together: at least one, at most `max`.
   *
   * @throws ResourceClosed and ChaskiError as `get()`, and `ERR_CHASKI_INVALID_ARGUMENT` for `max`.
   */
  getBatch(options?: GetBatchOptions): Promise<Batch<T>> {
    return this.#consumers.getBatch(options);
  }

  /**
   * Messages until the communicator closes. `break`, `return` and `throw` end this iteration only: what it had not given
   * stays in the queue. Several iterations share the messages. The loop turns every 5 ms or 4,096 messages. It throws when a
   * client's connection broke, and ends when it was closed in order, by either side.
   *
   * With `ack: 'processed'`, a message is acknowledged when its body has ended and the next one is asked for: not after
   * `break` or a throw. Then it is given to the next consumer first, unless `message.ack()` or `nack()` was called.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    return this.#consumers.messages();
  }

  /**
   * Batches until the communicator closes; the same rules as iteration of messages.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY`, `_INVALID_ARGUMENT`.
   */
  batches(options?: BatchesOptions): AsyncIterableIterator<Batch<T>> {
    return this.#consumers.batches(options);
  }

  /**
   * Calls `handler` for each message. What it throws or rejects with is told by the event `warning`
   * (`ERR_CHASKI_HANDLER`), or by `onError`; the next message follows all the same. With `ack: 'processed'`, what a handler
   * failed with holds back the acknowledgement of all that comes behind it from that peer (see `onError`).
   *
   * While it runs, all else that receives is refused with `ERR_CHASKI_BUSY`, the next step of an iteration that was begun
   * before included.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY` when somebody else waits for messages, `_CLOSED` when it is closed and nothing is
   * left, `_INVALID_ARGUMENT`.
   */
  subscribe(handler: MessageHandler<T>, options?: SubscribeOptions<Message<T>>): Subscription {
    return this.#consumers.subscribe(handler, options);
  }

  /** Calls `handler` for each batch; otherwise as `subscribe()`. */
  subscribeBatches(
    handler: (batch: Batch<T>) => unknown,
    options?: SubscribeOptions<Batch<T>>,
  ): Subscription {
    return this.#consumers.subscribeBatches(handler, options);
  }

  /** The messages as a Readable in object mode. Destroying it ends that reading only. */
  toReadable(): Readable {
    return readableOf(this[Symbol.asyncIterator](), { objectMode: true });
  }

  /**
   * A Writable in object mode: each write is a put, held back at the high-water mark. It finishes when all is acknowledged,
   * and fails with the first error of a put, one to nobody included.
   */
  toWritable(): Writable {
    return writableOf(async (data) => {
      await this.writable();
      if (this.#peers.everyone.length === 0) throw notConnected(undefined);
      return { result: this.put(data as T) };
    });
  }

  /**
   * Sends what was put, takes leave of the peers, and waits until they have done the same and acknowledged everything; at most
   * `timeoutMs` (default: the option `closeTimeoutMs`). `force` waits for nothing: peers that are connected are told, and
   * the sessions are over at once. What had arrived can still be got.
   * Idempotent: later calls wait for the same end, and can force it. Never rejects but for a wrong argument. When it runs out
   * of time, the event `warning` tells for whose sake (`ERR_CHASKI_TIMEOUT`).
   */
  async close(options?: CloseOptions): Promise<void> {
    const { timeoutMs = this.#settings.closeTimeoutMs, force } = closeOptions(options);
    let bound = Math.min(timeoutMs, longestTimeoutMs);
    if (!force && this.#streams?.busy === true)
      bound = await this.#endStreams(this.#streams, bound);
    await this.#life.close(bound, force);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets it keep the process alive (the default). */
  ref(): this {
    if (!this.closed) this.#native.queueRef(this.#handle, true);
    return this;
  }

  /** Lets the process end although it is open. */
  unref(): this {
    if (!this.closed) this.#native.queueRef(this.#handle, false);
    return this;
  }

  /** Gauges and counters; after the close, the last ones. */
  stats(): Stats {
    if (!this.closed) this.#lastStats = this.#native.queueStats(this.#handle) ?? this.#lastStats;
    return this.#lastStats;
  }

  /** Lets the streams that were put come to their ends; returns how many ms are left. */
  async #endStreams(streams: StreamSender, timeoutMs: number): Promise<number> {
    const until = now() + timeoutMs;
    streams.close(() => closed(undefined, 'no'));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      void streams.settled().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    streams.abort(closed(undefined, 'unknown'));
    return Math.max(0, Math.ceil(until - now()));
  }

  #putTo(options: PutOptions, data: unknown): PutResult {
    const { peers, transfer } = putOptions(options);
    const [found, unknown] = this.#found(peers);
    return transfer === true
      ? this.#puts.giveEach(found, unknown, data)
      : this.#puts.putEach(found, unknown, data);
  }

  /** The peers that `ids` name, or everyone without a list; and the ids of those that are not connected. */
  #found(ids: readonly unknown[] | undefined): readonly [readonly Peer[], string[]] {
    return ids === undefined ? [this.#peers.everyone, []] : this.#peers.resolve(ids);
  }

  readonly #onWake = (): void => {
    if (this.closed) return;
    const bits = this.#native.queueWake(this.#handle);
    if ((bits & wakeBits.events) !== 0) {
      this.#events.read();
      this.#events.tell();
    }
    if ((bits & wakeBits.acked) !== 0 && !this.closed) this.#sender.onAcked();
    if ((bits & wakeBits.readable) !== 0) this.#inbox.readable();
  };

  #bar(): void {
    this.#acks.flush();
    this.#streams?.close(() => closed(this.#life.failure, 'no'));
    this.#streams?.abort(closed(this.#life.failure, 'unknown'));
    this.#sender.close(this.#peers.all, () => closed(this.#life.failure, 'no'));
  }

  #lose(): void {
    this.stats();
    this.#acks.close();
    for (const peer of this.#peers.all) {
      this.#sender.lose(peer, this.#life.failure ?? closed());
      this.#peers.lose(peer);
    }
  }

  #forget(): void {
    const { failure, unheard } = this.#life;
    const heard = this.#inbox.hasWants || this.listenerCount('close') > 0;
    this.#inbox.end(failure === undefined ? undefined : closed(failure));
    this.#native.queueForget(this.#handle);
    const { id, purpose } = this.#settings;
    tellClose({ id, purpose });
    const late = this.#farewell.end();
    if (late !== undefined) this.#warn(late);
    if (unheard !== undefined && !heard) this.#warn(couldNotOpen(unheard));
    this.#tell('close', failure);
  }

  readonly #warn = (error: ChaskiError): void => {
    if (this.listenerCount('warning') > 0) this.#tell('warning', error);
    else warnProcess(error);
  };

  readonly #emitDrain = (): void => {
    if (this.#sender.drained()) this.#tell('drain');
  };

  /** Tells listeners. What one of them throws is Node's to report, as an uncaught exception, and harms nothing here. */
  readonly #tell = <E extends keyof CommunicatorEvents>(
    event: E,
    ...values: CommunicatorEvents[E]
  ): void => {
    try {
      (this.emit as (event: string, ...values: unknown[]) => boolean).call(this, event, ...values);
    } catch (error) {
      nextTick(() => {
        throw error;
      });
    }
  };
}

const onePeer = 'the id of a peer, as text, or left out for any';

/** Node prints of a warning its text and `detail`, but not its cause. */
function warnProcess(error: ChaskiError): void {
  if (error.cause !== undefined) {
    const value = `Cause: ${inLines(error.cause)}`;
    Object.defineProperty(error, 'detail', { value, configurable: true });
  }
  process.emitWarning(error);
}

const severalMessages =
  'an array or another iterable object of messages, or { data, lengths }; one message, also text or bytes, is for put()';

function isList(messages: unknown): messages is Iterable<unknown> {
  return (
    typeof messages === 'object' &&
    messages !== null &&
    Symbol.iterator in messages &&
    // Its bytes are hardly meant to be messages.
    !(messages instanceof Uint8Array)
  );
}
