import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { codecOf, isLost, Kind, pickle } from '../../../ts/codec/index.ts';

const codecError = expect.objectContaining({ code: 'ERR_CHASKI_CODEC' });

/** The payload somewhere inside a larger piece of memory, as an arena has it. */
function inside(payload: Uint8Array): [memory: Uint8Array, offset: number, length: number] {
  const memory = new Uint8Array(payload.length + 20).fill(0x91);
  memory.set(payload, 7);
  return [memory, 7, payload.length];
}

/** See the test of that key. */
function withoutPrototype(value: unknown): boolean {
  return !JSON.stringify(value).includes('"__proto__"');
}

function decodeMsgpack(...bytes: number[]): unknown {
  return codecOf('auto').decode(Kind.MSGPACK, ...inside(Uint8Array.from(bytes)));
}

describe('codecs', () => {
  it('bring values back, wherever they lie in memory', () => {
    for (const name of ['msgpack', 'json'] as const) {
      const codec = codecOf(name);
      fc.assert(
        fc.property(fc.jsonValue().filter(withoutPrototype), (value) => {
          const payload = codec.encode(value).slice();
          expect(codec.decode(codec.kind, ...inside(payload))).toEqual(
            JSON.parse(JSON.stringify(value)),
          );
        }),
      );
    }
  });

  it('let no key of msgpack reach a prototype: __proto__ arrives as __proto_', () => {
    const codec = codecOf('msgpack');
    const value: unknown = JSON.parse('{"__proto__":{"admin":true},"a":1}');
    const back = codec.decode(Kind.MSGPACK, ...inside(codec.encode(value).slice())) as object;
    expect(Object.entries(back)).toEqual([
      ['__proto_', { admin: true }],
      ['a', 1],
    ]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  it('carry bytes, dates, bigints and numbers of any size as msgpack', () => {
    const codec = codecOf('auto');
    const value = {
      bytes: Uint8Array.of(1, 2, 3),
      date: new Date(1_700_000_000_123),
      big: 2n ** 63n - 1n,
      numbers: [0, -1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 1.5, Infinity],
      least: -(2n ** 63n),
      one: 1n,
    };
    const back = codec.decode(Kind.MSGPACK, ...inside(codec.encode(value).slice())) as typeof value;
    expect(new Uint8Array(back.bytes)).toEqual(value.bytes);
    expect(back.date).toEqual(value.date);
    expect(back.big).toBe(value.big);
    expect(back.numbers).toEqual(value.numbers);
    expect([back.least, back.one]).toEqual([value.least, 1n]);
  });

  it('read only what they write, so no sender chooses who looks at its messages', () => {
    const user = { encode: () => new Uint8Array(), decode: () => 'mine' };
    const reads = [
      ['auto', [Kind.BYTES, Kind.MSGPACK]],
      ['bytes', [Kind.BYTES]],
      ['json', [Kind.JSON]],
      ['msgpack', [Kind.MSGPACK]],
      ['pickle', [Kind.PICKLE]],
      [pickle({ allow: [] }), [Kind.PICKLE]],
      [user, [Kind.USER]],
    ] as const;
    for (const [serializer, kinds] of reads) {
      const codec = codecOf(serializer);
      // The first is sound in every kind but the one that the second is of.
      const payload = codec.kind === Kind.PICKLE ? codec.encode(1).slice() : Uint8Array.of(0x31);
      const others = [0, 1, 2, 3, 4, 5, 6, 7].filter((kind) => !kinds.some((own) => own === kind));
      for (const kind of kinds) codec.decode(kind, ...inside(payload));
      for (const kind of others) {
        expect(() => codec.decode(kind, ...inside(payload))).toThrow(codecError);
      }
    }
    expect(() => codecOf(user).decode(Kind.JSON, ...inside(Uint8Array.of(0x31)))).toThrow(
      /JSON \(serializer 'json'\).*Give both sides the same serializer/,
    );
  });

  it('give and take views, not copies, with bytes', () => {
    const codec = codecOf('bytes');
    const words = new Uint16Array([0x0201, 0x0403]);
    expect(codec.encode(words)).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(codec.encode(words).buffer).toBe(words.buffer);
    const memory = new Uint8Array(8);
    expect((codec.decode(Kind.BYTES, memory, 2, 3) as Uint8Array).buffer).toBe(memory.buffer);
    for (const [value, name] of [
      ['text', 'a string'],
      [{}, 'an object'],
      [[], 'an array'],
      [null, 'null'],
      [undefined, 'undefined'],
      [() => 1, 'a function'],
    ] as const) {
      const message = expect.stringContaining(`The message is ${name}; with serializer 'bytes'`);
      expect(() => codec.encode(value)).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT', message }),
      );
    }
  });

  it('report what a serializer of the user throws or returns', () => {
    const throwing = codecOf({
      encode: () => {
        throw new Error('mine');
      },
      decode: () => {
        throw new Error('mine');
      },
    });
    expect(() => throwing.encode(1)).toThrow(codecError);
    expect(() => throwing.decode(Kind.USER, new Uint8Array(1), 0, 1)).toThrow(codecError);
    const wrong = codecOf({ encode: () => 'text' as unknown as Uint8Array, decode: String });
    expect(() => wrong.encode(1)).toThrow(codecError);
  });

  it('refuse values that cannot be written', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => codecOf('json').encode(circle)).toThrow(codecError);
    expect(() => codecOf('json').encode(undefined)).toThrow(codecError);
    expect(() => codecOf('msgpack').encode(circle)).toThrow(codecError);
    expect(() => codecOf('msgpack').encode(2n ** 64n)).toThrow(codecError);
  });
});

