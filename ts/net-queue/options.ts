// What a user asks for, parsed once into what the rest can rely on.
import { randomBytes, randomUUID } from 'node:crypto';

import type { Host, NativeQueueConfig, NativeSecurity } from '../binding/index.ts';
import { codecOf, Kind, PickleSerializer } from '../codec/index.ts';
import type { Codec } from '../codec/index.ts';
import { integer, object, oneOf, refuseUnknown, text, time } from '../shared/checks.ts';
import { invalidSecret, isPlain } from '../shared/invalid.ts';
import { isSignal, longestTimeoutMs } from '../shared/wait.ts';
import { invalid, unsupported } from './failures.ts';
import type { PeerPolicy } from './peer.ts';
import { securityOf } from './security.ts';
import { Protocol, Purpose } from './types.ts';
import type {
  Compat,
  CommunicatorOptions,
  HighWaterMark,
  OnFull,
  PeerOptions,
  PutOptions,
} from './types.ts';

/** Checked options, aliases resolved, defaults filled in. */
export interface Settings {
  readonly protocol: Protocol;
  readonly purpose: Purpose;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** '' for TCP. */
  readonly path: string;
  readonly cluster: string;
  readonly compat: Compat;
  readonly codec: Codec;
  readonly ackProcessed: boolean;
  readonly highWaterBytes: number;
  readonly highWaterMessages: number;
  readonly onFull: OnFull;
  readonly maxMessageBytes: number;
  readonly maxPeers: number;
  /** Infinity: for ever. */
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** 0: off. */
  readonly keepAliveMs: number;
  readonly idleTimeoutMs: number;
  /** 0: a session ends with its connection. */
  readonly sessionTimeoutMs: number;
  /** 16 bytes. */
  readonly secret: Uint8Array;
  readonly closeTimeoutMs: number;
  readonly runOn: Host | undefined;
  /** Threads that share the connections. */
  readonly workers: number;
  /** Other processes may listen at the same port. */
  readonly reusePort: boolean;
  /** null: in plain. */
  readonly security: NativeSecurity | null;
}

/** What `open()` and `new()` are called with, in any of their forms. */
export interface OpenOptions<T = unknown> extends CommunicatorOptions<T> {
  /** Default 'tcp'. */
  protocol?: Protocol;
  /** Default 'client'. */
  purpose?: Purpose;
}

/**
 * Parses the arguments of `open()`.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `ERR_CHASKI_UNSUPPORTED`.
 */
