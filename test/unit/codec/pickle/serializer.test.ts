import { describe, expect, test } from 'vitest';

import {
  FrozenSet,
  NdArray,
  pickle,
  PickleSerializer,
  Tuple,
  Uuid,
} from '../../../../ts/codec/index.ts';
import type { PickleOptions } from '../../../../ts/codec/index.ts';
import { parseOptions } from '../../../../ts/net-queue/options.ts';
import { decode, encode, fixtures, program } from './support.ts';

const codecError = expect.objectContaining({ code: 'ERR_CHASKI_CODEC' });
const wrong = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });
const text = (value: string): number[] => [0x8c, value.length, ...Buffer.from(value)];
const named = (module: string, name: string): number[] => [...text(module), ...text(name), 0x93];
const fixture = (name: string): Uint8Array =>
  fixtures.find((one) => one.name === name && one.protocol === 5)!.bytes;

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

const points = pickle({
  decoders: {
    'points.Point': (args, state) => {
      const [x, y] = args.length > 0 ? args : Object.values(state as object);
      return new Point(x as number, y as number);
    },
  },
  encoders: [
    { type: Point, encode: ({ x, y }: Point) => ({ name: 'points.Point', args: [x, y] }) },
  ],
});

describe('a decoder', () => {
  test('makes a value of arguments', () => {
    const bytes = program(named('points', 'Point'), 'K\x01K\x02', [0x86], 'R.');
    expect(decode(bytes, points)).toStrictEqual(new Point(1, 2));
  });

  test('makes a value of a state, as pickles of most classes have it', () => {
    const state = ['}(', text('x'), 'K\x03', text('y'), 'K\x04u'];
    const bytes = program(
      ']',
      named('points', 'Point'),
      ')',
      0x81,
      0x94,
      ...state,
      'bah\0',
      0x86,
      '.',
    );
    const point = new Point(3, 4);
    const value = decode(bytes, points) as unknown[];
    expect(value).toStrictEqual(new Tuple<unknown>([point], point));
    expect((value[0] as unknown[])[0]).toBe(value[1]);
  });

  test('is given what its object holds: items, and pairs', () => {
    const all = pickle({ decoders: { 'm.C': (...given) => given } });
    const bytes = program(named('m', 'C'), ')R(K\x01K\x02e', text('a'), 'K\x03s}b.');
    expect(decode(bytes, all)).toEqual([[], {}, [1, 2, ['a', 3]]]);
  });

  test('of the user goes before one that is known', () => {
    const dates = pickle({ decoders: { 'datetime.datetime': (args) => args[0] } });
    expect(decode(fixture('naive datetime'), dates)).toHaveLength(10);
    expect(decode(fixture('naive datetime'))).toBeInstanceOf(Date);
  });

  test('that throws refuses the message, and the error has the cause', () => {
    const cause = new Error('mine');
    const throwing = pickle({
      decoders: {
        'm.C': () => {
          throw cause;
        },
      },
    });
    expect(() => decode(program(named('m', 'C'), ')R.'), throwing)).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_CODEC', cause }),
    );
  });

  test('is not asked for an object that holds itself', () => {
    const lists = pickle({ decoders: { 'm.C': (_args, state, items) => [state, items] } });
    const holdsItself = program(named('m', 'C'), ')R', [0x94], 'h\0a.');
    expect(() => decode(holdsItself, lists)).toThrow(/holds itself/);
    const state = program(named('m', 'C'), ')R', [0x94], 'h\0', [0x85], 'b.');
    expect(() => decode(state, lists)).toThrow(/holds itself/);
  });
});

describe('allow', () => {
  const uuid = fixture('uuid');
  const array = fixture('2-d C');

  test.each<[string, PickleOptions, boolean, boolean]>([
    ['nothing said', {}, true, true],
    ['an empty list', { allow: [] }, false, false],
    ['a full name', { allow: ['uuid.UUID'] }, true, false],
    ['a prefix', { allow: ['uuid'] }, true, false],
    ['a prefix that is none', { allow: ['uui', 'uuid.UUI', 'uuid.UUID.x'] }, false, false],
    ['another', { allow: ['numpy'] }, false, true],
    ['both', { allow: ['numpy', 'uuid'] }, true, true],
    ['a function', { allow: (name) => name === 'uuid.UUID' }, true, false],
    ['its first name', { restrict: ['uuid'] }, true, false],
  ])('takes, with %s, what it lists', (_, options, takesUuid, takesArray) => {
    for (const [bytes, takes] of [
      [uuid, takesUuid],
      [array, takesArray],
    ] as const) {
      let refusal = 'none';
      try {
        decode(bytes, pickle(options));
      } catch (error) {
        refusal = (error as Error).message;
      }
      const told = takes ? /^none$/ : /'(uuid|numpy)\..*, which the option allow does not list/;
      expect(refusal).toMatch(told);
    }
  });

  test('leaves data alone', () => {
    expect(decode(fixture('dict'), pickle({ allow: [] }))).toEqual({ a: 1, b: { c: [2] } });
  });

  test('that does not say true allows nothing', () => {
    const allow = (() => Promise.resolve(true)) as unknown as () => boolean;
    expect(() => decode(uuid, pickle({ allow }))).toThrow(codecError);
  });

  test('that throws refuses the message', () => {
    const allow = (): boolean => {
      throw new Error('mine');
    };
    expect(() => decode(uuid, pickle({ allow }))).toThrow(codecError);
  });
});

