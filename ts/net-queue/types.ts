// Public types of chaski/net-queue.
import type { ChaskiError } from '../errors.ts';
import type { BytesLike } from '../shared/stream-rope.ts';
import type { Stream } from '../shared/stream.ts';
import type { WaitOptions } from '../shared/wait.ts';
import type { IncomingStream } from './incoming-stream.ts';
import type { Packed } from '../shared/packed.ts';

/** Transport of a communicator. */
export const Protocol = { TCP: 'tcp', UNIX: 'unix' } as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

/** Role of a communicator: a server has many peers, a client one. */
export const Purpose = { SERVER: 'server', CLIENT: 'client' } as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** Turns values into bytes and back. Data only: never code. */
export interface Serializer<T = unknown> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** The seed's names for the same: `dump` to encode, `load` to decode. */
export interface SeedSerializer<T = unknown> {
  dump(value: T): Uint8Array;
  load(bytes: Uint8Array): T;
}

/** A bound in payload bytes and in messages; whichever is reached first counts. */
export interface HighWaterMark {
  /** 1 to 2^40. Default 8 MiB. */
  bytes?: number;
  /** 1 to 2^30. Default 65,536. */
  messages?: number;
}

/**
 * What a put does when the backlog to a peer has reached the high-water mark.
 *
 * - 'wait': it is queued all the same, up to four times the mark; beyond, it is refused. Await `send()` or `writable()` to
 *   stay under the mark.
 * - 'error': it is refused.
 * - 'drop-newest': it is refused, and the event `dropped` tells how many were.
 * - 'drop-oldest': it takes the place of the oldest that are not on their way yet; they are rejected, and the event `dropped`
 *   tells how many they were.
 *
 * Refused and dropped messages reject with `ERR_CHASKI_QUEUE_FULL` and `delivered: 'no'`.
 */
export type OnFull = 'wait' | 'drop-oldest' | 'drop-newest' | 'error';

/**
 * When a message is acknowledged: when it is in the receiver's bounded queue, or when the receiving program is done with it
 * (`message.ack()`, the end of the loop's body, the handler's return).
 */
export type AckPoint = 'received' | 'processed';

/**
 * Which protocol is spoken. 'auto': a client speaks chaski's own, a server what each of its peers begins with. 'native': chaski's own
 * only. 'python': that of the Python package net-queue (1.0.0 and later) only.
 */
export type Compat = 'auto' | 'native' | 'python';

/** PEM: the text, its bytes, or the path or file: URL of a file (read once, at `open()`). */
export type Pem = string | Uint8Array | URL;

/** What TLS is made of. */
export interface SecurityOptions {
  /** Private key, not encrypted. A server needs one; a client, when the server asks for certificates. */
  key?: Pem;
  /** The certificate of that key, and then those that lead to its authority. */
  cert?: Pem;
  /**
   * Certificates of the authorities to trust, or single self-signed ones. A client without it trusts whom the system trusts, and
   * NODE_EXTRA_CA_CERTS; a server with it asks its clients for certificates.
   */
  ca?: Pem | readonly Pem[];
  /** Server: whether clients must show a certificate that `ca` has signed. Default: when `ca` is given. */
  requestCert?: boolean;
  /** Client: the name that the server's certificate must have. Default: `host`; 'localhost' for a UNIX socket. */
  servername?: string;
  /** Default 'TLSv1.2'. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** The seed's name for `cert` (server) or `ca` (client). */
  certificate?: Pem;
}

