// Pickles that nobody honest writes: refused with a code, within bounds of time and memory.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { pickle } from '../../../../ts/codec/index.ts';
import { ChaskiError } from '../../../../ts/errors.ts';
import { decode, encode, fixtures, fixturesOfNumpy1, program } from './support.ts';

const codecError = expect.objectContaining({ code: 'ERR_CHASKI_CODEC' });

/** A value, or a refusal with a code; anything else is a defect. */
function tried(bytes: ArrayLike<number>): 'read' | 'refused' {
  try {
    decode(bytes);
    return 'read';
  } catch (error) {
    if (ChaskiError.is(error) && error.code === 'ERR_CHASKI_CODEC') return 'refused';
    throw error;
  }
}

/** Of what was pickled, the short half: flips of long lists of numbers tell nothing new. */
const corpus = [...fixtures, ...fixturesOfNumpy1.slice(0, 8)].filter(
  ({ bytes, by, protocol }) => bytes.length < 200 && by === 'C' && protocol !== 3 && protocol !== 4,
);

/** What a program is made of. */
type Part = string | number | readonly number[];

const text = (value: string): number[] => [0x8c, Buffer.byteLength(value), ...Buffer.from(value)];
const named = (module: string, name: string): number[] => [...text(module), ...text(name), 0x93];
const u32 = (value: number): number[] => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  value >>> 24,
];
const u64 = (low: number, high: number): number[] => [...u32(low), ...u32(high)];

describe('a name in a pickle', () => {
  // Each would run something in Python.
  test.each([
    ['os.system', ['cos\nsystem\n', text('echo'), 0x85, 'R.']],
    ['builtins.eval', [named('builtins', 'eval'), text('1'), 0x85, 'R.']],
    ['builtins.exec', ['c__builtin__\nexec\n', text('1'), 0x85, 'R.']],
    ['builtins.getattr', [named('builtins', 'getattr'), '.']],
    ['subprocess.Popen', [named('subprocess', 'Popen'), ')', 0x81, '.']],
    ['posix.system', [named('posix', 'system'), '.']],
    ['numpy.testing.measure', [named('numpy', 'testing.measure'), '.']],
    ['uuid.UUID.hex', [named('uuid', 'UUID.hex'), '.']],
    // What it would be here.
    ['globalThis.process', [named('globalThis', 'process'), '.']],
    ['constructor.constructor', [named('constructor', 'constructor'), '.']],
    ['Object.__proto__', [named('Object', '__proto__'), '.']],
  ])('such as %s is refused, and the error tells it', (name, parts) => {
    expect(() => decode(program(...parts))).toThrow(codecError);
    const last = name.split('.').at(-1) as string;
    expect(() => decode(program(...parts))).toThrow(new RegExp(`names '.*${last}'.*decoders: \\{`));
  });

  test('gives no eval because builtins are allowed', () => {
    const parts = [named('builtins', 'eval'), text('1'), [0x85], 'R.'];
    for (const serializer of [pickle({ allow: ['builtins'] }), pickle({ allow: () => true })]) {
      expect(() => decode(program(...parts), serializer)).toThrow(/no decoder/);
    }
  });

  test('is looked up as it is: no key of a prototype is a decoder', () => {
    const serializer = pickle({ decoders: {} });
    for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty']) {
      expect(() => decode(program(named('', name), '.'), serializer)).toThrow(/no decoder/);
    }
  });

  test('is cut and cleaned before it is told', () => {
    const long = `evil\u0007\n\u202e${'x'.repeat(5000)}`;
    const evil = program([0x58, ...u32(Buffer.byteLength(long))]);
    const bytes = Buffer.concat([evil, Buffer.from(long), Buffer.from([...text('y'), 0x93, 0x2e])]);
    // Nothing but what can be printed, and little of it.
    expect(() => decode(bytes)).toThrow(/^[\u0020-\u007e…]{100,600}$/);
  });

  test('is refused as a value, wherever it is', () => {
    const uuid = named('uuid', 'UUID');
    for (const parts of [
      [uuid, '.'],
      [uuid, 0x85, '.'],
      [uuid, 0x85, 0x85, '.'],
      [']', uuid, 'a.'],
      ['}', uuid, 'Ns.'],
      [0x8f, '(', uuid, 0x90, '.'],
      ['(', uuid, 0x91, '.'],
      ['](', uuid, uuid, 0x85, 'e.'],
      [named('numpy', 'dtype'), text('i4'), 0x85, 'R.'],
      [']', named('numpy', 'dtype'), text('i4'), 0x85, 'R', 0x94, 'h\0a.'],
      [named('datetime', 'timezone'), 'K\0', 0x85, 'R.'],
    ]) {
      expect(() => decode(program(...parts))).toThrow(/which is no data/);
    }
  });
});

