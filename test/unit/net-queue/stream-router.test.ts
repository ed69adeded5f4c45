// What peers can send in the place of streams, and what becomes of it.
import { describe, expect, it } from 'vitest';

import { kindShift } from '../../../ts/binding/index.ts';
import { codecOf, Kind, writeChunkHead } from '../../../ts/codec/index.ts';
import type { ChaskiError } from '../../../ts/errors.ts';
import { Origin } from '../../../ts/net-queue/origin.ts';
import { ReceivedBatch } from '../../../ts/net-queue/batch.ts';
import type { IncomingStream } from '../../../ts/net-queue/incoming-stream.ts';
import { Peer } from '../../../ts/net-queue/peer.ts';
import { StreamRouter } from '../../../ts/net-queue/stream-router.ts';

const FIRST = 1;
const LAST = 2;
const ABORTED = 4;

function chunk(stream: number, flags: number, length: number = 1): Uint8Array {
  const bytes = new Uint8Array(8 + length).fill(7, 8);
  writeChunkHead(bytes, stream, flags);
  return bytes;
}

class Bench {
  readonly peer: Peer = new Peer(1, 'the peer', 1 << 28);
  readonly streams: IncomingStream[] = [];
  readonly warnings: ChaskiError[] = [];
  hungUp = false;
  readonly done: Set<number> = new Set();
  readonly router: StreamRouter<IncomingStream>;
  #seq: number;

  constructor(options: { first?: number; mostBytes?: number; connected?: boolean } = {}) {
    this.#seq = options.first ?? 1;
    this.router = new StreamRouter<IncomingStream>({
      mostBytes: options.mostBytes ?? 8 << 20,
      done: (_, first, last) => {
        for (let seq = first; seq <= last; seq += 1) this.done.add(seq);
      },
      warn: (error) => this.warnings.push(error),
      hangUp: () => {
        this.hungUp ||= options.connected ?? true;
        return this.hungUp;
      },
      onRoom: () => {},
    });
  }

  send(payloads: readonly Uint8Array[], kind: number = Kind.STREAM): void {
    const memory = new Uint8Array(Buffer.concat(payloads));
    const index = new Uint32Array(2 * payloads.length);
    let at = 0;
    payloads.forEach(({ length }, i) => {
      index.set([at, ((kind << kindShift) | length) >>> 0], 2 * i);
      at += length;
    });
    const source = {
      peer: this.peer,
      id: this.peer.id,
      codec: codecOf('stream'),
      settling: undefined,
    };
    const batch = new ReceivedBatch<IncomingStream>(
      new Origin(source, memory, -1),
      index,
      0,
      payloads.length,
      this.#seq,
      1,
    );
    this.#seq += payloads.length;
    this.router.route(batch, (message) => this.streams.push(message.at(0)));
  }

  get sent(): number {
    return this.#seq - 1;
  }
}

const protocol = expect.objectContaining({ code: 'ERR_CHASKI_PROTOCOL' }) as Error;

