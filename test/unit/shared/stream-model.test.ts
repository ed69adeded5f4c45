import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Stream } from '../../../ts/shared/stream.ts';

/** The same as plain bytes, each chunk an array of numbers. */
class Model {
  chunks: number[][] = [];

  get bytes(): number[] {
    return this.chunks.flat();
  }

  take(n: number): number[] | undefined {
    if (this.chunks.length === 0) return undefined;
    const all = this.bytes;
    let left = Math.min(n, all.length);
    const taken = all.slice(0, left);
    this.chunks = this.chunks
      .map((chunk) => {
        const rest = chunk.slice(left);
        left -= chunk.length - rest.length;
        return rest;
      })
      .filter((chunk) => chunk.length > 0);
    return taken;
  }

  takeLast(n: number): number[] | undefined {
    this.#reverse();
    const taken = this.take(n)?.toReversed();
    this.#reverse();
    return taken;
  }

  insert(bytes: number[], at: 'front' | 'back'): number {
    if (bytes.length > 0) this.chunks.splice(at === 'front' ? 0 : this.chunks.length, 0, bytes);
    return bytes.length;
  }

  line(): number {
    const newline = this.bytes.indexOf(0x0a);
    return newline === -1 ? Infinity : newline + 1;
  }

  #reverse(): void {
    this.chunks = this.chunks.map((chunk) => chunk.toReversed()).toReversed();
  }
}

class Pair {
  readonly model = new Model();
  readonly stream = new Stream();
  /** Every piece of memory that was written: what is not copied lies in one of them. */
  readonly memory = new Set<ArrayBufferLike>();

  chunk(bytes: number[]): Uint8Array {
    const chunk = Uint8Array.from(bytes);
    this.memory.add(chunk.buffer);
    return chunk;
  }

  /** Both sides gave the same, and a view that need not be a copy is none. */
  same(view: Uint8Array | undefined, bytes: number[] | undefined, within: number): void {
    agree(view && [...view], bytes);
    if (view !== undefined && view.length > 0 && view.length <= within) {
      agree(this.memory.has(view.buffer), true);
    }
    if (view !== undefined) this.memory.add(view.buffer);
  }
}

type Step = (pair: Pair) => void;

function agree(stream: unknown, model: unknown): void {
  expect(stream).toEqual(model);
}

const first = (model: Model): number => model.chunks[0]?.length ?? 0;
const last = (model: Model): number => model.chunks.at(-1)?.length ?? 0;
const all = (n: number | undefined): number => (n === undefined || n < 0 ? Infinity : n);

const bytes = fc.array(fc.oneof(fc.constant(0x0a), fc.nat(255)), { maxLength: 12 });
const count = fc.option(fc.oneof(fc.nat(20), fc.constant(-1), fc.constant(Infinity)), {
  nil: undefined,
});

const steps: fc.Arbitrary<Step>[] = [
  bytes.map((data) => (pair: Pair) => {
    agree(pair.stream.write(pair.chunk(data)), pair.model.insert(data, 'back'));
  }),
  bytes.map((data) => (pair: Pair) => {
    agree(pair.stream.unread(pair.chunk(data)), pair.model.insert(data, 'front'));
  }),
  fc.array(bytes, { maxLength: 3 }).map((many) => (pair: Pair) => {
    const sum = many.reduce((total, data) => total + pair.model.insert(data, 'back'), 0);
    agree(pair.stream.writeChunks(many.map((data) => pair.chunk(data))), sum);
  }),
  fc.constant((pair: Pair) => {
    const n = first(pair.model);
    pair.same(pair.stream.readChunk(), pair.model.take(n), Infinity);
  }),
  fc.constant((pair: Pair) => {
    const n = last(pair.model);
    pair.same(pair.stream.unwriteChunk(), pair.model.takeLast(n), Infinity);
  }),
  count.map((n) => (pair: Pair) => {
    const within = first(pair.model);
    pair.same(pair.stream.read(n), pair.model.take(all(n)), within);
  }),
  count.map((n) => (pair: Pair) => {
    const within = first(pair.model);
    pair.same(pair.stream.read1(n), pair.model.take(Math.min(all(n), within)), Infinity);
  }),
  count.map((n) => (pair: Pair) => {
    const model = pair.model.bytes;
    const expected = model.length === 0 ? undefined : model.slice(0, all(n));
    pair.same(pair.stream.peek(n), expected, first(pair.model));
  }),
  fc.nat(20).map((n) => ({ stream, model }: Pair) => {
    const out = new Uint8Array(n);
    const read = stream.readInto(out);
    const expected = model.take(n);
    agree(read, expected?.length);
    agree([...out.subarray(0, read ?? 0)], expected ?? []);
  }),
  fc.nat(20).map((n) => ({ stream, model }: Pair) => {
    const out = new Uint8Array(n);
    const expected = model.take(Math.min(n, first(model)));
    agree(stream.readInto1(out), expected?.length);
    agree([...out.subarray(0, expected?.length ?? 0)], expected ?? []);
  }),
  count.map((n) => (pair: Pair) => {
    const within = first(pair.model);
    const expected = pair.model.take(Math.min(all(n), pair.model.line()));
    pair.same(pair.stream.readLine(n), expected, within);
  }),
  count.map((n) => (pair: Pair) => {
    const within = last(pair.model);
    pair.same(pair.stream.unwrite(n), pair.model.takeLast(all(n)), within);
  }),
  count.map((n) => ({ stream, model }: Pair) => {
    agree(stream.skip(n), model.take(all(n))?.length ?? 0);
  }),
  count.map((n) => ({ stream, model }: Pair) => {
    const kept = n === undefined || n < 0 ? 0 : n;
    model.takeLast(Math.max(0, model.bytes.length - kept));
    agree(stream.truncate(n), model.bytes.length);
  }),
  fc.constant(({ stream, model, memory }: Pair) => {
    stream.merge();
    model.chunks = model.bytes.length > 0 ? [model.bytes] : [];
    for (const chunk of stream) memory.add(chunk.buffer);
  }),
  fc.constant(({ stream, model }: Pair) => {
    agree([...stream.copy().toBytes()], model.bytes);
    agree([...stream.deepCopy().toView()], model.bytes);
  }),
];

test('a stream behaves like plain bytes, and copies only what lies in several chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(...steps), { maxLength: 60 }), (run) => {
      const pair = new Pair();
      for (const step of run) {
        step(pair);
        const { stream, model } = pair;
        expect(Array.from(stream, (chunk) => Array.from(chunk))).toEqual(model.chunks);
        expect(stream.byteLength).toBe(model.bytes.length);
        expect(stream.length).toBe(model.chunks.length);
        expect(stream.empty()).toBe(model.chunks.length === 0);
        expect(stream.indexOf(0x0a)).toBe(model.bytes.indexOf(0x0a));
        expect([...stream].every((chunk) => pair.memory.has(chunk.buffer))).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});
