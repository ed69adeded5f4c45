// What is read and put as Node streams.
import { Readable, Writable } from 'node:stream';
import type { ReadableOptions } from 'node:stream';
import { callbackify } from 'node:util';

/** What `source` gives as a Readable. Destroying it ends only this reading. */
export function readableOf<M>(source: AsyncIterator<M>, options: ReadableOptions = {}): Readable {
  const leave = callbackify(async () => {
    await source.return?.();
  });
  return new Readable({
    ...options,
    read(): void {
      source.next().then(
        (step) => {
          this.push(step.done === true ? null : step.value);
        },
        (error: unknown) => {
          this.destroy(error as Error);
        },
      );
    },
    destroy(error, callback): void {
      leave((failed) => {
        callback(error ?? failed);
      });
    },
  });
}

/** A Writable that hands what is written to `put`, and fails with the first of the results that does. */
export function writableOf(
  put: (data: unknown) => Promise<{ result: Promise<unknown> }>,
): Writable {
  let last: Promise<unknown> | undefined;
  const write = callbackify(async (data: unknown) => {
    const { result } = await put(data);
    result.catch((error: unknown) => stream.destroy(error as Error));
    last = result;
  });
  const stream = new Writable({
    objectMode: true,
    write(data: unknown, _encoding, callback): void {
      write(data, callback);
    },
    final: callbackify(async () => {
      // Results settle in the order of the puts.
      await last;
    }),
  });
  return stream;
}
