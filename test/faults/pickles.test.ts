// Pickles that are made up for a while: what Python wrote is taken apart, mixed and damaged, and never does more than be refused.
import { describe, expect, it } from 'vitest';

import { ChaskiError } from '../../ts/errors.ts';
import { decode, encode, fixtures, fixturesOfNumpy1 } from '../unit/codec/pickle/support.ts';
import { Chance } from './support/chance.ts';

/** How long it goes on, in seconds. */
const seconds = Number(process.env['CHASKI_FUZZ_SECONDS'] || 60);
const mebibyte = 1 << 20;

/** Numbers at which lengths, indices and integers change their nature, as four bytes. */
const limits = [0, 1, 0xff, 0x100, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].map((number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
});

/** Opcodes that take what is on the stack. */
const opcodes = Buffer.from('().0BCGJKMNRX]abehjqrstu}2');

describe('pickles', () => {
  it(
    `that are made up for ${seconds} s are values or refused, in bounds of time and memory`,
    { timeout: (seconds + 120) * 1000 },
    () => {
      const chance = new Chance('pickles');
      const corpus: Buffer[] = [...fixtures, ...fixturesOfNumpy1]
        .map(({ bytes }) => Buffer.from(bytes))
        .filter(({ length }) => length < 2000);
      const counts = { read: 0, refused: 0, written: 0 };
      let slowest = 0;
      globalThis.gc!();
      const before = process.memoryUsage();
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) {
        const bytes = madeUp(chance, corpus);
        const start = performance.now();
        let value: unknown;
        try {
          value = decode(bytes);
          counts.read += 1;
          // So that the next ones begin with what came through.
          if (corpus.length < 4000 && bytes.length < 400) corpus.push(bytes);
        } catch (error) {
          expectRefusal(error, bytes);
          counts.refused += 1;
          continue;
        } finally {
          slowest = Math.max(slowest, performance.now() - start);
        }
        try {
          const written = encode(value);
          decode(written);
          counts.written += 1;
        } catch (error) {
          expectRefusal(error, bytes);
        }
      }
      globalThis.gc!();
      const grown = process.memoryUsage().heapUsed - before.heapUsed;
      console.log(
        `pickles: ${JSON.stringify(counts)}, the slowest took ${Math.round(slowest)} ms, ` +
          `${Math.round(grown / mebibyte)} MiB more`,
      );
      expect(counts.read).toBeGreaterThan(100);
      expect(counts.refused).toBeGreaterThan(100);
      // What hangs takes longer than anything that a busy machine does.
      expect(slowest).toBeLessThan(10_000);
      expect(grown).toBeLessThan(64 * mebibyte);
    },
  );
});

/** A pickle of the corpus after a few changes. */
function madeUp(chance: Chance, corpus: readonly Buffer[]): Buffer {
  let bytes: Buffer = Buffer.from(chance.of(corpus));
  for (let i = chance.integer(1, 4); i > 0; i -= 1) bytes = changed(chance, corpus, bytes);
  return bytes;
}

function changed(chance: Chance, corpus: readonly Buffer[], bytes: Buffer): Buffer {
  const place = chance.integer(0, bytes.length);
  const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
  const length = chance.integer(1, 16);
  switch (chance.integer(0, 6)) {
    case 0: {
      if (tail.length > 0) tail[0]! ^= 1 << chance.integer(0, 7);
      return bytes;
    }
    case 1:
      return Buffer.concat([head, tail.subarray(length)]);
    case 2:
      return Buffer.concat([head, Buffer.of(chance.of([...opcodes])), tail]);
    case 3:
      return Buffer.concat([head, tail.subarray(0, length), tail]);
    case 4: {
      // A part of another one, as a rule from its middle.
      const other = chance.of(corpus);
      const from = chance.integer(2, other.length);
      return Buffer.concat([head, other.subarray(from, from + chance.integer(1, 64)), tail]);
    }
    case 5:
      return Buffer.concat([head, chance.of(limits), tail.subarray(4)]);
    default:
      return Buffer.concat([
        head,
        Buffer.from(Array.from({ length }, () => chance.integer(0, 255))),
        tail.subarray(length),
      ]);
  }
}

function expectRefusal(error: unknown, bytes: Uint8Array): void {
  if (ChaskiError.is(error) && error.code === 'ERR_CHASKI_CODEC') return;
  throw new Error(`not a refusal, of ${Buffer.from(bytes).toString('hex')}`, { cause: error });
}