describe('an encoder', () => {
  test('has an object made of its class in Python, once', () => {
    const point = new Point(1, 2);
    const bytes = encode([point, point], points);
    expect(bytes.includes('points')).toBe(true);
    const value = decode(bytes, points) as Point[];
    expect(value).toStrictEqual([point, point]);
    expect(value[0]).toBe(value[1]);
  });

  test('is not needed for an object of properties, nor asked for others', () => {
    expect(decode(encode(new Point(1, 2)))).toEqual({ x: 1, y: 2 });
    expect(decode(encode({ x: 1 }, points), points)).toEqual({ x: 1 });
  });

  test('may give a state', () => {
    const stateful = pickle({
      encoders: [{ type: Point, encode: ({ x, y }: Point) => ({ name: 'm.P', state: { x, y } }) }],
      decoders: { 'm.P': (args, state) => [args, state] },
    });
    expect(decode(encode(new Point(1, 2), stateful), stateful)).toEqual([[], { x: 1, y: 2 }]);
  });

  test('may itself encode something with the same serializer', () => {
    const nested: PickleSerializer = pickle({
      encoders: [
        {
          type: Point,
          encode: ({ x }: Point) => ({ name: 'm.P', args: [nested.encode({ x }), x] }),
        },
      ],
      decoders: { 'm.P': (args) => [nested.decode(args[0] as Uint8Array), args[1]] },
    });
    const value = { a: 'before', point: new Point(7, 8), b: 'behind' };
    expect(decode(encode(value, nested), nested)).toEqual({ ...value, point: [{ x: 7 }, 7] });
  });

  test('that names no module is refused', () => {
    const bare = pickle({ encoders: [{ type: Point, encode: () => ({ name: 'P' }) }] });
    expect(() => encode(new Point(1, 2), bare)).toThrow(codecError);
  });
});

describe('a PickleSerializer', () => {
  test('works without a queue, in memory of its own', () => {
    const { dump, load } = new PickleSerializer();
    const [one, two] = [dump({ a: 1 }), dump({ b: 2 })];
    expect([load(one), load(two)]).toEqual([{ a: 1 }, { b: 2 }]);
    expect(one.buffer.byteLength).toBe(one.length);
  });

  test('is a serializer of net-queue, under its own name and under that of the Python package', () => {
    const bytes = encode({ a: 1 });
    for (const options of [
      { serializer: 'pickle' as const },
      { serializer: pickle() },
      { serialization: pickle() },
    ]) {
      const { codec } = parseOptions(options, undefined, undefined);
      expect(codec.decode(4, bytes, 0, bytes.length)).toEqual({ a: 1 });
    }
  });

  test('has no other options, and none of another kind', () => {
    for (const options of [
      null,
      { alow: [] },
      { allow: 'uuid' },
      { allow: [''] },
      { allow: [1] },
      { allow: ['uuid'], restrict: ['uuid'] },
      { decoders: [1] },
      { decoders: { 'm.C': 'C' } },
      { encoders: [{ type: Point }] },
      { encoders: {} },
    ]) {
      expect(() => pickle(options as unknown as PickleOptions)).toThrow(wrong);
    }
  });
});

