// What can be put with serializer 'stream', seen as one kind of thing: something that gives bytes when it is asked.
import { asBytes, isLost, lostMemory } from '../codec/index.ts';
import { Stream } from '../shared/stream.ts';
import { invalid } from './failures.ts';

export interface Step {
  readonly done?: boolean | undefined;
  readonly value?: unknown;
}

export interface Source {
  /** Whether it may let wait for its first bytes. */
  readonly slow: boolean;
  /** It gives all in its first step. */
  readonly whole: boolean;
  next(): Step | Promise<Step>;
  /** No more is wanted. Never throws, and waits for nothing. */
  close(): void;
}

/**
 * A source of what `data` holds. A Stream is read from a copy: it keeps what it has.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function sourceOf(data: unknown): Source {
  const bytes = asBytes(data);
  if (bytes !== undefined) {
    if (isLost(bytes)) throw lostMemory();
    return { ...iterated([bytes][Symbol.iterator](), false), whole: true };
  }
  if (data instanceof Stream) return iterated(data.copy().readChunks(), false);
  if (typeof data === 'object' && data !== null) {
    if ('getReader' in data) return webSource(data as ReadableStream<unknown>);
    if (Symbol.asyncIterator in data) {
      const source = iterated((data as AsyncIterable<unknown>)[Symbol.asyncIterator](), true);
      // A Readable that waits for bytes would end its iterator only when they come.
      const { destroy } = data as { destroy?: unknown };
      if (typeof destroy !== 'function') return source;
      return { ...source, close: () => void destroy.call(data) };
    }
    if (Symbol.iterator in data) {
      return iterated((data as Iterable<unknown>)[Symbol.iterator](), false);
    }
  }
  throw invalid('data', data, wanted);
}

/**
 * The bytes that a source has given.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
 */
export function bytesGiven(value: unknown): Uint8Array {
  const bytes = asBytes(value);
  if (bytes === undefined) throw invalid('A chunk of the source', value, 'bytes');
  if (isLost(bytes)) throw lostMemory();
  return bytes;
}

function iterated(iterator: Iterator<unknown> | AsyncIterator<unknown>, slow: boolean): Source {
  return {
    slow,
    whole: false,
    next: () => iterator.next(),
    close: () => {
      quietly(() => iterator.return?.());
    },
  };
}

function webSource(stream: ReadableStream<unknown>): Source {
  let reader: ReadableStreamDefaultReader<unknown>;
  try {
    reader = stream.getReader();
  } catch {
    throw invalid('data', stream, 'a ReadableStream that nobody else reads');
  }
  return {
    slow: true,
    whole: false,
    next: () => reader.read(),
    close: () => {
      quietly(() => reader.cancel());
    },
  };
}

/** Runs code of the user of which nobody waits for the outcome. */
function quietly(work: () => unknown): void {
  try {
    Promise.resolve(work()).catch(() => {});
  } catch {
    // What it had to say, it had the time to say before.
  }
}

const wanted =
  "bytes, a Stream, a ReadableStream, a Readable, or an iterable of bytes, with serializer 'stream'";
