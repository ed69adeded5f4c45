import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { headersAt, headersEnd } from '../../../ts/kaska/headers.ts';

/** A zig-zag number. */
function varint(number: number): number[] {
  const bytes: number[] = [];
  let rest = ((number << 1) ^ (number >> 31)) >>> 0;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

function written(headers: readonly (readonly [string, Uint8Array | null])[]): Uint8Array {
  const bytes = varint(headers.length);
  for (const [name, value] of headers) {
    const own = Buffer.from(name);
    bytes.push(...varint(own.length), ...own);
    bytes.push(...varint(value === null ? -1 : value.length), ...(value ?? []));
  }
  return Uint8Array.from(bytes);
}

/** What reading headers fails with, if it does. */
function codeOf(bytes: Uint8Array): unknown {
  try {
    headersAt(bytes, 0);
    return undefined;
  } catch (error) {
    return (error as { code: unknown }).code;
  }
}

describe('headers of a record', () => {
  it('are read as they were written, wherever they lie', () => {
    const header = fc.tuple(
      fc.string({ unit: 'grapheme', maxLength: 200 }),
      fc.option(fc.uint8Array({ maxLength: 200 })),
    );
    fc.assert(
      fc.property(fc.array(header), fc.nat(20), fc.nat(20), (headers, before, behind) => {
        const bytes = written(headers);
        const memory = new Uint8Array(before + bytes.length + behind).fill(0xff);
        memory.set(bytes, before);
        expect(headersAt(memory, before)).toEqual(headers);
        expect(headersEnd(memory, before)).toBe(before + bytes.length);
      }),
    );
  });

  it('that are none are an error, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        expect([undefined, 'ERR_CHASKI_CORRUPT']).toContain(codeOf(bytes));
      }),
    );
    for (const bytes of [[], [1], [0x80, 0x80, 0x80, 0x80, 0x80, 1], [2, 3, 0], [2, 0, 100]]) {
      expect(() => headersAt(Uint8Array.from(bytes), 0)).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_CORRUPT' }),
      );
    }
  });
});
