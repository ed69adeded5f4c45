import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';

import { Stream } from '../../../ts/shared/stream.ts';

const chunk = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe('toReadable', () => {
  test('gives the chunks without copies, and ends when the stream is empty', async () => {
    const chunks = [chunk(3, 1), chunk(100_000, 2), chunk(1, 3)];
    const stream = new Stream(chunks);
    const seen: Uint8Array[] = [];
    for await (const part of stream.toReadable()) seen.push(part as Uint8Array);
    expect(seen.map((part) => part.buffer)).toEqual(chunks.map((part) => part.buffer));
    expect(stream.empty()).toBe(true);
  });

  test('takes at most one chunk ahead of its reader', async () => {
    const stream = new Stream(Array.from({ length: 10 }, (_, index) => chunk(5, index)));
    const readable = stream.toReadable();
    await once(readable, 'readable');
    expect(stream.length).toBeGreaterThanOrEqual(9);
    readable.destroy();
    expect(stream.length).toBeGreaterThanOrEqual(9);
  });

  test('of an empty stream ends at once', async () => {
    expect((await buffer(new Stream().toReadable())).length).toBe(0);
  });
});

describe('toWritable', () => {
  test('appends what is written, without copies', async () => {
    const source = [Buffer.from('one'), Buffer.from('two')];
    const stream = new Stream();
    await pipeline(Readable.from(source), stream.toWritable());
    expect([...stream]).toEqual(source);
    expect(stream.at(0)).toBe(source[0]);
    expect(stream.at(1)).toBe(source[1]);
  });

  test('lets its writer wait at the high-water mark until bytes are read', async () => {
    const stream = new Stream();
    let most = 0;
    const done = pipeline(
      Readable.from(Array.from({ length: 50 }, (_, index) => Buffer.alloc(10, index))),
      stream.toWritable({ highWaterMark: 20 }),
    );
    let read = 0;
    while (read < 500) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, stream.byteLength);
      read += stream.read(7)?.length ?? 0;
    }
    await done;
    expect([read, stream.byteLength]).toEqual([500, 0]);
    expect(most).toBeLessThan(20 + 10);
  });

  test('goes on when a waiting stream is cleared', async () => {
    const stream = new Stream();
    const writable = stream.toWritable({ highWaterMark: 1 });
    let written = false;
    writable.write('abc', () => (written = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBe(false);
    stream.clear();
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBe(true);
  });

  test.each([0, -1, Number.NaN])('refuses a high-water mark of %s', (highWaterMark) => {
    expect(() => new Stream().toWritable({ highWaterMark })).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
    );
  });
});

describe('async iteration', () => {
  test('takes the chunks; after a break the rest is still there', async () => {
    const chunks = [chunk(1, 1), chunk(2, 2), chunk(3, 3)];
    const stream = new Stream(chunks);
    for await (const first of stream) {
      expect(first).toBe(chunks[0]);
      break;
    }
    const rest: Uint8Array[] = [];
    for await (const part of stream) rest.push(part);
    expect(rest).toEqual(chunks.slice(1));
  });

  test('makes a stream the source of a pipeline', async () => {
    const from = new Stream([chunk(4, 1), chunk(4, 2)]);
    const to = new Stream();
    await pipeline(from, to.toWritable());
    expect(to.toView()).toEqual(Uint8Array.of(1, 1, 1, 1, 2, 2, 2, 2));
  });
});
