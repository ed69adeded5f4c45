// What CPython and numpy pickled, read as docs/values.md says.
import { describe, expect, test } from 'vitest';

import { FrozenSet, NdArray, Tuple, Uuid } from '../../../../ts/codec/index.ts';
import { decode, encode, fixtures, fixturesOfNumpy1 } from './support.ts';

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const shared = ['shared'];
const circle: unknown[] = [];
circle.push(circle);
const ring: Record<string, unknown> = { name: 'ring' };
ring['self'] = ring;
const numbered = new Map<number, unknown>([[1, 'one']]);
numbered.set(2, numbered);
const loop = new Tuple<unknown[]>([]);
loop[0]!.push(loop);
const deep = range(100).reduce<unknown[]>((inner) => [inner], []);

const plain: Record<string, unknown> = {
  None: null,
  True: true,
  False: false,
  ints: [0, 1, 255, 256, 65_535, 65_536, -1, -128, 2 ** 31 - 1, -(2 ** 31), 2 ** 31],
  'ints of more bits': [
    2 ** 53 - 1,
    2n ** 53n,
    -(2n ** 53n),
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 64n,
    2n ** 100n,
    -(2n ** 100n),
    255n * 2n ** 56n,
    -255,
  ],
  'huge int': 3n ** 2000n,
  floats: [0, -0, 1.5, 1e300, Infinity, -Infinity],
  nan: NaN,
  text: ['', 'a', 'é', '🐎', '\ud800', 'a\udfffb', '\ufffd', 'x'.repeat(300), 'é'.repeat(200)],
  bytes: [new Uint8Array(), Uint8Array.of(0, 255), new Uint8Array(300).fill(0x78)],
  bytearray: Uint8Array.of(0x61, 0x62, 0x63),
  tuples: [new Tuple(), new Tuple(1), new Tuple(1, 2), new Tuple(1, 2, 3), new Tuple(1, 2, 3, 4)],
  list: [[], [1], [1, 2, ['x']]],
  'long list': range(1100),
  dict: { a: 1, b: { c: [2] } },
  'dict of ints': new Map<unknown, unknown>([
    [1, 'one'],
    [2.5, 'x'],
    [null, 0],
    [new Tuple(1, 2), 'tuple'],
  ]),
  'dict of both': new Map<unknown, unknown>([
    ['a', 1],
    [2, 'b'],
  ]),
  'dict with __proto__': new Map<unknown, unknown>([
    ['__proto__', new Map()],
    ['a', 1],
  ]),
  'long dict': Object.fromEntries(range(1100).map((i) => [String(i), i])),
  set: new Set([1]),
  'empty set': new Set(),
  frozenset: new FrozenSet([1]),
  shared: [shared, shared, 'key', 'key'],
  circle,
  ring,
  'numbered ring': numbered,
  'tuple in itself': loop,
  deep,
  uuid: new Uuid('12345678-1234-5678-9abc-def012345678'),
  'small uuid': new Uuid('00000000-0000-0000-0000-000000000005'),
  datetime: new Date('2020-01-02T03:04:05.678Z'),
  'datetime of a zone': new Date('2020-01-02T05:00:00Z'),
  'naive datetime': new Date('1969-12-31T23:59:59.999Z'),
  date: new Date('1999-12-31T00:00:00Z'),
  timedelta: -86_400_000 + 2003,
  decimal: '-1.50E+10',
  ordered: { b: 1, a: 2 },
  deque: [1, 2],
};
(plain['dict with __proto__'] as Map<unknown, unknown>).set('__proto__', { admin: true });