describe('a pickle that is cut or changed', () => {
  test('anywhere is a value or refused', () => {
    for (const { bytes } of corpus) {
      expect(tried(bytes)).toBe('read');
      for (let length = 0; length < bytes.length; length += 1) {
        expect(tried(bytes.subarray(0, length))).toBe('refused');
      }
      expect(tried([...bytes, 0x2e])).toBe('refused');
    }
  });

  test('in any one bit is a value or refused', () => {
    const counts = { read: 0, refused: 0 };
    for (const { bytes } of corpus) {
      const changed = Uint8Array.from(bytes);
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        changed[bit >> 3]! ^= 1 << (bit & 7);
        counts[tried(changed)] += 1;
        changed[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
    expect(counts.read).toBeGreaterThan(1000);
    expect(counts.refused).toBeGreaterThan(1000);
  });

  test('at random is a value or refused', () => {
    const ops = [
      ...Buffer.from('().0BCGJKMNRX]abehjqrstu}2IFLPSVdgilop1c'),
      // All from PROTO to READONLY_BUFFER.
      ...Array.from({ length: 25 }, (_, i) => 0x80 + i),
    ];
    const names = [
      ['uuid', 'UUID'],
      ['numpy', 'ndarray'],
      ['numpy', 'dtype'],
      ['numpy._core.multiarray', '_reconstruct'],
      ['builtins', 'set'],
      ['collections', 'OrderedDict'],
      ['datetime', 'datetime'],
    ].map(([module, name]) => named(module as string, name as string));
    const piece = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...ops).map((op) => [op]) },
      { weight: 3, arbitrary: fc.nat(255).map((byte) => [0x4b, byte]) },
      { weight: 2, arbitrary: fc.nat(12).map((index) => [0x68, index]) },
      { weight: 1, arbitrary: fc.constantFrom(...names) },
      { weight: 1, arbitrary: fc.string({ maxLength: 8 }).map(text) },
    );
    const counts = { read: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        counts[tried(program(...pieces, '.'))] += 1;
      }),
      { numRuns: 20_000, seed: 20_261_121 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        counts[tried(program([...bytes]))] += 1;
      }),
      { numRuns: 20_000, seed: 20_261_121 },
    );
    expect(counts.read + counts.refused).toBe(40_000);
  });
});

