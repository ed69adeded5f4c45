// What the addon exports, written from docs/design/core.md. `load.ts` hands it out.
import type { NativeKaska } from './kaska-types.ts';

/** A communicator inside the addon. Only the addon makes one. */
export type QueueHandle = number & { readonly [queueHandle]: true };
declare const queueHandle: unique symbol;

/** What `queueOpen` needs; every field is given, times in ms. */
export interface NativeQueueConfig {
  server: boolean;
  unix: boolean;
  host: string;
  port: number;
  /** '' for TCP. */
  path: string;
  /** 16 bytes. */
  id: Uint8Array;
  cluster: string;
  /** 0 both on a server, 1 native, 2 Python. */
  compat: number;
  /** Kind of the messages of Python peers. */
  pythonKind: number;
  ackProcessed: boolean;
  highWaterBytes: number;
  highWaterMessages: number;
  /** Keep unsent messages back, so that the oldest can be dropped. */
  dropOldest: boolean;
  maxMessageBytes: number;
  maxPeers: number;
  /** 0: for ever. */
  connectTimeoutMs: number;
  handshakeTimeoutMs: number;
  /** 0: off. */
  keepAliveMs: number;
  /** 0: off. */
  idleTimeoutMs: number;
  /** 0: a session ends with its connection. */
  sessionTimeoutMs: number;
  /** 16 bytes. */
  secret: Uint8Array;
  /** 8 random bytes. */
  incarnation: Uint8Array;
  /** 0 thread, 1 loop. */
  runOn: number;
  /** Threads that share the connections. */
  workers: number;
  /** Others may listen at the same TCP port. */
  reusePort: boolean;
  /** TLS; left out, connections are in plain. */
  security?: NativeSecurity;
}

/** What secures connections; all texts are PEM. */
export interface NativeSecurity {
  key?: Uint8Array;
  cert?: Uint8Array;
  /** Of a server: clients must show a certificate that one of these has signed. */
  ca: Uint8Array[];
  /** Client: trust whom the system trusts, too. */
  systemRoots: boolean;
  /** Client: whose certificate is expected. */
  serverName: string;
  onlyTls13: boolean;
}

/** An event of a communicator. `kind` says which fields are there. */
export interface NativeEvent {
  kind:
    | 'open'
    | 'peer'
    | 'fin'
    | 'away'
    | 'back'
    | 'lost'
    | 'gone'
    | 'dropped'
    | 'warning'
    | 'failed'
    | 'closed';
  /** peer, fin, away, back, lost, gone, dropped. */
  peer?: number;
  /** peer, back: a UUID. */
  id?: string;
  /** peer, back: the longest message that the other side takes. */
  maxMessageBytes?: number;
  /** peer, back: it acknowledges what its program is done with, not what arrived. */
  ackProcessed?: boolean;
  /** peer: it speaks the protocol of the Python package net-queue. */
  python?: boolean;
  /** open. */
  host?: string;
  port?: number;
  path?: string;
  /** away, lost ('' when the peer left in order), warning, failed. */
  code?: string;
  message?: string;
  /** dropped: sequence numbers, both included. peer: the number of the first message that it will send. */
  first?: number;
  last?: number;
}

/** Gauges and counters of a communicator. */
export type NativeQueueStats = Readonly<Record<string, number>>;

/** The addon. Hot functions return 0 or more, or a negative code of `errorCodes()`. */
export interface NativeBinding extends NativeKaska {
  errorCodes(): string[];
  queueOpen(config: NativeQueueConfig, wake: () => void): QueueHandle;
  queueWake(handle: QueueHandle): number;
  queueEvents(handle: QueueHandle): NativeEvent[];
  queuePut(
    handle: QueueHandle,
    peer: number,
    data: Uint8Array,
    bytes: number,
    words: Uint32Array,
    count: number,
  ): number;
  queuePutUniform(
    handle: QueueHandle,
    peer: number,
    data: Uint8Array,
    word: number,
    count: number,
  ): number;
  /** All of `data` is one message, whose `ArrayBuffer` nobody but native may reach from now on, whatever the answer. */
  queuePutLent(handle: QueueHandle, peer: number, data: Uint8Array, word: number): number;
  queueStatus(handle: QueueHandle, peer: number, out: Float64Array): number;
  queueWatch(handle: QueueHandle, peer: number, seq: number): boolean;
  queueDropOldest(handle: QueueHandle, peer: number, messages: number, bytes: number): number;
  queueCancel(handle: QueueHandle, peer: number, first: number, last: number): number;
  queueSkip(handle: QueueHandle, peer: number, messages: number): number;
  queueDrain(
    handle: QueueHandle,
    peer: number,
    data: Uint8Array,
    dataOffset: number,
    index: Uint32Array,
    indexOffset: number,
    max: number,
    info: Float64Array,
  ): number;
  queueTakeLarge(handle: QueueHandle, peer: number): Uint8Array | undefined;
  /** Of what `queueTakeLarge` gave: its memory, which is empty from then on; false where the runtime does not do that. */
  queueTakeBack(memory: ArrayBuffer): boolean;
  /** 0 messages: no bound. */
  queueLimit(handle: QueueHandle, peer: number, messages: number, bytes: number): number;
  queueHold(handle: QueueHandle, peer: number, messages: number, bytes: number): number;
  queueRelease(handle: QueueHandle, peer: number, messages: number, bytes: number): number;
  queueAck(handle: QueueHandle, peer: number, seq: number): number;
  queueFinish(handle: QueueHandle, peer: number): number;
  /** Ends the session with a peer that is connected; a code if it is lost already. */
  queueHangUp(handle: QueueHandle, peer: number): number;
  queueClose(handle: QueueHandle, timeoutMs: number): void;
  queueRef(handle: QueueHandle, on: boolean): void;
  queueStats(handle: QueueHandle): NativeQueueStats | undefined;
  queueForget(handle: QueueHandle): void;
}

/** Bits of `queueWake`. */
export const wakeBits = { readable: 1, acked: 2, events: 4 } as const;

/** Fields of `queueStatus`'s array. */
export const status = {
  /** Every message up to this one is acknowledged. */
  ackedSeq: 0,
  /** Payload bytes acknowledged or dropped, in all. */
  doneBytes: 1,
  /** 1 while the peer lives. */
  alive: 2,
  /** Messages acknowledged or dropped, in all. */
  doneMessages: 3,
  /** The last message of which a byte may have reached the socket. */
  writtenSeq: 4,
  length: 5,
} as const;

/** Fields of `queueDrain`'s info array. */
export const drained = {
  peer: 0,
  /** Sequence number of the first message; the others follow without a gap. */
  seq: 1,
  bytes: 2,
  largeLength: 3,
  more: 4,
  tooLong: 5,
  /** How often they had been handed to a receiver that has lost them since. */
  redelivered: 6,
  length: 7,
} as const;

/** A word is `kind << 29 | length`. */
export const kindShift: number = 29;
export const lengthMask: number = 0x1fff_ffff;
