// A communicator as Node streams, in object mode.
import { Readable, Writable } from 'node:stream';
import { callbackify } from 'node:util';

/** Messages as a Readable. Destroying it ends only this reading. */
export function readableOf<M>(source: AsyncIterator<M>): Readable {
  const leave = callbackify(async () => {
    await source.return?.();
  });
  return new Readable({
    objectMode: true,
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

/** A Writable that hands what is written to `put`, and is finished when `last` is. */
export function writableOf(
  put: (data: unknown) => Promise<void>,
  last: () => Promise<void>,
): Writable {
  const write = callbackify(put);
  return new Writable({
    objectMode: true,
    write(data: unknown, _encoding, callback): void {
      write(data, callback);
    },
    final: callbackify(last),
  });
}