describe('an opcode', () => {
  test.each([
    ['NEXT_BUFFER', [0x97, '.'], /buffer_callback/],
    ['READONLY_BUFFER', ['N', 0x98, '.'], /buffer_callback/],
    ['PERSID', ['Pid\n.'], /outside of the pickle/],
    ['BINPERSID', ['NQ.'], /outside of the pickle/],
    ['EXT1', [0x82, 1, '.'], /extension registry/],
    ['INST', ['(ios\nsystem\n.'], /protocol 2 or a later one/],
    ['OBJ', ['(No.'], /protocol 2 or a later one/],
    ['INT', ['I1\n.'], /protocol 2 or a later one/],
    ['LONG', ['L1L\n.'], /protocol 2 or a later one/],
    ['STRING', ["S'x'\n."], /protocol 2 or a later one/],
    ['DUP', ['N2.'], /DUP/],
    ['none', [0xff, '.'], /0xff is no opcode/],
  ])('%s is refused, and the error tells why', (_, parts, reason) => {
    expect(() => decode(program(...parts))).toThrow(codecError);
    expect(() => decode(program(...parts))).toThrow(reason);
  });

  test.each([
    ['before anything', ['a.']],
    ['below a mark', [']', '(Na', 'e.']],
    ['as an item of a number', ['K\x01Na.']],
    ['as an item of a tuple', [')Na.']],
    ['as an item of a dict', ['}Na.']],
    ['as a key of a list', [']NNs.']],
    ['as a key of a set', [0x8f, 'NNs.']],
    ['without its value', ['}(Nu.']],
    ['as a member of a list', [']', '(N', 0x90, '.']],
    ['into what was complete', [']', 0x94, ']', 0x94, 'a', 'h\x01Na.']],
    ['into what was asked for', [']', 0x94, 'h\0Na.']],
    ['with a mark left over', ['N(.']],
    ['with two values', ['NN.']],
    ['with none', ['.']],
    ['of a number as a function', ['K\x01)R.']],
    ['of a function without a tuple', [named('uuid', 'UUID'), 'NR.']],
    ['with keywords', [named('uuid', 'UUID'), ')}', text('hex'), text('0'), 's', 0x92, '.']],
    ['of state to data', [']}b.']],
    ['of state twice', [named('uuid', 'UUID'), ')', 0x81, '}', text('int'), 'K\x05sb}b.']],
    ['from an empty memo', ['h\0.']],
    ['to the memo out of order', ['Nq\x05.']],
    ['to the memo far away', ['Nr', u32(0xffff_ffff), '.']],
    ['of a name that is no text', ['NN', 0x93, '.']],
    ['of a frame that is too long', [0x95, u64(100, 0), 'N.']],
    ['of a frame beyond all', [0x95, u64(0xffff_ffff, 0xffff_ffff), 'N.']],
  ])('that takes or gives %s is refused', (_, parts) => {
    expect(() => decode(program(...parts))).toThrow(codecError);
  });

  test('before the protocol, or of another one, is refused', () => {
    expect(() => decode([])).toThrow(/protocol 2 or later/);
    expect(() => decode(Buffer.from('N.'))).toThrow(/protocol 2 or later/);
    expect(() => decode(Buffer.from("(dp0\nS'a'\np1\nI1\ns."))).toThrow(/protocol 2 or later/);
    expect(() => decode([0x80, 6, 0x4e, 0x2e])).toThrow(/protocol 6/);
    expect(() => decode([0x80, 1, 0x4e, 0x2e])).toThrow(/protocol 1/);
  });
});