describe('what cannot be written', () => {
  test.each([
    ['an array in a Set', new Set([[1]])],
    ['an object as a key', new Map([[{}, 1]])],
    ['a Map as a key', new Map([[new Map(), 1]])],
    ['an array in a Tuple as a key', new Map([[new Tuple<unknown>(1, [2]), 1]])],
    ['an array of numpy in a Set', new Set([new Float32Array(1)])],
    [
      'an object of a class with an iterator',
      new (class extends Uint8ClampedArray {})(1)[Symbol.iterator](),
    ],
    ['a Date beyond what Python knows', new Date(Date.UTC(10_000, 0))],
  ])('is refused: %s', (_, value) => {
    expect(() => encode(value)).toThrow(codecError);
  });

  test('is memory that was taken away, even in the midst of it', () => {
    const memory = new Uint8Array(100_000);
    const take = (): number =>
      structuredClone(memory.buffer, { transfer: [memory.buffer] }).byteLength;
    const value = {
      memory,
      get behind() {
        return take();
      },
    };
    expect(() => encode(value)).toThrow(wrong);
    expect(() => encode(memory)).toThrow(wrong);
    expect(encode('and then')).toEqual(encode('and then'));
  });

  test('is what is nested too deep, in any way', () => {
    const nest = (wrap: (inner: unknown) => unknown): unknown => {
      let value: unknown = 1;
      for (let i = 0; i < 600; i += 1) value = wrap(value);
      return value;
    };
    for (const wrap of [
      (inner: unknown) => [inner],
      (inner: unknown) => ({ inner }),
      (inner: unknown) => new Tuple(inner),
      (inner: unknown) => new Map([['a', inner]]),
      (inner: unknown) => new FrozenSet([inner]),
      (inner: unknown) => ({ toJSON: () => inner }),
    ]) {
      expect(() => encode(nest(wrap))).toThrow(codecError);
    }
    const self = new Tuple();
    self.push(self);
    expect(() => encode(self)).toThrow(codecError);
  });

  test('takes no time that grows with what is shared', () => {
    let value: unknown = new Tuple(1);
    for (let i = 0; i < 200; i += 1) value = new Tuple(value, value);
    expect(encode(new Map([[value, 1]])).length).toBeLessThan(2000);
  });
});

describe('values of Python', () => {
  test('a Tuple is an array, and what is made of it a plain one', () => {
    const tuple = new Tuple(1, 2, 3);
    expect(Array.isArray(tuple)).toBe(true);
    expect(tuple.map((n) => n * 2)).toStrictEqual([2, 4, 6]);
    expect(new Tuple(3)).toHaveLength(1);
    expect(Tuple.of(1, 2)).toStrictEqual(new Tuple(1, 2));
    expect(Tuple.from([5])).toStrictEqual(new Tuple(5));
  });

  test('a Uuid is made of text and of bytes, and nothing else', () => {
    const uuid = new Uuid('12345678-1234-5678-9ABC-DEF012345678');
    expect(String(uuid)).toBe('12345678-1234-5678-9abc-def012345678');
    expect(new Uuid(uuid.bytes).equals(uuid)).toBe(true);
    expect(JSON.stringify({ uuid })).toBe('{"uuid":"12345678-1234-5678-9abc-def012345678"}');
    expect(Uuid.random().equals(Uuid.random())).toBe(false);
    for (const value of ['', '1234', new Uint8Array(15)])
      expect(() => new Uuid(value)).toThrow(wrong);
  });

  test('an NdArray is refused when its parts do not fit together', () => {
    expect(new NdArray(new Float32Array(6), [2, 3])).toMatchObject({ dtype: 'float32' });
    for (const [data, shape, dtype] of [
      [new Float32Array(6), [2, 2]],
      [new Float32Array(6), [-2, -3]],
      [new Float32Array(6), [1.5, 4]],
      [new Float32Array(6), [6], 'int8'],
      [new Float32Array(5), [2], 'complex64'],
      [new Float32Array(1), Array.from({ length: 65 }, () => 1)],
      [[1, 2], [2]],
      [new DataView(new ArrayBuffer(2)), [2]],
    ] as unknown as ConstructorParameters<typeof NdArray>[]) {
      expect(() => new NdArray(data, shape, dtype)).toThrow(wrong);
    }
  });

  test('bytes and arrays are views where they lie as they must, else copies', () => {
    const memory = new Uint8Array(encode({ bytes: new Uint8Array(9), array: new Uint16Array(9) }));
    const of = (
      shift: number,
    ): { bytes: Uint8Array; array: Uint16Array; buffer: ArrayBufferLike } => {
      const shifted = new Uint8Array(memory.length + shift).subarray(shift);
      shifted.set(memory);
      const value = new PickleSerializer().decode(shifted) as {
        bytes: Uint8Array;
        array: Uint16Array;
      };
      return { ...value, buffer: shifted.buffer };
    };
    const values = [of(0), of(1)];
    for (const { bytes, buffer } of values) expect(bytes.buffer).toBe(buffer);
    // One of the two lies at an even place.
    expect(values.filter(({ array, buffer }) => array.buffer === buffer)).toHaveLength(1);
  });
});

test('objects with numbers as keys are taken in any number that a message may have', () => {
  const record = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [String(i), i]));
  const records = Array.from({ length: 10_000 }, () => ({ ...record }));
  const back = decode(encode(records)) as object[];
  expect([back.length, back[9999]]).toEqual([10_000, record]);
});
