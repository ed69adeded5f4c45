// A stream as its reader is given it.
import type { Readable } from 'node:stream';

import { lengthOf } from '../codec/index.ts';
import type { ChaskiError } from '../errors.ts';
import { whenCollected } from '../shared/garbage.ts';
import { showAs } from '../shared/shown.ts';
import { streamRead, streamTooLong } from './failures.ts';
import type { Inflow } from './inflow.ts';
import { readableOf } from '../shared/node-streams.ts';

/**
 * The bytes of a message with serializer 'stream', in the chunks in which they come. To be read once, in one of its ways, or
 * cancelled: until then at most 1 MiB of it is kept here, and behind that nothing more is taken of its peer.
 *
 * Who reads is told with `ERR_CHASKI_ABORTED` when its sender gave it up, `_CLOSED` when the peer or the communicator is gone
 * before the end, `_PROTOCOL` when what came was no stream; and what was read until then is not the whole. A stream that is garbage
 * before it was read is cancelled, and the event `warning` tells.
 */
export class IncomingStream implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #flow: Inflow;

  static {
    showAs(this, 'IncomingStream', (stream) => ({ begun: stream.#flow.begun }));
  }

  /** @internal */
  constructor(flow: Inflow) {
    this.#flow = flow;
    // What nobody can read any more must not stand in the way of others.
    whenCollected(this, abandoning(flow));
  }

  /**
   * Its chunks, each in memory that stays valid. `break`, `return` and a throw cancel the rest.
   *
   * @throws ChaskiError `ERR_CHASKI_BUSY` when it is read already.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    if (this.#flow.begun) throw streamRead();
    this.#flow.begin();
    return new Chunks(this, this.#flow);
  }

  /**
   * All of it in one piece of memory.
   *
   * @throws ChaskiError `ERR_CHASKI_TOO_LARGE` when there are more than `limit` bytes (default 256 MiB); the rest is cancelled.
   */
  async bytes(limit: number = defaultLimit): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this) {
      length += lengthOf(chunk);
      if (length > limit) throw streamTooLong(limit);
      chunks.push(chunk);
    }
    if (chunks.length === 1) return chunks[0] as Uint8Array;
    const all = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** As a Readable of bytes; to destroy it cancels the rest. */
  toReadable(): Readable {
    return readableOf(this[Symbol.asyncIterator]());
  }

  /** As a web stream of bytes; to cancel it cancels the rest. */
  toWeb(): ReadableStream<Uint8Array> {
    const chunks = this[Symbol.asyncIterator]();
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller): Promise<void> {
          const step = await chunks.next();
          if (step.done === true) controller.close();
          else controller.enqueue(step.value);
        },
        async cancel(): Promise<void> {
          await chunks.return?.();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Throws away what is here, and the rest as it comes. Who waits for a chunk is told that it has ended. May be called twice. */
  cancel(): void {
    this.#flow.cancel();
  }

  /** `cancel()`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    return Promise.resolve();
  }
}

class Chunks implements AsyncIterableIterator<Uint8Array> {
  /** Who reads it holds it. */
  readonly stream: IncomingStream;
  readonly #flow: Inflow;
  /** The latest step; those that are asked for meanwhile wait in line. */
  #tail: Promise<unknown> | undefined = undefined;

  constructor(stream: IncomingStream, flow: Inflow) {
    this.stream = stream;
    this.#flow = flow;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const step = (): Promise<IteratorResult<Uint8Array>> => this.#step();
    const promise = this.#tail === undefined ? step() : this.#tail.then(step, step);
    this.#tail = promise;
    const leave = (): void => {
      if (this.#tail === promise) this.#tail = undefined;
    };
    promise.then(leave, leave);
    return promise;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#flow.cancel();
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(error?: unknown): Promise<IteratorResult<Uint8Array>> {
    this.#flow.cancel();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #step(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      this.#flow.read({
        give: (bytes) => {
          resolve(
            bytes === undefined ? { value: undefined, done: true } : { value: bytes, done: false },
          );
        },
        fail: (error: ChaskiError) => {
          reject(error);
        },
      });
    });
  }
}

/** Outside of the constructor, so that it cannot hold the stream. */
function abandoning(flow: Inflow): () => void {
  return () => {
    flow.abandon();
  };
}

const defaultLimit = 256 << 20;