describe('hostile msgpack', () => {
  it('is refused when it is cut anywhere, or followed by more', () => {
    const codec = codecOf('auto');
    const value = {
      text: 'x'.repeat(40),
      long: 'y'.repeat(300),
      list: [1, 2, [3, 4.5, -70_000]],
      bytes: new Uint8Array(300),
      date: new Date(5),
      big: 2n ** 60n,
      map: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
    };
    const payload = codec.encode(value).slice();
    for (let length = 0; length < payload.length; length += 1) {
      expect(() => decodeMsgpack(...payload.subarray(0, length))).toThrow(codecError);
    }
    expect(() => decodeMsgpack(...payload, 0)).toThrow(codecError);
  });

  it('cannot claim more than it brings', () => {
    const lies = [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdd, 0x01, 0xff, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xdb, 0xff, 0xff, 0xff, 0xff],
      [0xc6, 0x7f, 0xff, 0xff, 0xff, 0],
      [0xdc, 0xff, 0xff],
      [0x9f],
      [0x8f, 1],
    ];
    for (const lie of lies) expect(() => decodeMsgpack(...lie)).toThrow(codecError);
  });

  it('cannot nest without end', () => {
    const deep = (levels: number): number[] => [
      ...Array.from({ length: levels }, () => 0x91),
      0xc0,
    ];
    expect(() => decodeMsgpack(...deep(512))).not.toThrow();
    expect(() => decodeMsgpack(...deep(513))).toThrow(codecError);
    expect(() => decodeMsgpack(...deep(100_000))).toThrow(codecError);
  });

  it('cannot bring extension types, and no prototype', () => {
    for (const type of [0, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78]) {
      expect(() => decodeMsgpack(0xd4, type, 0)).toThrow(codecError);
      expect(() => decodeMsgpack(0xc7, 1, type, 0)).toThrow(codecError);
    }
    expect(() => decodeMsgpack(0xc1)).toThrow(codecError);
    const key = [...Buffer.from('__proto__')];
    const value = decodeMsgpack(0x81, 0xa9, ...key, 0x81, 0xa1, 0x78, 1) as { x?: number };
    expect(value.x).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('gives a value or a typed error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let error: unknown = codecError;
        try {
          decodeMsgpack(...bytes);
        } catch (error_) {
          error = error_;
        }
        expect(error).toEqual(codecError);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('hostile JSON', () => {
  const decode = (text: string): unknown =>
    codecOf('json').decode(Kind.JSON, ...inside(Buffer.from(text)));

  it('is refused with a typed error', () => {
    for (const text of ['', '{', '[1,]', 'undefined', '"\\']) {
      expect(() => decode(text)).toThrow(codecError);
    }
  });

  it('cannot nest without end; brackets in strings do not count', () => {
    expect(() => decode('['.repeat(100_000))).toThrow(codecError);
    expect(() => decode(`${'['.repeat(513)}${']'.repeat(513)}`)).toThrow(codecError);
    expect(decode(`"${'['.repeat(5000)}\\"${'{'.repeat(5000)}"`)).toHaveLength(10_001);
  });
});

describe('isLost', () => {
  it('tells memory that was taken away from an empty message', () => {
    expect(isLost(new Uint8Array(0))).toBe(false);
    const transferred = new Uint8Array(8);
    structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
    expect(isLost(transferred)).toBe(true);
  });
});
