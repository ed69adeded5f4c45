import { readFileSync } from 'node:fs';

import { codecOf, Kind } from '../../../../ts/codec/index.ts';
import type { PickleSerializer } from '../../../../ts/codec/index.ts';

/** What Python pickled: `fixtures/make.py` says how. */
export interface Fixture {
  readonly name: string;
  readonly protocol: number;
  /** Python has a pickler in C and one in Python. */
  readonly by: 'C' | 'Python';
  readonly bytes: Uint8Array;
}

export const fixtures: readonly Fixture[] = read('cpython');
export const fixturesOfNumpy1: readonly Fixture[] = read('numpy-1');

function read(name: string): Fixture[] {
  const text = readFileSync(new URL(`fixtures/${name}.jsonl`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const { hex, ...rest } = JSON.parse(line) as Omit<Fixture, 'bytes'> & { hex: string };
      return { ...rest, bytes: new Uint8Array(Buffer.from(hex, 'hex')) };
    });
}

/** The value of a pickle somewhere inside a larger piece of memory, as an arena has it. */
export function decode(
  pickle: ArrayLike<number>,
  serializer: 'pickle' | PickleSerializer = 'pickle',
): unknown {
  const memory = new Uint8Array(pickle.length + 20).fill(0x2e);
  memory.set(pickle, 7);
  return codecOf(serializer).decode(Kind.PICKLE, memory, 7, pickle.length);
}

export function encode(value: unknown, serializer: 'pickle' | PickleSerializer = 'pickle'): Buffer {
  return Buffer.from(codecOf(serializer).encode(value));
}

/** A pickle of protocol 4 with these opcodes and what belongs to them. */
export function program(...parts: (number | string | readonly number[])[]): Buffer {
  const bytes = parts.map((part) => {
    if (typeof part === 'string') return Buffer.from(part, 'latin1');
    return Buffer.from(typeof part === 'number' ? [part] : part);
  });
  return Buffer.concat([Buffer.of(0x80, 4), ...bytes]);
}
