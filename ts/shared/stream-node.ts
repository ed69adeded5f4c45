// Byte chunks as Node's own streams, without copies.
import { Readable, Writable } from 'node:stream';

import { ChaskiError } from '../errors.ts';

/** What a Readable can be made from. */
export interface ChunkSource {
  readChunk(): Uint8Array | undefined;
}

/** What a Writable can be made from. */
export interface ChunkSink {
  write(chunk: Uint8Array): number;
  /** Calls `ready` once fewer than `bytes` bytes are there. */
  whenBelow(bytes: number, ready: () => void): void;
}

export interface WritableOptions {
  /** Bytes in the sink at which a writer has to wait. Default Infinity: it never waits. */
  highWaterMark?: number;
}

/** Takes one chunk at a time, when the one before has been read; ends when there is none. */
export function readableFrom(source: ChunkSource): Readable {
  return new Readable({
    highWaterMark: 1,
    read() {
      this.push(source.readChunk() ?? null);
    },
  });
}

/** Appends every chunk; a write is done when fewer than `highWaterMark` bytes are in the sink. */
export function writableTo(sink: ChunkSink, options: WritableOptions = {}): Writable {
  const highWaterMark = options.highWaterMark ?? Infinity;
  if (!(highWaterMark > 0)) {
    throw new ChaskiError(
      'ERR_CHASKI_INVALID_ARGUMENT',
      `highWaterMark is ${String(highWaterMark)}; it must be a number of bytes above 0.`,
    );
  }
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      sink.write(chunk);
      if (highWaterMark === Infinity) done();
      else sink.whenBelow(highWaterMark, done);
    },
  });
}
