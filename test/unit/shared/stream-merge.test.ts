import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { MergeSizes } from '../../../ts/shared/stream-merge.ts';
import { Stream } from '../../../ts/shared/stream.ts';

const wrong = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });
const bytes = (...lengths: number[]): Uint8Array[] =>
  lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
const lengths = (stream: Stream): number[] => Array.from(stream, ({ length }) => length);

describe('take', () => {
  test('gives a chunk that is not small as it is: the very object', () => {
    const chunks = bytes(10, 5, 200);
    const stream = new Stream(chunks);
    const sizes = { maxSize: 100, efficientSize: 5 };
    expect(stream.take(sizes)).toBe(chunks[0]);
    expect(stream.take(sizes)).toBe(chunks[1]);
    const first = stream.take(sizes)!;
    expect([first.buffer, first.length]).toEqual([chunks[2]!.buffer, 100]);
    expect(stream.take(sizes)!.buffer).toBe(chunks[2]!.buffer);
    expect(stream.take(sizes)).toBeUndefined();
  });

  test('joins small chunks with what is behind them, up to mergeSize', () => {
    const stream = new Stream(bytes(2, 3, 100));
    const sizes = { maxSize: 64, mergeSize: 20, efficientSize: 4 };
    expect(stream.take(sizes)).toEqual(
      Uint8Array.from([1, 1, 2, 2, 2, ...Array.from({ length: 15 }, () => 3)]),
    );
    expect(lengths(stream)).toEqual([85]);
    expect(stream.take(sizes)).toHaveLength(64);
  });

  test('gives a small chunk that is alone as it is', () => {
    const [chunk] = bytes(1);
    expect(new Stream([chunk!]).take()).toBe(chunk);
  });

  test('has the defaults of the Python package: 4 MiB, and a 64th of it', () => {
    const small = (4 << 20) / 64 - 1;
    expect(new Stream(bytes(small, 5)).take()).toHaveLength(small + 5);
    expect(new Stream(bytes(small + 1, 5)).take()).toHaveLength(small + 1);
    expect(new Stream(bytes(small, 5)).take({ efficientSize: 0 })).toHaveLength(small + 5);
    expect(new Stream(bytes(5 << 20)).take()).toHaveLength(4 << 20);
  });
});

test('fillFrom moves chunks until there is enough, and copies none', () => {
  const chunks = bytes(10, 20, 30, 40);
  const [source, stream] = [new Stream(chunks), new Stream()];
  expect(stream.fillFrom(source, { maxSize: 30 })).toBe(30);
  expect(stream.fillFrom(source, { maxSize: 30 })).toBe(0);
  expect([lengths(stream), lengths(source)]).toEqual([
    [10, 20],
    [30, 40],
  ]);
  expect(stream.at(1)).toBe(chunks[1]);
  expect(stream.fillFrom(source)).toBe(70);
  expect(source.empty()).toBe(true);
});

describe('mergeLast', () => {
  const sizes = { mergeSize: 20, efficientSize: 8 };

  test('joins small chunks as soon as they are none together', () => {
    const stream = new Stream(bytes(100));
    const joined: boolean[] = [];
    for (const chunk of bytes(3, 3, 1, 1, 2)) {
      stream.write(chunk);
      joined.push(stream.mergeLast(sizes));
    }
    expect(joined).toEqual([false, false, false, true, false]);
    expect(lengths(stream)).toEqual([100, 8, 2]);
    expect([...stream.at(1)!]).toEqual([1, 1, 1, 2, 2, 2, 3, 4]);
  });

  test('leaves a chunk alone that is not small, or the only one', () => {
    const [large, small] = bytes(8, 7);
    const stream = new Stream([large!]);
    expect(stream.mergeLast(sizes)).toBe(false);
    const other = new Stream([small!]);
    expect(other.mergeLast(sizes)).toBe(false);
    expect([stream.at(0), other.at(0)]).toEqual([large, small]);
  });

  test('looks at each chunk a few times at most, however many there are', () => {
    const stream = new Stream(bytes(1 << 20));
    let looks = 0;
    const at = stream.at.bind(stream);
    stream.at = (index: number) => {
      looks += 1;
      return at(index);
    };
    const one = new Uint8Array(1);
    for (let i = 0; i < 100_000; i += 1) {
      stream.write(one);
      stream.mergeLast({ efficientSize: 65_536 });
    }
    expect(looks).toBeLessThan(500_000);
    expect(stream.length).toBe(2 + 100_000 - 65_536);
  });
});