export function parseOptions<T>(
  first: Protocol | OpenOptions<T> | undefined,
  purpose: Purpose | undefined,
  rest: CommunicatorOptions<T> | undefined,
): Settings {
  const options = inOne(first, purpose, rest);
  refuseUnknown('options', options, known);
  const protocol = protocolOf(options.protocol);
  checkConnection(options.connection);
  const keepAliveMs = time('keepAliveMs', options.keepAliveMs, 1000);
  const side = purposeOf(options.purpose);
  const { host, port } = location(options, protocol, side);
  const workers = workersOf(options.workers, side);
  const reusePort = reusePortOf(options.reusePort, protocol, side);
  return {
    protocol,
    purpose: side,
    id: idOf(options.id),
    host,
    port,
    path: pathOf(options.path, protocol),
    cluster: clusterOf(options.cluster),
    compat: oneOf('compat', options.compat, compats),
    codec: codecOption(options),
    ackProcessed: oneOf('ack', options.ack, ['received', 'processed']) === 'processed',
    ...markOf(options.highWaterMark, { highWaterBytes: 8 << 20, highWaterMessages: 65_536 }),
    onFull: oneOf('onFull', options.onFull, fulls),
    maxMessageBytes: integer('maxMessageBytes', options.maxMessageBytes, 256 << 20, 1, longest),
    maxPeers: integer('maxPeers', options.maxPeers, 10_000, 1, 1_000_000),
    connectTimeoutMs:
      options.connectTimeoutMs === Infinity
        ? Infinity
        : integer('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1, longestTimeoutMs),
    handshakeTimeoutMs: integer(
      'handshakeTimeoutMs',
      options.handshakeTimeoutMs,
      5000,
      1,
      longestTimeoutMs,
    ),
    keepAliveMs,
    idleTimeoutMs: time(
      'idleTimeoutMs',
      options.idleTimeoutMs,
      Math.min(Math.ceil(2.5 * keepAliveMs), longestTimeoutMs),
    ),
    sessionTimeoutMs: sessionTimeoutOf(options.sessionTimeoutMs, reusePort),
    secret: secretOf(options.secret),
    closeTimeoutMs: time('closeTimeoutMs', options.closeTimeoutMs, 5000),
    runOn: runOnOf(options.runOn, workers),
    workers,
    reusePort,
    security: securityOf(options.security, {
      purpose: side,
      host: protocol === Protocol.UNIX ? 'localhost' : host,
      env: process.env,
    }),
  };
}

export interface CheckedPutOptions {
  readonly peers?: readonly string[];
  readonly transfer?: boolean;
}

/**
 * Options of a put, read once and checked; or those of something more, that knows the options `others` too.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function putOptions(options: PutOptions, others: readonly string[] = []): CheckedPutOptions {
  refuseWrong(options, ['peers', 'transfer', ...others]);
  const { peers, transfer } = options;
  if (peers === undefined ? 'peers' in options : !isIterable(peers)) {
    // Not everyone: that may have been meant for one.
    throw invalid('peers', peers, 'a list of ids, or left out for all');
  }
  if (transfer !== undefined && typeof transfer !== 'boolean') {
    throw invalid('transfer', transfer, 'true or false');
  }
  const checked: { peers?: readonly string[]; transfer?: boolean } = {};
  if (peers !== undefined) checked.peers = Array.isArray(peers) ? peers : [...peers];
  if (transfer !== undefined) checked.transfer = transfer;
  return checked;
}

/**
 * `policy` with what `options` say otherwise.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function peerPolicy(options: PeerOptions, policy: PeerPolicy): PeerPolicy {
  const { onFull, highWaterMark } = object('options', options);
  refuseUnknown('options', options, ['onFull', 'highWaterMark']);
  const mark = markOf(highWaterMark, policy);
  return { ...mark, onFull: onFull === undefined ? policy.onFull : oneOf('onFull', onFull, fulls) };
}

function markOf(
  value: HighWaterMark | undefined,
  fallback: Omit<PeerPolicy, 'onFull'>,
): Omit<PeerPolicy, 'onFull'> {
  const mark = object('highWaterMark', value ?? {});
  refuseUnknown('highWaterMark', mark, ['bytes', 'messages']);
  const { highWaterBytes, highWaterMessages } = fallback;
  return {
    highWaterBytes: integer('highWaterMark.bytes', mark.bytes, highWaterBytes, 1, 2 ** 40),
    highWaterMessages: integer(
      'highWaterMark.messages',
      mark.messages,
      highWaterMessages,
      1,
      2 ** 30,
    ),
  };
}

/** The kind of what Python peers put, which is not in chunks. */
function pythonKind({ rawBytes, kind }: Codec): number {
  return rawBytes || kind === Kind.STREAM ? Kind.BYTES : kind;
}

const fulls = ['wait', 'drop-oldest', 'drop-newest', 'error'] as const;

/** What native takes of the settings. */
export function nativeConfig(settings: Settings, host: Host): NativeQueueConfig {
  return {
    server: settings.purpose === Purpose.SERVER,
    unix: settings.path !== '',
    host: settings.host,
    port: settings.port,
    path: settings.path,
    id: uuidBytes(settings.id),
    cluster: settings.cluster,
    compat: compats.indexOf(settings.compat),
    pythonKind: pythonKind(settings.codec),
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
    sessionTimeoutMs: settings.sessionTimeoutMs,
    secret: settings.secret,
    incarnation: new Uint8Array(randomBytes(8)),
    runOn: host === 'loop' ? 1 : 0,
    workers: settings.workers,
    reusePort: settings.reusePort,
    ...(settings.security === null ? {} : { security: settings.security }),
  };
}

/** The 16 bytes of a UUID in its text form. */
export function uuidBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'));
}

/** The text form of the 16 bytes of a UUID. */
function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The longest message that a word can describe. */
const longest = 0x1fff_ffff;

const known = (
  'protocol purpose id host port path cluster compat serializer ack highWaterMark onFull maxMessageBytes maxPeers ' +
  'connectTimeoutMs handshakeTimeoutMs keepAliveMs idleTimeoutMs sessionTimeoutMs secret closeTimeoutMs runOn ' +
  'netloc connection serialization security workers reusePort'
).split(' ');

function protocolOf(value: unknown): Protocol {
  if (value === undefined || value === Protocol.TCP) return Protocol.TCP;
  if (value === Protocol.UNIX) return Protocol.UNIX;
  if (value === 'mqtt' || value === 'grpc') {
    throw unsupported(`The protocol '${value}'`, "Use 'tcp' or 'unix'.");
  }
  throw invalid('protocol', value, "'tcp' or 'unix'");
}

function purposeOf(value: unknown): Purpose {
  return oneOf('purpose', value as Purpose | undefined, [Purpose.CLIENT, Purpose.SERVER]);
}