const numbers = [0, 1, 2] as const;
const bigs = numbers.map(BigInt);
const vectors: Record<string, unknown> = {
  '?': new NdArray(Uint8Array.of(0, 1, 1), [3], 'bool'),
  b: Int8Array.of(...numbers),
  B: Uint8Array.of(...numbers),
  i2: Int16Array.of(...numbers),
  u2: Uint16Array.of(...numbers),
  i4: Int32Array.of(...numbers),
  u4: Uint32Array.of(...numbers),
  i8: BigInt64Array.of(...bigs),
  u8: BigUint64Array.of(...bigs),
  f2: Float32Array.of(...numbers),
  f4: Float32Array.of(...numbers),
  f8: Float64Array.of(...numbers),
  c8: new NdArray(Float32Array.of(0, 0, 1, 0, 2, 0), [3], 'complex64'),
  c16: new NdArray(Float64Array.of(0, 0, 1, 0, 2, 0), [3], 'complex128'),
};
const scalars: Record<string, unknown> = {
  '?': true,
  c8: new NdArray(Float32Array.of(1, 0), [], 'complex64'),
  c16: new NdArray(Float64Array.of(1, 0), [], 'complex128'),
};
const i4 = (shape: number[], ...values: number[]): NdArray =>
  new NdArray(Int32Array.from(values), shape);

const arrays: Record<string, unknown> = {
  '2-d C': i4([2, 3], ...range(6)),
  '2-d F': i4([2, 3], ...range(6)),
  '2-d F big': i4([2, 3], ...range(6)),
  '2-d F complex': new NdArray(Float32Array.of(0, 0, 1, 0, 2, 0, 3, 0), [2, 2], 'complex64'),
  '3-d K': new NdArray(
    Float64Array.from(
      range(24),
      (i) => (i % 2) * 12 + Math.floor(i / 8) * 4 + (Math.floor(i / 2) % 4),
    ),
    [3, 4, 2],
  ),
  '4-d F': new NdArray(Uint8Array.from(range(16)), [2, 2, 2, 2]),
  '0-d': i4([], 5),
  empty: new Float64Array(),
  'empty 2-d': new NdArray(new Float64Array(), [0, 3]),
  strided: Int32Array.of(0, 2, 4, 6, 8),
  'bool 2-d': new NdArray(Uint8Array.of(1, 0), [1, 2], 'bool'),
  'read-only': Uint16Array.of(0x0100, 0x0302, 0x0504, 0x0706),
  'in a dict': { a: Uint8Array.of(0, 1, 2), b: [1.5, 2n ** 60n, 7] },
};

function expected(name: string): unknown {
  if (name in plain) return plain[name];
  if (name in arrays) return arrays[name];
  const [what, dtype = ''] = name.split(' ');
  const type = dtype.replace(/^[<>]/, '');
  return what === '1-d' ? vectors[type] : (scalars[type] ?? 1);
}

describe.each([
  ['numpy 2', fixtures],
  ['numpy 1', fixturesOfNumpy1],
])('CPython with %s', (_, all) => {
  test.each(all)('pickles $name with protocol $protocol (in $by)', ({ name, bytes }) => {
    expect(decode(bytes)).toStrictEqual(expected(name));
  });

  test('what was read is written and read again', () => {
    for (const { name, bytes } of all) {
      // Their types have no values of their own here.
      if (/uint8|naive|read-only/.test(name)) continue;
      expect(decode(encode(decode(bytes)))).toStrictEqual(expected(name));
    }
  });
});

test('every value of the fixtures is there', () => {
  const names = new Set(fixtures.map(({ name }) => name));
  for (const name of [...Object.keys(plain), ...Object.keys(arrays)]) expect(names).toContain(name);
});

test('what was the same object in Python is the same here', () => {
  const of = (wanted: string): unknown[] =>
    fixtures.filter(({ name }) => name === wanted).map(({ bytes }) => decode(bytes));
  for (const list of of('shared') as unknown[][]) expect(list[0]).toBe(list[1]);
  for (const list of of('circle') as unknown[][]) expect(list[0]).toBe(list);
  for (const dict of of('ring') as { self: unknown }[]) expect(dict.self).toBe(dict);
  for (const map of of('numbered ring') as Map<number, unknown>[]) expect(map.get(2)).toBe(map);
  for (const tuple of of('tuple in itself') as unknown[][][]) expect(tuple[0]![0]).toBe(tuple);
});