describe('text', () => {
  test.each([
    ['a lone continuation', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong zero', [0xe0, 0x80, 0x80]],
    ['more than Unicode has', [0xf4, 0x90, 0x80, 0x80]],
    ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['half a character', [0xf0, 0x9f, 0x90]],
  ])('with %s is refused', (_, bytes) => {
    expect(() => decode(program(0x8c, bytes.length, bytes, '.'))).toThrow(/UTF-8/);
  });
});

describe('memory', () => {
  test('is not taken for lengths that only are told', () => {
    for (const parts of [
      ['B', u32(0xffff_ffff)],
      ['X', u32(0x7fff_ffff)],
      [0x8d, u64(0xffff_ffff, 0xffff_ffff)],
      [0x8e, u64(0, 1)],
      [0x96, u64(0xffff_ffff, 0x7fff_ffff)],
      [0x8b, u32(0x7fff_ffff)],
      [0x8b, u32(0xffff_ffff)],
      [0x8a, 255],
    ]) {
      expect(() => decode(program(...parts, '.'))).toThrow(codecError);
    }
  });

  test('is not taken for integers of more than 64 KiB, whose conversion takes long', () => {
    const long = (bytes: number): Buffer =>
      program(0x8b, u32(bytes), [...new Uint8Array(bytes).fill(0x7f)], '.');
    expect(typeof decode(long(65_536))).toBe('bigint');
    expect(() => decode(long(65_537))).toThrow(codecError);
    expect(() => encode(2n ** (8n * 65_536n))).toThrow(codecError);
    expect(decode(encode(2n ** (8n * 65_536n - 1n) - 1n))).toBe(2n ** (8n * 65_536n - 1n) - 1n);
  });

  const array = (shape: readonly (readonly number[] | number | string)[], bytes: number): Buffer =>
    program(
      named('numpy', 'ndarray'),
      '(',
      ...shape,
      't',
      text('<f8'),
      [0x96, ...u64(bytes, 0)],
      'x'.repeat(bytes),
      0x87,
      'R.',
    );
  test('is not taken for arrays that are larger than their bytes', () => {
    const huge = [0x8a, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f];
    expect(decode(array(['K\x02'], 16))).toHaveLength(2);
    for (const shape of [['K\x03'], [huge], [huge, huge], ['J', u32(0xffff_ffff)], ['N'], [']']]) {
      expect(() => decode(array(shape, 16))).toThrow(codecError);
    }
    expect(() =>
      decode(
        array(
          Array.from({ length: 65 }, () => 'K\x01'),
          8,
        ),
      ),
    ).toThrow(codecError);
    // Nothing, however large it is.
    expect(decode(array([huge, huge, 'K\0'], 0))).toMatchObject({ data: { length: 0 } });
  });

  test('is not taken for what is shared: it is not taken apart', () => {
    // Each list holds the one before ten times.
    const lists: Part[] = [']', [0x94]];
    for (let i = 0; i < 100; i += 1) {
      lists.push('0](', ...Array.from({ length: 10 }, () => [0x68, i]), 'e', [0x94]);
    }
    const before = process.memoryUsage().heapUsed;
    let value = decode(program(...lists, '.')) as unknown[];
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 << 20);
    for (let i = 0; i < 100; i += 1) {
      expect(value).toHaveLength(10);
      expect(value[9]).toBe(value[0]);
      value = value[0] as unknown[];
    }
    expect(value).toEqual([]);
  });

  test('is not taken again and again for the same bytes', () => {
    const size = 1 << 20;
    const turned = (times: number): Buffer =>
      program(
        [0x96, ...u64(size, 0)],
        'x'.repeat(size),
        [0x94],
        named('numpy', 'ndarray'),
        [0x94],
        '00](',
        ...Array.from({ length: times }, (): Part[] => [
          'h\x01',
          [0x4a, ...u32(size / 2)],
          text('>i2'),
          'h\0',
          [0x87],
          'R',
        ]).flat(),
        'e.',
      );
    expect(decode(turned(3))).toHaveLength(3);
    expect(() => decode(turned(100))).toThrow(/again and again/);
  });

  test('of a list is not taken again for each set that is made of it', () => {
    const list = ['](', ...Array.from({ length: 1000 }, (_, i) => ['M', [i & 255, i >> 8]]).flat()];
    const bytes = program(
      ...list,
      'e',
      0x85,
      0x94,
      '0',
      named('builtins', 'set'),
      0x94,
      '0](',
      ...Array.from({ length: 100_000 }, () => [0x68, 1, 0x68, 0, 0x52]),
      'e.',
    );
    expect(() => decode(bytes)).toThrow(/more than 16777216 values/);
  });
});

describe('time', () => {
  /** A list that holds the one before twice, and so on: its text has 2^100 parts. */
  const laughs: Part[] = [
    ']',
    [0x94],
    ...Array.from({ length: 100 }, (_, i): Part[] => [
      '0](',
      [0x68, i, 0x68, i],
      'e',
      [0x94],
    ]).flat(),
  ];

  test.each<[string, Part[]]>([
    [
      'the class of an array',
      [named('numpy._core.multiarray', '_reconstruct'), 'h\x64)', [0x86], 'R)b.'],
    ],
    [
      'the axes of an array',
      [
        named('numpy._core.numeric', '_frombuffer'),
        '(',
        [0x96, ...u64(4, 0)],
        'xxxx',
        named('numpy', 'dtype'),
        text('i2'),
        [0x85],
        'R(K\x01K\x02t',
        text('K'),
        'h\x64h\x64',
        [0x86],
        'tR.',
      ],
    ],
    ['a dtype', [named('numpy', 'dtype'), 'h\x64', [0x85], 'R.']],
    ['a shape', [named('numpy', 'ndarray'), 'h\x64', text('i2'), 'C\0', [0x87], 'R.']],
    ['a UUID', [named('uuid', 'UUID'), 'h\x64', [0x85], 'R.']],
    ['a Decimal', [named('decimal', 'Decimal'), 'h\x64', [0x85], 'R.']],
    ['a datetime', [named('datetime', 'datetime'), 'h\x64', [0x85], 'R.']],
    ['a timedelta', [named('datetime', 'timedelta'), 'h\x64h\x64', [0x86], 'R.']],
    ['bytes', [named('builtins', 'bytes'), 'h\x64', [0x85], 'R.']],
    ['encoded text', [named('_codecs', 'encode'), 'h\x64h\x64', [0x86], 'R.']],
    ['a name', ['h\x64', text('x'), [0x93], '.']],
  ])('is not taken to look at what %s is made of, when that is what it must not be', (_, parts) => {
    expect(() => decode(program(...laughs, ...parts))).toThrow(codecError);
  });

  test('is not taken for one long text again and again', () => {
    const long = '1'.repeat(60_000);
    const numbers = (count: number): Buffer =>
      program(
        [0x58, ...u32(long.length)],
        long,
        [0x94, 0x85, 0x94],
        named('decimal', 'Decimal'),
        [0x94],
        '00](',
        ...Array.from({ length: count }, () => 'h\x02h\x01R'),
        'e.',
      );
    expect(decode(numbers(2))).toEqual([long, long]);
    expect(() => decode(numbers(100))).toThrow(/again and again/);
  });
});