function idOf(value: unknown): string {
  if (value === undefined) return randomUUID();
  if (typeof value === 'string' && uuid.test(value)) return value.toLowerCase();
  if (value instanceof Uint8Array && value.byteLength === 16) return uuidText(value);
  throw invalid('id', value, 'a UUID, as text or as 16 bytes');
}

function secretOf(value: unknown): Uint8Array {
  if (value === undefined) return new Uint8Array(randomBytes(16));
  const bytes =
    typeof value === 'string' && /^[\da-f]{32}$/i.test(value) ? Buffer.from(value, 'hex') : value;
  if (bytes instanceof Uint8Array && bytes.byteLength === 16 && bytes.some((byte) => byte !== 0)) {
    return new Uint8Array(bytes);
  }
  throw invalidSecret('secret', value, '16 bytes, not all zero, or their 32 hexadecimal digits');
}

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/** The arguments of `open()` as one object. What is said twice must be the same. */
function inOne<T>(
  first: Protocol | OpenOptions<T> | undefined,
  purpose: Purpose | undefined,
  rest: CommunicatorOptions<T> | undefined,
): OpenOptions<T> {
  const single = typeof first === 'object' && first !== null;
  if (single && rest !== undefined) {
    throw invalid(
      'the third argument',
      rest,
      'left out where the first one is an object: put all options there',
    );
  }
  const given: OpenOptions<T> = single ? first : object('options', rest ?? {});
  const places = {
    ...(single || first === undefined ? {} : { protocol: first }),
    ...(purpose === undefined ? {} : { purpose }),
  };
  for (const [name, place] of Object.entries(places)) {
    const other = given[name as keyof typeof places];
    if (other === undefined || other === place) continue;
    throw invalid(`options.${name}`, other, `left out: the arguments before it say '${place}'`);
  }
  return Object.keys(places).length === 0 ? given : { ...given, ...places };
}

function location(
  options: OpenOptions,
  protocol: Protocol,
  side: Purpose,
): { host: string; port: number } {
  const { netloc } = options;
  if (netloc !== undefined && (options.host !== undefined || options.port !== undefined)) {
    throw invalid('netloc', netloc, 'left out where host or port is given');
  }
  const [host, port] = hostAndPort(options);
  if (protocol === Protocol.UNIX && (host !== undefined || port !== undefined)) {
    throw invalid(
      'host or port',
      host ?? port,
      "left out with protocol 'unix', which takes a path",
    );
  }
  return {
    host: text('host', host, '127.0.0.1'),
    // Port 0 lets the system choose one, and that is for who listens.
    port: integer('port', port, 51_966, side === Purpose.CLIENT ? 1 : 0, 65_535),
  };
}

function hostAndPort(options: OpenOptions): readonly [unknown, unknown] {
  const { netloc } = options;
  if (netloc === undefined) return [options.host, options.port];
  if (Array.isArray(netloc)) return [netloc[0], netloc[1]];
  const { host, port } = object('netloc', netloc) as { host?: unknown; port?: unknown };
  return [host, port];
}

/** What the system has room for, without the byte that ends it. */
const longestPath = process.platform === 'linux' || process.platform === 'win32' ? 107 : 103;

function pathOf(value: unknown, protocol: Protocol): string {
  if (protocol === Protocol.UNIX) {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) {
      const bytes = Buffer.byteLength(value);
      if (bytes <= longestPath) return value;
      throw invalid(
        'path',
        value,
        `of at most ${longestPath} bytes, as all paths of sockets (it has ${bytes})`,
      );
    }
    throw invalid('path', value, "the path of a socket file, with protocol 'unix'");
  }
  if (value === undefined) return '';
  throw invalid('path', value, "left out with protocol 'tcp', which takes host and port");
}

function clusterOf(value: unknown): string {
  const cluster = value === undefined ? '' : value;
  if (typeof cluster === 'string' && Buffer.byteLength(cluster) <= 255) return cluster;
  throw invalid('cluster', value, 'a string of at most 255 bytes of UTF-8');
}

