import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { codecOf, Kind } from '../../../ts/codec/index.ts';

const codec = codecOf('auto');
/** As a receiver has it: in memory of another process. */
const encode = (value: unknown): Uint8Array => Uint8Array.from(codec.encode(value));
const back = (value: unknown): unknown => {
  const payload = encode(value);
  return codec.decode(Kind.MSGPACK, payload, 0, payload.length);
};
const refused = expect.objectContaining({ code: 'ERR_CHASKI_CODEC' });
const lost = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });

const views = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
  Buffer,
  class Mine extends Float32Array {},
  class Json extends Uint16Array {
    toJSON(): string {
      return 'not me';
    }
  },
] as const;

type View = new (memory: ArrayBufferLike, offset?: number, length?: number) => ArrayBufferView;

/** A view of 16 bytes within memory of 32. */
function viewOf(Type: unknown, memory: ArrayBufferLike): ArrayBufferView {
  const length = 16 / ((Type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1);
  if (Type === Buffer) return Buffer.from(memory as ArrayBuffer, 8, length);
  return new (Type as View)(memory, 8, length);
}

type Resizable = ArrayBuffer & { resize(length: number): void };

/** The types of the language version that Node 20 has in full do not know them. */
function resizable(length: number): Resizable {
  const Buffers = ArrayBuffer as unknown as new (length: number, options: object) => Resizable;
  return new Buffers(length, { maxByteLength: 2 * length });
}

function numbered(memory: ArrayBufferLike): ArrayBufferLike {
  new Uint8Array(memory).set(Array.from({ length: 32 }, (_, i) => 200 + i));
  return memory;
}

const sixteen = Uint8Array.from({ length: 16 }, (_, i) => 208 + i);

describe('memory in a value', () => {
  describe.each(views.map((Type) => [Type.name, Type] as const))('seen as %s', (_name, Type) => {
    it.each([
      ['plain', () => new ArrayBuffer(32)],
      ['shared', () => new SharedArrayBuffer(32)],
      ['resizable', () => resizable(32)],
    ])('arrives as its bytes, and nothing else of this process does (%s)', (_kind, make) => {
      const view = viewOf(Type, numbered(make()));
      expect([...encode([view])]).toEqual([0x91, 0xc4, 16, ...sixteen]);
      expect(back({ a: { b: [view] }, c: view })).toEqual({ a: { b: [sixteen] }, c: sixteen });
    });

    it('is refused when the memory was taken away', () => {
      const memory = new ArrayBuffer(32);
      const view = viewOf(Type, memory);
      structuredClone(memory, { transfer: [memory] });
      expect(() => encode([view])).toThrow(lost);
      const shrunk = resizable(32);
      const outside = viewOf(Type, shrunk);
      shrunk.resize(4);
      expect(() => encode({ outside })).toThrow(lost);
    });
  });

  it('arrives as its bytes without any view, too', () => {
    expect(back([numbered(new ArrayBuffer(32)), new SharedArrayBuffer(1)])).toEqual([
      Uint8Array.from({ length: 32 }, (_, i) => 200 + i),
      new Uint8Array(1),
    ]);
    const gone = new ArrayBuffer(8);
    structuredClone(gone, { transfer: [gone] });
    expect(() => encode([gone])).toThrow(lost);
    expect(back([new Uint8Array(0), new DataView(new ArrayBuffer(0))])).toEqual([
      new Uint8Array(0),
      new Uint8Array(0),
    ]);
  });

  it('of any size comes back', () => {
    for (const length of [255, 256, 65_535, 65_536, 300_000]) {
      const bytes = new Uint8Array(length).fill(7);
      expect(Buffer.compare((back([bytes]) as [Uint8Array])[0], bytes)).toBe(0);
    }
  });

  it('is as long as it is, whatever its properties say', () => {
    const bytes = Uint8Array.of(1, 2);
    Object.defineProperty(bytes, 'byteLength', { value: 60 });
    Object.defineProperty(bytes, 'length', { value: 60 });
    expect(back([bytes])).toEqual([Uint8Array.of(1, 2)]);
    const pretends: unknown = Object.create(Uint8Array.prototype, {
      byteLength: { value: 60 },
      length: { value: 60 },
    });
    expect(() => encode([pretends])).toThrow(refused);
  });
});

describe('what no receiver could read is refused', () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i += 1) value = i % 2 === 0 ? [value] : { value };
    return value;
  };

  it('nesting, at the same depth as there', () => {
    expect(back(nested(512))).toEqual(nested(512));
    expect(() => encode(nested(513))).toThrow(refused);
    expect(() => encode(nested(100_000))).toThrow(refused);
    const json = codecOf('json');
    for (const wide of ['', '{[,"'.repeat(400)]) {
      const payload = json.encode([wide, nested(511)]);
      expect(json.decode(Kind.JSON, payload, 0, payload.length)).toEqual([wide, nested(511)]);
      expect(() => json.encode([wide, nested(512)])).toThrow(refused);
    }
  });

  it('more values than it would take', () => {
    const many = new Array<number>((1 << 24) + 1).fill(1); // a byte each
    expect(() => encode(many)).toThrow(refused);
    expect(() => encode([many.slice(1 << 23), many.slice(1 << 23)])).toThrow(refused);
    expect(() => encode(new Array(2 ** 32 - 1))).toThrow(refused);
  }, 60_000);

  it('a toJSON() without end', () => {
    class Endless {
      toJSON(): unknown {
        return new Endless();
      }
    }
    const itself = { toJSON: (): unknown => itself };
    for (const value of [new Endless(), itself]) expect(() => encode(value)).toThrow(refused);
  });
});

