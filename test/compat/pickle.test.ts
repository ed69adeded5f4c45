// Pickles of CPython and numpy, and ours in CPython: every line of the table in docs/values.md, both ways, and values of all sizes.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';

import { FrozenSet, NdArray, pickle, Tuple, Uuid } from 'chaski/net-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { pythonFolder } from '../../scripts/lib/python.mjs';
import { root } from '../house/root.ts';
import { interpreter, versions } from './support/python.ts';
import { clientOf, python, server } from './support/worlds.ts';

const program = fileURLToPath(new URL('fixtures/pickles.py', import.meta.url));

/** Answers of Python to all questions, in a process that reads nothing but what the documentation allows. */
function ask(questions: readonly object[]): Record<string, unknown>[] {
  const ran = spawnSync(interpreter as string, [program], {
    env: {
      ...process.env,
      PYTHONPATH: pythonFolder(interpreter as string, 'numpy', ['numpy==2.3.5']),
    },
    input: questions.map((question) => `${JSON.stringify(question)}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 120_000,
  });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const names = { FrozenSet, NdArray, Tuple, Uuid };

/** The value of an expression between backquotes. */
function valueOf(cell: string): unknown {
  const evaluate = compileFunction(`return (${cell})`, Object.keys(names)) as (
    ...classes: unknown[]
  ) => unknown;
  return evaluate(...Object.values(names));
}

const [, documented = ''] = readFileSync(join(root, 'docs', 'values.md'), 'utf8').split(
  '## Python',
);
const lines = documented
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .slice(2, -1)
      .split(' | ')
      .map((cell) => cell.trim().slice(1, -1)),
  );

const serializer = pickle();
const hexOf = (value: unknown): string => Buffer.from(serializer.encode(value)).toString('hex');
const decoded = (hex: unknown): unknown => serializer.decode(Buffer.from(hex as string, 'hex'));

describe.skipIf(interpreter === undefined)('CPython with numpy', () => {
  test('pickles every value of the table, and gets it back, as the table says', () => {
    expect(lines.length).toBeGreaterThan(30);
    const put = ask(lines.map(([expression]) => ({ expression })));
    for (const [i, [expression, told]] of lines.entries()) {
      const value = valueOf(told!);
      for (const hex of put[i]!['pickles'] as string[]) {
        expect([expression, decoded(hex)]).toStrictEqual([expression, value]);
      }
    }
    const back = ask(
      lines.map(([same, told, other]) => ({
        hex: hexOf(valueOf(told!)),
        expression: other === '' ? same : other,
      })),
    );
    for (const [i, answer] of back.entries()) {
      expect([lines[i]![0], answer]).toEqual([lines[i]![0], { same: true, got: answer['got'] }]);
    }
  });

  test('gives any data back that it was given, large and small', () => {
    const key = fc.string().filter((name) => name !== '__proto__');
    const { value: data } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, true, false, Infinity, -0, 2n ** 64n, -(2n ** 63n) - 1n),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.bigInt().filter((big) => big > 2n ** 53n || big < -(2n ** 53n)),
        fc.double({ noNaN: true }),
        fc.string({ unit: 'binary' }),
        fc.uint8Array(),
        fc.float64Array({ noNaN: true }),
        fc.int16Array(),
        fc.array(tie('value')),
        fc.array(tie('value')).map((items) => new Tuple(...items)),
        fc.dictionary(key, tie('value')).map((dict) => ({ ...dict })),
        fc.uniqueArray(fc.integer()).map((items) => new Set(items)),
        fc.uuid().map((text) => new Uuid(text)),
      ),
    }));
    const values = [
      ...fc.sample(data, { numRuns: 300, seed: 1 }),
      // Beside and within the frames.
      new Uint8Array(70_000).fill(1),
      [1, new Uint8Array(65_536), 2, new Uint8Array(65_535), new Float64Array(9000), 'x'],
      'x'.repeat(70_000),
      'é'.repeat(40_000),
      Array.from({ length: 10_000 }, (_, i) => i * 1000),
    ];
    const back = ask(values.map((value) => ({ hex: hexOf(value) })));
    for (const [i, { pickles }] of back.entries()) {
      for (const hex of pickles as string[]) {
        expect(decoded(hex)).toStrictEqual(values[i]);
      }
    }
  });
});

describe.skipIf(interpreter === undefined).each(versions)('net-queue %s of Python', (version) => {
  const value = { text: 'é', list: [1, 2.5, null], nested: { a: [true] } };

  test('and a server of chaski exchange pickles', async () => {
    const [queue, port] = await server({ serializer: 'pickle' });
    const peer = await python(version, 'client', { port, serializer: 'pickle' });
    await peer.put([{ value }, { hex: '00ff' }]);
    expect((await queue.get()).data).toEqual(value);
    expect((await queue.get()).data).toEqual(Uint8Array.of(0, 255));
    await queue.put(value);
    await queue.put(new Uint8Array(100_000).fill(7));
    const [first, second] = await peer.get(2);
    expect(first!.value).toEqual(value);
    expect(second!.size).toBe(100_000);
  });

  test('and a client of chaski exchange pickles', async () => {
    const peer = await python(version, 'server', { serializer: 'pickle' });
    const queue = await clientOf(peer, { serializer: pickle({ allow: [] }) });
    await queue.put(value);
    expect((await peer.get(1))[0]!.value).toEqual(value);
    await peer.put([{ value }], queue.id);
    expect((await queue.get()).data).toEqual(value);
  });
});