describe('the router of streams', () => {
  it.each([
    ['a short payload', new Uint8Array(7)],
    ['an empty payload', new Uint8Array()],
    ['stream 0', chunk(0, FIRST)],
    ['unknown flags', chunk(1, 8 | FIRST)],
    ['all flags', chunk(1, 7)],
    ['an unknown stream', chunk(9, 0)],
    ['an unknown stream that ends', chunk(9, LAST)],
    ['an empty chunk in the middle', chunk(5, 0, 0)],
    ['bytes with an abort', chunk(5, ABORTED, 1)],
    ['a chunk that is too long', chunk(5, 0, (1 << 20) - 7)],
  ])('takes nothing more of a peer that sends %s', async (_, payload) => {
    const bench = new Bench();
    bench.send([chunk(5, FIRST, 10)]);
    const [stream] = bench.streams;
    bench.send([payload, chunk(6, FIRST | LAST), chunk(5, LAST)]);
    expect(bench.hungUp).toBe(true);
    expect(bench.peer.lostBy).toEqual(protocol);
    expect(bench.warnings).toEqual([]);
    expect(bench.streams).toHaveLength(1);
    await expect(stream!.bytes()).rejects.toThrow(protocol);
    // What is thrown away does not stand in the way of acknowledgements.
    expect(bench.done.size).toBe(bench.sent);
    expect(bench.router.anyStopped).toBe(false);
  });

  it('takes nothing more of a peer that goes on behind the last chunk', async () => {
    const bench = new Bench();
    bench.send([chunk(1, FIRST), chunk(1, LAST), chunk(1, 0)]);
    expect(bench.peer.lostBy).toEqual(protocol);
    expect(await bench.streams[0]!.bytes()).toEqual(Uint8Array.of(7, 7));
  });

  it('bounds the streams that a peer has open', () => {
    const bench = new Bench();
    for (let i = 1; i <= 1100; i += 1) bench.send([chunk(i, FIRST, 0)]);
    expect(bench.streams).toHaveLength(1024);
    expect(bench.peer.lostBy).toEqual(protocol);
  });

  it('warns of a peer that cannot be hung up on, because it is away or gone', () => {
    const bench = new Bench({ connected: false });
    bench.send([chunk(9, 0)]);
    bench.send([chunk(9, 0)]);
    expect(bench.warnings).toEqual([protocol]);
  });

  it('ends what was open when a peer counts from the beginning again', async () => {
    const bench = new Bench();
    bench.send([chunk(1, FIRST), chunk(2, FIRST), chunk(1, FIRST | LAST, 3)]);
    const [first, second, anew] = bench.streams;
    await expect(first!.bytes()).rejects.toThrow(protocol);
    await expect(second!.bytes()).rejects.toThrow(protocol);
    expect(await anew!.bytes()).toHaveLength(3);
    expect(bench.warnings).toEqual([]);
  });

  it('puts chunks of streams together that come interleaved', async () => {
    const bench = new Bench();
    bench.send([chunk(1, FIRST, 2), chunk(2, FIRST, 3), chunk(1, 0, 20_000), chunk(2, LAST, 5)]);
    bench.send([chunk(1, LAST, 0)]);
    const [first, second] = bench.streams;
    expect(await first!.bytes()).toEqual(new Uint8Array(20_002).fill(7));
    expect(await second!.bytes()).toEqual(new Uint8Array(8).fill(7));
  });

  it('stops a peer at its bound, in bytes and in streams, and goes on when they are read or cancelled', async () => {
    const bench = new Bench({ mostBytes: 1 << 20 });
    bench.send([chunk(1, FIRST, 100)]);
    expect(bench.router.stops(bench.peer)).toBe(false);
    bench.send([chunk(1, 0, 300_000)]);
    expect(bench.router.stops(bench.peer)).toBe(true);
    const chunks = bench.streams[0]![Symbol.asyncIterator]();
    await chunks.next();
    await chunks.next();
    expect(bench.router.stops(bench.peer)).toBe(false);
    let count = 0;
    for (let i = 2; !bench.router.stops(bench.peer); i += 1, count += 1) {
      bench.send([chunk(i, FIRST | LAST, 0)]);
    }
    expect(count).toBeLessThan(20_000);
    for (const stream of bench.streams) stream.cancel();
    expect(bench.router.stops(bench.peer)).toBe(false);
    expect(bench.warnings).toEqual([]);
  });

  it('keeps many tiny chunks in little more than their bytes', async () => {
    const bench = new Bench();
    const before = process.memoryUsage().arrayBuffers;
    bench.send([chunk(1, FIRST)]);
    const others = chunk(2, FIRST, 60_000);
    bench.send([others]);
    bench.streams[1]!.cancel();
    for (let i = 0; i < 10_000; i += 1) bench.send([chunk(1, 0), chunk(2, 0, 1000)]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
    bench.send([chunk(1, LAST)]);
    expect(await bench.streams[0]!.bytes()).toHaveLength(10_002);
    // But for the last one, which is done when the program says so.
    expect(bench.done.size).toBe(bench.sent - 1);
  });

  it('throws the rest of streams away that began before this process, and says so once for each', () => {
    const bench = new Bench({ first: 1000 });
    bench.send([chunk(3, 0), chunk(4, 0), chunk(3, LAST), chunk(5, FIRST | LAST), chunk(4, LAST)]);
    expect(bench.warnings).toEqual([protocol, protocol]);
    expect(bench.streams).toHaveLength(1);
    bench.send([chunk(5, 0)]);
    expect(bench.warnings).toHaveLength(2);
    expect(bench.hungUp).toBe(true);
    bench.send([chunk(6, FIRST)]);
    expect(bench.streams).toHaveLength(1);
  });

  it('tells the reader when another serializer wrote the message, and goes on', async () => {
    const bench = new Bench();
    bench.send([Uint8Array.of(1, 2, 3)], Kind.MSGPACK);
    bench.send([chunk(1, FIRST | LAST)]);
    await expect(bench.streams[0]!.bytes()).rejects.toMatchObject({ code: 'ERR_CHASKI_CODEC' });
    expect(await bench.streams[1]!.bytes()).toHaveLength(1);
  });

  it('gives what a Python peer put as a stream in one piece', async () => {
    const bench = new Bench();
    bench.peer.ownId = new Uint8Array(16);
    bench.send([Uint8Array.of(1, 2, 3), Uint8Array.of(4)], Kind.BYTES);
    expect(await bench.streams[0]!.bytes()).toEqual(Uint8Array.of(1, 2, 3));
    expect(await bench.streams[1]!.bytes()).toEqual(Uint8Array.of(4));
  });

  it('ends the streams of a peer that is forgotten, and of all at the end', async () => {
    const bench = new Bench();
    bench.send([chunk(1, FIRST)]);
    bench.peer.onForgotten?.();
    await expect(bench.streams[0]!.bytes()).rejects.toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    const other = new Bench();
    other.send([chunk(1, FIRST), chunk(1, ABORTED, 0), chunk(2, FIRST)]);
    other.router.ending();
    other.router.end(undefined);
    await expect(other.streams[0]!.bytes()).rejects.toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
    await expect(other.streams[1]!.bytes()).rejects.toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
  });
});
