// Kafka's own DumpLogSegments reads the segments, indexes and snapshots that crates/log writes, and has nothing to say against them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../house/root.ts';
import { dump, jars, missing } from './support/kafka.ts';

/** A partition as the program that wrote it tells of it. */
interface Written {
  readonly folder: string;
  /** Offset of its first record, and the one behind its last. */
  readonly base: number;
  readonly end: number;
  readonly batches: number;
  readonly segments: number;
}

const dir = mkdtempSync(join(tmpdir(), 'chaski-segments-'));
let partitions: readonly Written[] = [];

/** Compiling and Maven may take their time. */
const preparing = 600_000;

beforeAll(() => {
  if (missing !== undefined) return;
  jars();
  const args = ['run', '--quiet', '--locked', '--example', 'segments', '--', dir];
  const cwd = join(root, 'crates/log');
  const told = execFileSync('cargo', args, { cwd, encoding: 'utf8' });
  const each = told.trim().split('\n');
  partitions = each.map((line) => {
    const [folder = '', ...numbers] = line.split(' ');
    const [base = 0, end = 0, batches = 0, segments = 0] = numbers.map(Number);
    return { folder, base, end, batches, segments };
  });
}, preparing);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const files = (folder: string, kind: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(`.${kind}`))
    .toSorted()
    .map((name) => join(folder, name));

const baseOf = (path: string) => Number(/(\d{20})\.log$/.exec(path)?.[1]);

const lines = (text: string) => text.split('\n').toSorted();

const count = (text: string, what: RegExp) => [...text.matchAll(what)].length;

describe.skipIf(missing !== undefined)(`DumpLogSegments of Kafka (${missing ?? 'there'})`, () => {
  test('of several segments and all codecs it finds each offset once, and nothing wrong', async () => {
    expect(partitions).toHaveLength(2);
    for (const { folder, base, end, batches, segments } of partitions) {
      const logs = files(folder, 'log');
      expect(logs).toHaveLength(segments);
      const beside = ['index', 'timeindex', 'snapshot'].map((kind) => files(folder, kind));
      expect(beside.map((some) => some.length)).toEqual([segments, segments, 2]);
      const { code, stdout, stderr } = await dump([...logs, ...beside.flat()]);
      expect(code).toBe(0);

      // It compares the first record of a segment with −1; that is the one thing that it says, of each that does not begin with 0.
      const remarks = lines(stderr);
      const expected = logs
        .filter((path) => baseOf(path) > 0)
        .map((path) => `Non-consecutive offsets in ${path}\n  -1 is followed by ${baseOf(path)}\n`);
      expect(remarks).toEqual(lines(expected.join('')));

      expect(count(stdout, /isvalid: true/g)).toBe(batches);
      expect(stdout).not.toMatch(/isvalid: false|invalid|mismatch|out of order|could not/i);
      const offsets = [...stdout.matchAll(/^\| offset: (\d+)/gm)].map(([, offset]) =>
        Number(offset),
      );
      expect(offsets).toEqual(Array.from({ length: end - base }, (_, n) => base + n));
      for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
        expect(count(stdout, new RegExp(`compresscodec: ${codec} `, 'g'))).toBe(batches / 5);
      }
      // What was put in is seen: nulls, headers, entries of both indexes, producers.
      for (const seen of [
        /keySize: -1 /,
        /valueSize: -1 /,
        /headerKeys: \[kind,nothing\]/,
        /^offset: \d+ position: \d+$/m,
        /^timestamp: \d+ offset: \d+$/m,
      ]) {
        expect(stdout).toMatch(seen);
      }
      // Three in the newest of the two snapshots at least.
      const producers = /^producerId: 461168601842738790[456] .* firstSequence: \d+ lastSequence/gm;
      expect(count(stdout, producers)).toBe(6);
    }
  });

  test('it would notice: a byte changed, an index that leads astray, something behind the last batch', async () => {
    const { folder } = partitions[1]!;
    const [log, index] = [files(folder, 'log')[0]!, files(folder, 'index')[0]!];
    const told = async (path: string, change: (bytes: Buffer) => Buffer) => {
      const before = readFileSync(path);
      writeFileSync(path, change(Buffer.from(before)));
      const { stdout, stderr } = await dump([path]);
      writeFileSync(path, before);
      return stdout + stderr;
    };
    const changed = (at: number) => (bytes: Buffer) => {
      bytes[at] = bytes[at]! ^ 1;
      return bytes;
    };
    expect(await told(log, changed(5000))).toMatch(/isvalid: false|Exception/);
    expect(await told(index, changed(3))).toMatch(/mismatch/i);
    const zeros = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(100)]);
    expect(await told(log, zeros)).toMatch(/invalid bytes at the end|Exception/);
  });
});