export interface CommunicatorOptions<T = unknown> {
  /** UUID, as text or 16 bytes. Default: random v4. */
  id?: string | Uint8Array;
  /** Default 127.0.0.1. */
  host?: string;
  /** 0 to 65535; 0 lets the system choose (see `address()`). Default 51966. */
  port?: number;
  /** Socket file, for `Protocol.UNIX`. At most 107 bytes on Linux, 103 on macOS. */
  path?: string;
  /** Both sides must name the same cluster. Default ''. At most 255 bytes of UTF-8. */
  cluster?: string;
  /** Whether peers speak the protocol of the Python package net-queue; docs/python.md says what holds then. Default 'auto'. */
  compat?: Compat;
  /**
   * Default 'auto': bytes (in any memory, or in a Stream) go as they are, all else as msgpack. docs/values.md lists which values
   * survive; what would not is refused with `ERR_CHASKI_CODEC` when it is put.
   *
   * Both sides need the same one. Each reads only what it would write itself ('auto': bytes and msgpack); the data of any
   * other message throws `ERR_CHASKI_CODEC`, and its bytes can be had all the same.
   *
   * A Stream that is put stands for the bytes that it has then, and keeps them; they are joined if they are in several chunks.
   * 'json' refuses it with `ERR_CHASKI_CODEC`, and a serializer of yours is given the Stream itself.
   *
   * 'pickle' reads and writes what Python pickles, as data only; `pickle(options)` makes one that knows classes of yours.
   *
   * 'stream': each message is a stream of bytes, of any length, that goes in chunks while there is room. It is put as bytes, a Stream, an
   * (async) iterable of bytes, a web stream or a Readable, and arrives as an `IncomingStream`.
   */
  serializer?: 'auto' | 'bytes' | 'json' | 'msgpack' | 'pickle' | 'stream' | Serializer<T>;
  /** When messages that arrive here are acknowledged. Default 'received'. */
  ack?: AckPoint;
  /** Bound per peer and direction. Default 8 MiB and 65,536 messages. */
  highWaterMark?: HighWaterMark;
  /** What `put()` does at the bound. Default 'wait'. */
  onFull?: OnFull;
  /** 1 to 536,870,911. Default 256 MiB. A longer one is refused on both sides. */
  maxMessageBytes?: number;
  /** Most peers at a time (server), 1 to 1,000,000. Default 10,000. */
  maxPeers?: number;
  // Times are whole numbers of ms, at most 2^31-1.
  /** How long a client tries to reach its server; at least 1, or Infinity. Default 10,000. */
  connectTimeoutMs?: number;
  /** From accept or connect to the end of the handshake; at least 1. Default 5,000. */
  handshakeTimeoutMs?: number;
  /** A silent connection is pinged after this, whatever the event loop does; 0: never. Default 1,000. */
  keepAliveMs?: number;
  /** Silence after which a connection is given up as lost; 0: never. Default 2.5 × keepAliveMs, so that a lost one is noticed within 3 ×. */
  idleTimeoutMs?: number;
  /**
   * How long a session that has lost its connection is kept, with all that is not acknowledged. A client keeps it, and tries to reach its
   * server again, for the shorter time of both sides. 0 on either: a session ends with its connection. Default 30,000.
   */
  sessionTimeoutMs?: number;
  /**
   * What a client shows to go on with its session: 16 bytes, or 32 hexadecimal digits. Who gives the same `id` and `secret` in a new
   * process goes on where the old one was. Default: random. See `session`.
   */
  secret?: string | Uint8Array;
  /** Default bound of `close()`. Default 5,000. */
  closeTimeoutMs?: number;
  /**
   * What drives the sockets: Node's event loop (the quickest round trips) or a thread. Default: the environment variable
   * CHASKI_HOST, else with TLS a thread, else the loop where the runtime allows it.
   */
  runOn?: 'loop' | 'thread';
  /**
   * How many threads share the connections of a server, 1 to 64; more than one needs `runOn: 'thread'`, and sets it. What they gain is most
   * with TLS. A client has one connection: whatever it gives counts as 1. Default: 1.
   */
  workers?: number;
  /**
   * Whether other processes may listen at the same port, if they all say so (`SO_REUSEPORT`): the system deals the connections out. For TCP
   * servers on Linux, and without sessions: `sessionTimeoutMs` is 0 then. Default: false, and a port that is taken is refused.
   */
  reusePort?: boolean;
  /**
   * TLS 1.3, or 1.2 with a peer that knows no better; see docs/tls.md. With it nothing is ever sent in plain. A server needs `key` and
   * `cert`; for a client `{}` is enough where the system trusts the server's authority. Default: null, without TLS.
   */
  security?: SecurityOptions | null;

  // The seed's names.
  /** `host` and `port`. */
  netloc?: { host?: string; port?: number } | readonly [string, number];
  /** Checked, and not needed: messages are merged and split natively. */
  connection?: { max_size?: number; merge_size?: number; efficient_size?: number };
  /** `serializer`. */
  serialization?: SeedSerializer<T>;
}