/**
 * The codec that `serializer` or `serialization` asks for.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function codecOption<T>(
  options: Pick<OpenOptions<T>, 'serializer' | 'serialization'>,
): Codec {
  const { serializer, serialization } = options;
  if (serialization !== undefined) {
    if (serializer !== undefined) {
      throw invalid('serialization', serialization, 'left out where serializer is given');
    }
    if (serialization instanceof PickleSerializer) return codecOf(serialization);
    const pair = object('serialization', serialization);
    if (typeof pair.dump !== 'function' || typeof pair.load !== 'function') {
      throw invalid('serialization', serialization, 'an object with the functions load and dump');
    }
    return codecOf({
      encode: (value) => pair.dump(value as T),
      decode: (bytes) => pair.load(bytes),
    });
  }
  if (serializer === undefined) return codecOf('auto');
  if (serializer instanceof PickleSerializer) return codecOf(serializer);
  if (typeof serializer === 'object' && serializer !== null) {
    if (typeof serializer.encode !== 'function' || typeof serializer.decode !== 'function') {
      throw invalid('serializer', serializer, 'an object with the functions encode and decode');
    }
    return codecOf({
      encode: (value) => serializer.encode(value as T),
      decode: (bytes) => serializer.decode(bytes),
    });
  }
  const named = serializers.find((known) => known === serializer);
  if (named !== undefined) return codecOf(named);
  const others = serializers.map((known) => `'${known}'`).join(', ');
  throw invalid('serializer', serializer, `${others} or an object { encode, decode }`);
}

/** In the order of native's numbers. */
const compats = ['auto', 'native', 'python'] as const;

const serializers = ['auto', 'bytes', 'json', 'msgpack', 'pickle', 'stream'] as const;

/** A client has one connection, which one thread runs, whatever it asks for. */
function workersOf(value: unknown, purpose: Purpose): number {
  const workers = integer('workers', value, 1, 1, 64);
  return purpose === Purpose.SERVER ? workers : 1;
}

function reusePortOf(value: unknown, protocol: Protocol, purpose: Purpose): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw invalid('reusePort', value, 'true or false');
  }
  if (value !== true) return false;
  if (protocol !== Protocol.TCP || purpose !== Purpose.SERVER) {
    throw invalid('reusePort', value, "left out, but for a server with protocol 'tcp'");
  }
  if (process.platform !== 'linux') {
    throw unsupported(
      `reusePort on ${process.platform}`,
      'Linux alone deals the connections out. Give each process a port of its own.',
    );
  }
  return true;
}

/** A client that comes back to a shared port may find another process, which knows nothing of its session. */
function sessionTimeoutOf(value: unknown, reusePort: boolean): number {
  const timeoutMs = time('sessionTimeoutMs', value, reusePort ? 0 : 30_000);
  if (reusePort && timeoutMs > 0) {
    throw invalid('sessionTimeoutMs', value, '0, or left out, with reusePort');
  }
  return timeoutMs;
}

function runOnOf(value: Host | undefined, workers: number): Host | undefined {
  const runOn = value === undefined ? undefined : oneOf('runOn', value, ['loop', 'thread']);
  if (workers === 1) return runOn;
  if (runOn === 'loop')
    throw invalid('runOn', runOn, "'thread', or left out, with several workers");
  return 'thread';
}

/** The seed's tuning knobs: taken, checked, and not needed (frames are split and merged natively). */
function checkConnection(connection: OpenOptions['connection']): void {
  if (connection === undefined) return;
  const names = ['max_size', 'merge_size', 'efficient_size'] as const;
  refuseUnknown('connection', object('connection', connection), names);
  for (const name of names) integer(`connection.${name}`, connection[name], 1, 0, 2 ** 40);
}

/**
 * Options of a call are a plain object with no other properties than `names`. Anything else was meant to be something else: a Set, or a
 * message in the place of its peer, would say nothing as options, and so go to everyone.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function refuseWrong(options: unknown, names: readonly string[]): void {
  if (!isPlain(options)) throw invalid('options', options, wantedInstead(options, names));
  refuseUnknown('options', options, names);
}

/** What somebody may have meant who gave `value` in the place of options that are called `names`. */
function wantedInstead(value: unknown, names: readonly string[]): string {
  if (isSignal(value)) return 'a plain object, as { signal }';
  const many = names.includes('peers');
  const one = many || names.includes('peer');
  if (one && isGroup(value)) {
    return many
      ? 'the id of a peer or a plain object: pass group.id'
      : 'a plain object, as { peer }: ask for one peer at a time';
  }
  if (one && hasPeer(value)) {
    return many
      ? 'the id of a peer or a plain object: pass message.peer'
      : 'a plain object: pass { peer: message.peer }';
  }
  if (many && isIterable(value)) return 'a plain object: pass { peers: … } with these ids';
  if (typeof value === 'string' && names.includes('peer'))
    return `an object, as { peer: '${value}' }`;
  if (names.includes('onError')) return 'an object, as { onError }';
  const name = ['timeoutMs', 'delayMs', 'transfer', 'max'].find((known) => names.includes(known));
  return `an object, as { ${name}: ${typeof value === 'number' ? value : '…'} }`;
}

function isGroup(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'present' in value && 'putMany' in value;
}

/** Of what is about peers: a message, or a batch. */
function hasPeer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'peer' in value;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