describe('nesting', () => {
  test('ends at 512 levels, however it is made', () => {
    const lists = (levels: number): Buffer =>
      program(']'.repeat(levels), 'a'.repeat(levels - 1), '.');
    const tuples = (levels: number): Buffer =>
      program('N', Buffer.alloc(levels, 0x85).toString('latin1'), '.');
    const dicts = (levels: number): Buffer =>
      program('}N'.repeat(levels), 'N', 's'.repeat(levels), '.');
    for (const of of [lists, tuples, dicts]) {
      expect(tried(of(512))).toBe('read');
      expect(tried(of(513))).toBe('refused');
      expect(tried(of(100_000))).toBe('refused');
    }
    // From the inside to the outside, over the memo.
    const chain: Part[] = [']', [0x94]];
    for (let i = 0; i < 600; i += 1) chain.push('0]', [0x6a, ...u32(i)], 'a', [0x94]);
    expect(tried(program(...chain, '.'))).toBe('refused');
  });

  test('cannot be hidden behind references to what is not complete', () => {
    // x = []; y = [x]; x.append(the y before): each y is two levels deeper than the one before.
    const steps: Part[] = ['](]', [0x94], '0'];
    for (let i = 0; i < 600; i += 1) {
      const [before, x] = [2 * i, 2 * i + 1];
      steps.push(
        ']',
        [0x94],
        ']',
        [0x6a, ...u32(x)],
        'a',
        [0x94],
        '0',
        [0x6a, ...u32(before)],
        'a',
      );
    }
    expect(tried(program(...steps, 'e.'))).toBe('refused');
  });

  test('of dicts that are a Map, and hold themselves, is read in two turns at most', () => {
    // Dicts within each other; every one refers to itself before its first key turns out to be a number.
    const levels = 500;
    const steps: Part[] = [];
    for (let i = 0; i < levels; i += 1)
      steps.push('}', [0x94], ['K'.charCodeAt(0), 1], [0x6a, ...u32(i)], 's', 'K\x02');
    const value = decode(program(...steps, 'N', 's'.repeat(levels), '.'));
    let [map, depth] = [value, 0];
    while (map instanceof Map) {
      expect(map.get(1)).toBe(map);
      map = map.get(2);
      depth += 1;
    }
    expect(depth).toBe(levels);
  });
});

test('no prototype is reached by any name', () => {
  const keys = ['__proto__', 'constructor', 'prototype', 'toString'];
  for (const key of keys) {
    const value = decode(program('}', text(key), '}', text('polluted'), [0x88], 's', 's', '.'));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    const object =
      value instanceof Map ? (value.get(key) as object) : (value as Record<string, object>)[key];
    expect(object).toEqual({ polluted: true });
    expect(Object.getPrototypeOf(value)).toBe(
      value instanceof Map ? Map.prototype : Object.prototype,
    );
  }
  // And as the state of something.
  expect(() =>
    decode(
      program(
        named('uuid', 'UUID'),
        ')',
        0x81,
        '}',
        text('__proto__'),
        '}',
        text('int'),
        'K\x01s',
        's',
        'b.',
      ),
    ),
  ).toThrow(codecError);
});