export type { WaitOptions } from '../shared/wait.ts';

export interface GetOptions extends WaitOptions {
  /** Only a message of this peer. */
  peer?: string;
}

export interface BatchesOptions {
  /** The most messages of a batch. Default: as many as are there. */
  max?: number;
  /**
   * With `ack: 'processed'`: whether a batch is acknowledged when its body has ended. Default true; with false only
   * `ack()` does it, for batches that are done later (when a file is on disk).
   */
  autoAck?: boolean;
}

export interface GetBatchOptions extends GetOptions {
  /** The most messages of the batch. Default: as many as are there. */
  max?: number;
}

/** What can be put with serializer 'stream'. */
export type StreamSource =
  | BytesLike
  | Iterable<BytesLike>
  | AsyncIterable<BytesLike>
  | ReadableStream<BytesLike>;

/** What can be put where messages arrive as `T`. */
export type Puttable<T> =
  | T
  | Stream
  | ([T] extends [IncomingStream] ? StreamSource : [T] extends [Uint8Array] ? BytesLike : never);

export interface PutOptions {
  /** Ids of peers, or of groups: an array, a Set, or what else can be iterated. None are nobody. Default: the server, or all peers. */
  peers?: readonly string[] | (Iterable<string> & object);
  /**
   * Gives the memory away instead of having it copied; worth it from 64 KiB on. `data` must be an ArrayBuffer, or
   * a view of all of one, that can be transferred as with `postMessage()`; anything else is refused, whatever its length.
   * It is detached when the message is taken; while it is refused, it is yours. Default false.
   */
  transfer?: boolean;
}

export interface SendOptions extends PutOptions, WaitOptions {}

/** How much may be put to a peer, and what happens there; what is left out stays as it is. */
export interface PeerOptions {
  /** As the option of `open()`. */
  onFull?: OnFull;
  /** Of what is put to the peer; what arrives is bounded by that of `open()`. */
  highWaterMark?: HighWaterMark;
}

export interface WritableOptions extends WaitOptions {
  /** Only towards this peer. Default: towards all. */
  peer?: string;
}

export interface CloseOptions {
  /** How long to wait for the peers. Default: the option `closeTimeoutMs`. */
  timeoutMs?: number;
  /** Wait for nothing. */
  force?: boolean;
}

/**
 * What `put()` returns: a promise that costs next to nothing until somebody looks at it.
 *
 * Messages that travel in one frame are acknowledged at the same instant, so several puts of a turn may return the same
 * object. It fulfils when the last of them is acknowledged, and its rejection says `delivered: 'no'` only when that is
 * true of them all. What refuses a single put (see `onFull`) is told by a result of its own.
 */
export interface PutResult extends Promise<void> {
  /** True once every peer has acknowledged. */
  readonly acked: boolean;
  /**
   * One promise per peer: what is known of that peer. The whole rejects with `delivered: 'no'` only when no peer was sent
   * anything.
   */
  readonly futures: ReadonlyMap<string, Promise<void>>;
  /**
   * Takes back what has not left this process: true when no peer was sent, or ever will be, anything of it. Then it rejects
   * with `ERR_CHASKI_ABORTED` and `delivered: 'no'`. False when it is settled, when it is on its way, or may be; what of
   * several messages or towards several peers had not left is taken back all the same, and `delivered` is 'unknown'.
   *
   * False too for a result that several puts share. A put with options, be it `put(data, {})`, and `putMany()` have one of
   * their own.
   */
  cancel(): boolean;
}