describe('msgpack', () => {
  it('brings all data back that is data', () => {
    const key = fc.string({ unit: 'binary' }).filter((text) => text !== '__proto__');
    const data = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'medium' },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.double().map((number) => number + 0), // -0 arrives as 0
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.date({ noInvalidDate: true }),
        fc.uint8Array({ maxLength: 300 }),
        fc.array(tie('any')),
        fc.dictionary(key, tie('any'), { noNullPrototype: true }),
      ),
    })).any;
    fc.assert(
      fc.property(data, (value) => {
        expect(back(value)).toStrictEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  it('writes heads of every size', () => {
    for (const size of [0, 1, 15, 16, 31, 32, 63, 64, 85, 86, 255, 256, 65_535, 65_536, 1e6]) {
      for (const unit of ['x', 'ř', '漢', '🐎']) {
        const text = unit.repeat(size);
        expect(back([text, 1])).toEqual([text, 1]);
      }
    }
    for (const size of [15, 16, 65_535, 65_536, 100_000]) {
      const list = Array.from({ length: size }, (_, i) => i);
      expect(back(list)).toEqual(list);
      const object = Object.fromEntries(list.map((i) => [`k${i}`, i]));
      expect(back(object)).toEqual(object);
      expect(back({ ...object, none: undefined })).toEqual(object);
    }
  });

  it('writes half of a pair of units as a replacement character, wherever it stands', () => {
    for (const [text, read] of [
      ['\ud800', '\ufffd'],
      ['a\udc00\ud800b', 'a\ufffd\ufffdb'],
      ['x'.repeat(70) + '\ud83d', 'x'.repeat(70) + '\ufffd'],
    ]) {
      expect(back([text, { [`${text}`]: 'end' }])).toEqual([read, { [`${read}`]: 'end' }]);
    }
  });

  it('leaves what it returned alone: a payload is never written over', () => {
    const payloads: [Uint8Array, unknown][] = [];
    for (let i = 0; i < 3000; i += 1) {
      const value = { i, text: 'x'.repeat(i % 100) };
      payloads.push([codec.encode(value), value]);
    }
    for (const [payload, value] of payloads) {
      expect(codec.decode(Kind.MSGPACK, payload, 0, payload.length)).toEqual(value);
    }
  });

  it('may be asked for another message in the middle of one', () => {
    const inner: unknown[] = [];
    const value = (text: string): object => ({
      before: text,
      get inner() {
        inner.push(back({ large: 'y'.repeat(100_000), text }));
        return text;
      },
      large: 'z'.repeat(100_000),
      last: { toJSON: () => [back([text]), encode(['unread'])] },
    });
    const read = back([value('a'), value('b')]) as { before: string; inner: string }[];
    expect(read.map(({ before, inner: own }) => [before, own])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ]);
    expect(read[1]).toHaveProperty('last', [['b'], encode(['unread'])]);
    expect(inner).toEqual(['a', 'b'].map((text) => ({ large: 'y'.repeat(100_000), text })));
  });

  it('goes on after an error in the middle of a message', () => {
    const cause = new Error('mine');
    const failing = {
      text: 'secret'.repeat(1000),
      get bad(): never {
        throw cause;
      },
    };
    for (const large of ['', 'x'.repeat(100_000)]) {
      expect(() => encode([large, failing])).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_CODEC', cause }),
      );
      expect([...encode([1])]).toEqual([0x91, 1]);
      expect(() => encode([large, { toJSON: () => encode([failing]) }])).toThrow(refused);
      expect(back({ after: large })).toEqual({ after: large });
    }
  });

  it('writes what getters do to the value that holds them, and stays readable', () => {
    const list: unknown[] = [1, 2, 3];
    Object.defineProperty(list, 0, {
      enumerable: true,
      get() {
        list.length = 1;
        return 0;
      },
    });
    expect(back(list)).toEqual([0, null, null]);
    const object: Record<string, unknown> = {
      get first() {
        delete object['second'];
        object['third'] = 3;
        return 1;
      },
      second: 2,
    };
    expect(back(object)).toEqual({ first: 1 });
  });

  it('knows plain objects by what they are, not by what they say', () => {
    class Point {
      x = 1;
      get double() {
        return 2 * this.x;
      }
    }
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    const named = { constructor: 'me', hasOwnProperty: 'mine' };
    expect(back([new Point(), bare, named])).toStrictEqual([{ x: 1 }, { a: 1 }, named]);
    expect(back(Object.create({ inherited: 1 }))).toEqual({});
  });

  it.each([
    ['a symbol', { a: Symbol('a') }],
    ['a function', [() => 1]],
    ['Map', { map: new Map() }],
    ['Set', new (class extends Set {})()],
    ['WeakMap', new WeakMap()],
    ['Promise', [Promise.resolve(1)]],
    ['Error', new TypeError('no')],
    ['RegExp', /x/],
    ['String', new String('s')],
    ['Blob', new Blob(['x'])],
    [
      'Rows',
      new (class Rows {
        *[Symbol.iterator]() {}
      })(),
    ],
    ['undefined', undefined],
    ['bigint 18446744073709551616', 2n ** 64n],
    ['bigint -9223372036854775809', -(2n ** 63n) - 1n],
    ['invalid', [new Date(NaN)]],
  ])('refuses what would not survive, and names it: %s', (name, value) => {
    expect(() => encode(value)).toThrow(refused);
    expect(() => encode(value)).toThrow(name);
  });
});