test('sizes that are none are refused', () => {
  for (const size of [-1, 1.5, NaN, Infinity, '5' as unknown as number]) {
    expect(() => new Stream().take({ maxSize: size })).toThrow(wrong);
    expect(() => new Stream().mergeLast({ mergeSize: size })).toThrow(wrong);
    expect(() => new Stream().fillFrom(new Stream(), { efficientSize: size })).toThrow(wrong);
  }
});

/** The rules as they are written, over arrays of numbers. */
class Model {
  chunks: number[][] = [];

  take(max: number, merge: number, small: number): number[] | undefined {
    const [first] = this.chunks;
    if (first === undefined) return undefined;
    if (this.chunks.length > 1 && first.length < small) {
      const all = this.chunks.flat();
      let left = merge;
      this.chunks = this.chunks.flatMap((chunk) => {
        const rest = chunk.slice(left);
        left = Math.max(0, left - chunk.length);
        return rest.length > 0 ? [rest] : [];
      });
      this.chunks.unshift(all.slice(0, merge));
    }
    const piece = this.chunks[0]!.slice(0, max);
    const rest = this.chunks.shift()!.slice(max);
    if (rest.length > 0) this.chunks.unshift(rest);
    return piece;
  }

  append(chunk: number[], merge: number, small: number): void {
    if (chunk.length > 0) this.chunks.push(chunk);
    if (this.chunks.length < 2 || this.chunks.at(-1)!.length >= small) return;
    const popped: number[][] = [];
    while (this.chunks.length > 0 && popped.flat().length < merge) {
      if (this.chunks.at(-1)!.length >= small) break;
      popped.unshift(this.chunks.pop()!);
    }
    if (popped.flat().length >= small) this.chunks.push(popped.flat());
    else this.chunks.push(...popped);
  }
}

/** Chunks of a stream as numbers, what was joined in them, and whether it is the memory that was written where it need not be a copy. */
function run(steps: readonly { is: string; length: number }[], sizes: Required<MergeSizes>): void {
  const { maxSize: max, mergeSize: merge } = sizes;
  const small = Math.min(merge, sizes.efficientSize);
  const [stream, model] = [new Stream(), new Model()];
  let next = 0;
  for (const { is, length } of steps) {
    const before = [...stream];
    if (is === 'receive') {
      const chunk = Array.from({ length }, () => (next += 1) & 255);
      const written = Uint8Array.from(chunk);
      stream.write(written);
      const merged = stream.mergeLast(sizes);
      model.append(chunk, merge, small);
      const after = [...stream];
      same(after.filter((one) => !before.includes(one) && one !== written).length, merged ? 1 : 0);
      same(
        before.filter((one) => one.length >= small && !after.includes(one)),
        [],
      );
    } else if (is === 'take') {
      const piece = stream.take(sizes);
      same(piece && [...piece], model.take(max, merge, small));
      if (before[0] !== undefined && before[0].length >= small) {
        same(piece!.buffer === before[0].buffer, true);
      }
    } else if (is === 'read') {
      stream.read1(length);
      model.take(length, merge, 0);
    } else {
      stream.unwriteChunk();
      model.chunks.pop();
    }
    same(
      Array.from(stream, (chunk) => [...chunk]),
      model.chunks,
    );
  }
}

function same(stream: unknown, model: unknown): void {
  expect(stream).toEqual(model);
}

test('streams are merged as the rules say, and nothing else is copied', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ is: fc.constant('receive'), length: fc.nat(12) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        is: fc.constantFrom('take', 'read', 'unwrite'),
        length: fc.integer({ min: 1, max: 12 }),
      }),
    },
  );
  const size = fc.integer({ min: 1, max: 30 });
  const sizes = fc.record({ maxSize: size, mergeSize: size, efficientSize: size });
  expect(() => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), sizes, run), { numRuns: 3000 });
  }).not.toThrow();
});