export interface Message<T = unknown> {
  readonly peer: string;
  /** Sequence number of the message in its session, from 1. */
  readonly seq: number;
  /**
   * Decoded value; decoded when first read. A bytes message gives a view that stays valid until you `release()` or transfer it.
   * Holding it holds up to 64 KiB; once much is held in that way, small messages come in memory of their own.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC` when it cannot be decoded; `bytes` can be read all the same.
   * `_INVALID_ARGUMENT` when its memory was released before.
   */
  readonly data: T;
  /** The payload as it travelled: a view, which holds what `data` does. */
  readonly bytes: Uint8Array;
  readonly byteLength: number;
  /** The payload in memory of its own. */
  copy(): Uint8Array;
  /**
   * With ack: 'processed': this message is done. It is acknowledged when all before it from that peer are done too. Twice does no harm, nor does it with 'received'.
   */
  ack(): void;
  /**
   * Which delivery of this message this is: 1 for the first. More when it was nacked, or given to an iteration that ended
   * before its body had.
   */
  readonly deliveries: number;
  /**
   * With ack: 'processed': this message is to be delivered again, behind what has arrived by then, to whoever receives next.
   * Until it is acknowledged, nothing behind it from that peer is. A delivery is settled once, by `ack()` or `nack()`: what
   * comes second does nothing, and neither does the end of the body or the handler.
   *
   * What waits counts against `highWaterMark` of its peer. It comes with the bytes that it has now.
   *
   * @returns false when it will not be delivered again: it was settled before, the communicator is closed, or its peer is
   * gone and too much of such peers waits already (one `highWaterMark`).
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, with ack: 'received' in any case.
   */
  nack(options?: NackOptions): boolean;
}

export interface NackOptions {
  /** Not before so many ms have passed; a whole number, at most 2^31-1. Default 0: when the event loop has turned. */
  delayMs?: number;
}

/** Messages of one peer that arrived together. Nothing is made per message until asked for. */
export interface Batch<T = unknown> extends Iterable<Message<T>> {
  readonly peer: string;
  readonly length: number;
  /** Sequence number of the first message. */
  readonly seq: number;
  /** The memory that the payloads lie in; read it at offset(i). */
  readonly memory: Uint8Array;
  /** Sum of the payload lengths. */
  readonly byteLength: number;
  /** Where payload i, 0 to length - 1, begins in `memory`. For speed, `i` is not checked here. */
  offset(i: number): number;
  /** Length of payload i in bytes; `i` is not checked here. */
  byteLengthAt(i: number): number;
  /**
   * A view of payload i.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` when there is no payload i.
   */
  view(i: number): Uint8Array;
  /**
   * Value i, decoded at each call.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` when there is no payload i, `_CODEC`.
   */
  at(i: number): T;
  /** With ack: 'processed': all of its messages are done, but for those that were nacked. */
  ack(): void;
  /** Which delivery of these messages this is; see `Message.deliveries`. */
  readonly deliveries: number;
  /**
   * With ack: 'processed': message i, or all that are not settled yet, are to be delivered again; see `Message.nack()`. How
   * many will be.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, also when there is no message i.
   */
  nack(options?: NackOptions): number;
  nack(i: number, options?: NackOptions): number;
  /**
   * A copy of its messages to post to another thread, which reads it by `fromParcel()`:
   * `worker.postMessage(parcel, parcel.transferList)`. The batch stays as it is, to be acknowledged or nacked here.
   */
  toParcel(): Parcel;
}

/** What of a parcel arrives in another thread. */
export interface ParcelContent {
  readonly peer: string;
  /** Sequence number of the first message. */
  readonly seq: number;
  /** See `Message.deliveries`. */
  readonly deliveries: number;
  /** Length and kind of each payload. */
  readonly words: Uint32Array;
  /** One behind the other. */
  readonly payloads: Uint8Array;
}

/** Messages on their way to another thread; see `Batch.toParcel()`. */
export interface Parcel extends ParcelContent {
  /** All of its memory, in one piece: with it, `postMessage()` moves the parcel and copies nothing. */
  readonly transferList: ArrayBuffer[];
}

/** `serializer`: that of the communicator that received the messages. Default 'auto'. */
export type FromParcelOptions<T = unknown> = Pick<CommunicatorOptions<T>, 'serializer'>;

/** The messages of a parcel. Views and decoded bytes hold its memory. They are acknowledged where they were received. */
export type ParceledBatch<T = unknown> = Pick<
  Batch<T>,
  'peer' | 'seq' | 'deliveries' | 'length' | 'byteLength' | 'byteLengthAt' | 'view' | 'at'
>;

export type GroupPutOptions = Omit<PutOptions, 'peers'>;
export type GroupSendOptions = Omit<SendOptions, 'peers'>;

