// The protocol of docs/design/core.md written by hand, so that it can be broken at will.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectSecured } from 'node:tls';

import type { SecurityOptions } from 'chaski/net-queue';

import { soon } from './waiting.ts';

export const Frame = { DATA: 1, ACK: 2, BEAT: 3, FIN: 4, ERROR: 5 } as const;

export interface HeaderFields {
  length?: number;
  type?: number;
  flags?: number;
  count?: number;
  seq?: bigint | number;
}

/** The 16 bytes before every body. */
export function header(fields: HeaderFields): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(fields.length ?? 0, 0);
  bytes.writeUInt8(fields.type ?? Frame.DATA, 4);
  bytes.writeUInt8(fields.flags ?? 0, 5);
  bytes.writeUInt16LE(fields.count ?? 0, 6);
  bytes.writeBigUInt64LE(BigInt(fields.seq ?? 0), 8);
  return bytes;
}

/** A DATA frame of messages of bytes, the first with number `seq`. */
export function data(seq: bigint | number, ...payloads: Uint8Array[]): Buffer {
  return messages(0, seq, payloads);
}

/** A DATA frame of chunks of streams: the number of each one's stream, its flags and its bytes. */
export function chunks(seq: number, ...each: (readonly [number, number, Uint8Array])[]): Buffer {
  const payloads = each.map(([stream, flags, bytes]) =>
    Buffer.concat([u32(stream), Buffer.of(flags, 0, 0, 0), bytes]),
  );
  return messages(5, seq, payloads);
}

function messages(kind: number, seq: bigint | number, payloads: readonly Uint8Array[]): Buffer {
  const words = Buffer.alloc(4 * payloads.length);
  payloads.forEach(({ length }, i) => words.writeUInt32LE(((kind << 29) | length) >>> 0, 4 * i));
  const body = Buffer.concat([words, ...payloads]);
  return Buffer.concat([header({ length: body.length, count: payloads.length, seq }), body]);
}

export function control(type: number, seq: bigint | number = 0, body = Buffer.alloc(0)): Buffer {
  return Buffer.concat([header({ length: body.length, type, seq }), body]);
}

export interface HelloFields {
  magic?: string;
  low?: number;
  high?: number;
  id?: Uint8Array | null;
  cluster?: Uint8Array;
  ack?: number;
  keepAliveMs?: number;
  maxMessage?: number;
  /** Fields behind the known ones. */
  more?: Uint8Array;
  /** What the preamble says instead of the true length. */
  length?: number;
}

let ids = 0;

export function hello(fields: HelloFields = {}): Buffer {
  const id = Buffer.alloc(16, 0xab);
  id.writeUInt32LE((ids += 1));
  const parts: Buffer[] = [];
  if (fields.id !== null) parts.push(field(1, fields.id ?? id));
  parts.push(field(2, fields.cluster ?? Buffer.alloc(0)));
  parts.push(field(3, Buffer.alloc(8)));
  parts.push(field(4, Buffer.of(fields.ack ?? 0)));
  parts.push(field(5, u32(fields.keepAliveMs ?? 0)));
  parts.push(field(6, u32(fields.maxMessage ?? 1 << 28)));
  parts.push(Buffer.from(fields.more ?? Buffer.alloc(0)));
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(fields.length ?? body.length);
  const versions = Buffer.of(fields.low ?? 1, fields.high ?? 1);
  return Buffer.concat([Buffer.from(fields.magic ?? 'CHSKNQ\r\n'), versions, length, body]);
}

/** A field of a hello. */
export function field(tag: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(3);
  head.writeUInt8(tag);
  head.writeUInt16LE(value.length, 1);
  return Buffer.concat([head, value]);
}

/** A frame of the other side. */
export interface Received {
  readonly type: number;
  readonly count: number;
  readonly seq: number;
  readonly body: Buffer;
}

/** A connection that is driven by hand. It keeps whatever comes. */
export class RawPeer {
  readonly socket: Socket;
  /** Settles when the other side has closed the connection, in order or not. */
  readonly closed: Promise<void>;
  bytes: Buffer = Buffer.alloc(0);

  constructor(place: object, options: { reads?: boolean; security?: SecurityOptions } = {}) {
    const { security } = options;
    this.socket =
      security === undefined
        ? connect(place as { port: number })
        : connectSecured({ ...place, ...(security as { cert: string }) });
    // Whatever goes wrong is what is wanted here.
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        resolve();
      });
    });
    if (options.reads === false) {
      this.socket.pause();
      return;
    }
    this.socket.on('data', (bytes: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
    });
  }

  write(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The frames behind the hello of the other side. */
  get frames(): Received[] {
    const frames: Received[] = [];
    let at = this.bytes.length < 12 ? Infinity : 12 + this.bytes.readUInt16LE(10);
    while (at + 16 <= this.bytes.length) {
      const end = at + 16 + this.bytes.readUInt32LE(at);
      if (end > this.bytes.length) break;
      frames.push({
        type: this.bytes.readUInt8(at + 4),
        count: this.bytes.readUInt16LE(at + 6),
        seq: Number(this.bytes.readBigUInt64LE(at + 8)),
        body: this.bytes.subarray(at + 16, end),
      });
      at = end;
    }
    return frames;
  }

  /** That the other side hangs up, within a time. */
  async hungUp(what: string): Promise<void> {
    await soon(this.closed, `${what}: the other side hangs up`);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