/**
 * Peers that are put to together. Its id may stand wherever `put()`, `putMany()`, `trySend()` and `send()` take that of a peer, among
 * others too: everyone gets a message once, and it is encoded once.
 *
 * Who is a member stays one, connected or not, until deleted: a peer that comes back under the same id is in it again. A put goes
 * to those who are there and not about to leave, and `futures` of its result names them; when nobody is, it is rejected with
 * `ERR_CHASKI_NOT_CONNECTED`.
 */
export interface Group<T = unknown> extends Disposable {
  /** A UUID of its own. */
  readonly id: string;
  /** Ids of all members. It is live. */
  readonly peers: ReadonlySet<string>;
  /** @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for what is not the id of a peer, `_CLOSED`. */
  add(...peers: string[]): this;
  delete(...peers: string[]): this;
  /** As `put()` of the communicator, to the members. */
  put(data: Puttable<T>, options?: GroupPutOptions): PutResult;
  /** As `putMany()` of the communicator, to the members. */
  putMany(messages: Iterable<Puttable<T>> | Packed): PutResult;
  /** As `trySend()` of the communicator, to the members: to all that are there, or to none. */
  trySend(data: Puttable<T>, options?: GroupPutOptions): boolean;
  /** As `send()` of the communicator, to the members. */
  send(data: Puttable<T>, options?: GroupSendOptions): Promise<void>;
  /** Its id means nothing any more, and it has no members. The peers stay connected. */
  close(): void;
}

export type Address = { host: string; port: number } | { path: string };

export interface CommunicatorEvents {
  /** A peer finished its handshake. */
  ini: [peer: string];
  /**
   * A peer said that it will send no more, and leaves when it has got what was put to it until then, listeners of this event
   * included. What is put to it later is refused with `ERR_CHASKI_CLOSED`; a put to all passes it over.
   */
  fin: [peer: string];
  /**
   * The connection to a peer is lost, `error` says why; its session waits for another one (see `sessionTimeoutMs`). What is put
   * meanwhile is kept for it, up to the bounds that hold always.
   */
  disconnect: [peer: string, error: ChaskiError];
  /** A peer is connected again, and its session goes on: nothing is lost or repeated. */
  reconnect: [peer: string];
  /** A peer is gone, with its session; `error` says why when it did not go in order. */
  lost: [peer: string, error: ChaskiError | undefined];
  /** `count` messages to `peer` were dropped by onFull. */
  dropped: [peer: string, count: number];
  /**
   * A connection was refused or closed for what it sent, a handler of `subscribe()` failed, `close()` ran out of time, or what `new()` made
   * could not open and nobody waited for it. Of the latter three, `process.emitWarning()` tells when nobody listens.
   */
  warning: [error: ChaskiError];
  /** The backlog fell under the high-water mark again. */
  drain: [];
  /**
   * It is closed for good. What had arrived can still be got. `error` says why when it did not end in order: it could not open,
   * or a client has lost its server.
   */
  close: [error: ChaskiError | undefined];
}

/**
 * Takes a message: its decoded value, who sent it, and its sequence number. A handler may return a promise; with
 * `ack: 'processed'` the message is acknowledged when that fulfils, else when the handler returns.
 */
export type MessageHandler<T = unknown> = (data: T, peer: string, seq: number) => unknown;

export interface SubscribeOptions<F> {
  /**
   * Takes what the handler threw or rejected with (`error.cause`, in an `ERR_CHASKI_HANDLER`) and the message, or batch,
   * that it did so with; without it, the event `warning` tells. With `ack: 'processed'` neither this message nor any behind
   * it is acknowledged until `failed.ack()` is called, which may be done later; `failed.nack()` has it delivered again. A message that cannot be decoded comes here
   * too: `failed.bytes` can be read.
   */
  onError?: (error: ChaskiError, failed: F) => unknown;
}

/** A running `subscribe()`. */
export interface Subscription extends Disposable {
  /** True after `close()`, and when the communicator has ended and all was delivered. */
  readonly closed: boolean;
  /** Delivers nothing more. What was not delivered stays in the queue. */
  close(): void;
}

/** Gauges and counters; which ones there are may change between versions. */
export type Stats = Readonly<Record<string, number>>;
