import { appendFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  Extent,
  LONGEST_RECORD,
  blocks,
  citiesSource,
  expectedBytes,
  filesSource,
  recordEnds,
  stdinSource,
} from '../../../examples/ingest/records.mjs';
import type { Source } from '../../../examples/ingest/records.mjs';
import { put, testFolder } from './folder.ts';

const everything = Number.MAX_SAFE_INTEGER;

async function recordsOf(source: Source, extent?: Extent): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const { data, ends } of await blocks(source, extent)) {
    let start = 0;
    for (const end of ends) {
      found.push(data.subarray(start, end));
      start = end;
    }
    expect(start).toBe(data.length);
  }
  return found;
}

async function linesOf(content: string | Uint8Array, limit = everything): Promise<string[]> {
  const path = put(testFolder(), 'file', content);
  const found = await recordsOf(await filesSource([path], limit));
  return found.map((record) => record.toString('latin1'));
}

describe('the records of files', () => {
  it('are lines with all that belongs to them', async () => {
    expect(await linesOf('one\ntwo\r\n\r\n\n\rthree\u0000\nlast')).toEqual([
      'one\n',
      'two\r\n',
      '\r\n',
      '\n',
      '\rthree\u0000\n',
      'last',
    ]);
  });

  it('end with the file, with or without a newline', async () => {
    expect(await linesOf('')).toEqual([]);
    expect(await linesOf('\n')).toEqual(['\n']);
    expect(await linesOf('a')).toEqual(['a']);
    expect(await linesOf('a\n')).toEqual(['a\n']);
  });

  it('are the file, one after the other, whatever its bytes and however blocks cut it', async () => {
    // Deterministic noise: 5 MB with a newline every 50 bytes or so, one very long line in the middle.
    const noise = Buffer.alloc(5_000_000);
    let state = 1;
    for (let i = 0; i < noise.length; i += 1) {
      state = (state * 48_271) % 2_147_483_647;
      noise[i] = i > 1_000_000 && i < 4_200_000 ? 7 : state % 50 === 0 ? 10 : state & 0xff;
    }
    const found = await recordsOf(
      await filesSource([put(testFolder(), 'noise', noise)], everything),
    );
    expect(Buffer.concat(found).equals(noise)).toBe(true);
    const newlines = found.map((record) => record.indexOf(10));
    expect(newlines.every((at, i) => at === found[i]!.length - 1 || i === found.length - 1)).toBe(
      true,
    );
    expect(Math.max(...found.map((record) => record.length))).toBeGreaterThan(3_100_000);
  });

  it('stay apart where one file ends without a newline and the next begins', async () => {
    const folder = testFolder();
    const paths = [put(folder, 'a', 'x\ny'), put(folder, 'b', ''), put(folder, 'c', 'z\n')];
    const found = await recordsOf(await filesSource(paths, everything));
    expect(found.map(String)).toEqual(['x\n', 'y', 'z\n']);
  });

  it('keep their memory when further blocks are read', async () => {
    const line = `${'v'.repeat(99)}\n`;
    const path = put(testFolder(), 'file', line.repeat(40_000));
    const found = await recordsOf(await filesSource([path], everything));
    expect(found.every((record) => record.toString() === line)).toBe(true);
  });

  it('begin before the limit', async () => {
    expect(await linesOf('aa\nbb\ncc\n', 1)).toEqual(['aa\n']);
    expect(await linesOf('aa\nbb\ncc\n', 3)).toEqual(['aa\n']);
    expect(await linesOf('aa\nbb\ncc\n', 4)).toEqual(['aa\n', 'bb\n']);
    expect(await linesOf('aa\nbb\ncc\n', 9)).toEqual(['aa\n', 'bb\n', 'cc\n']);
  });

  it('are pieces where a line is longer than the longest record', async () => {
    const folder = testFolder();
    for (const extra of [-1, 0, 1]) {
      const content = Buffer.alloc(2 * LONGEST_RECORD + extra, 'x');
      content[content.length - 1] = 10;
      const source = await filesSource([put(folder, `long${extra}`, content)], everything);
      const lengths = (await recordsOf(source)).map((record) => record.length);
      expect(lengths).toEqual(
        [LONGEST_RECORD, LONGEST_RECORD + Math.min(0, extra), extra].filter((length) => length > 0),
      );
    }
  });

  it('fail with a reason', async () => {
    const folder = testFolder();
    await expect(filesSource([`${folder}/nothing`], everything)).rejects.toThrow(
      /nothing: there is no such file/,
    );
    await expect(filesSource([folder], everything)).rejects.toThrow(/it is a folder/);
    await expect(filesSource(['/dev/null'], everything)).rejects.toThrow(/not a regular file/);
  });

  it('end at the size that the file had at first', async () => {
    const path = put(testFolder(), 'file', 'one\ntwo');
    const source = await filesSource([path], everything);
    appendFileSync(path, '\nthree\n');
    expect((await recordsOf(source)).map(String)).toEqual(['one\n', 'two']);
  });

  it('fail when the file becomes shorter', async () => {
    const path = put(testFolder(), 'file', 'one\ntwo\n');
    const source = await filesSource([path], everything);
    truncateSync(path, 5);
    await expect(recordsOf(source)).rejects.toThrow(/became shorter/);
  });
});

describe('recordEnds', () => {
  it('looks for newlines from where it is told on', () => {
    expect(recordEnds(Buffer.from('abc\nd'), 3)).toEqual([4]);
    expect(recordEnds(Buffer.from('abc'), 3)).toEqual([]);
  });
});

describe('the cities', () => {
  it('are JSON records of a real data set, again and again', async () => {
    const source = await citiesSource(join(testFolder(), 'cities'), 40_000_000);
    expect(expectedBytes(source)).toBe(40_000_000);
    const found = await recordsOf(source);
    const names = new Set(found.slice(0, 1000).map((record) => JSON.parse(record.toString()).name));
    expect(names.size).toBeGreaterThan(900);
    const first = found[0]!;
    const again = found.findIndex((record, i) => i > 0 && record.equals(first));
    expect(again).toBeGreaterThan(100_000);
    const bytes = found.reduce((sum, record) => sum + record.length, 0);
    expect(bytes).toBeGreaterThanOrEqual(40_000_000);
    expect(bytes - found.at(-1)!.length).toBeLessThan(40_000_000);
  });
});

describe('a file that grows while it is read', () => {
  it('gives each record once it is whole, and the rest at the end', async () => {
    const folder = testFolder();
    const path = put(folder, 'stdin', 'one\ntw');
    const source = stdinSource(path, everything);
    const extent = new Extent(6, false);
    const reader = await blocks(source, extent);
    const text = async () => {
      const { value } = await reader.next();
      return value === undefined ? undefined : value.data.toString();
    };
    expect(await text()).toBe('one\n');
    const next = text();
    put(folder, 'stdin', 'one\ntwo\nthree');
    extent.grow(13);
    expect(await next).toBe('two\n');
    const last = text();
    extent.end();
    expect(await last).toBe('three');
    expect(await text()).toBeUndefined();
  });

  it('has no size to expect', () => {
    expect(expectedBytes(stdinSource('any', everything))).toBeUndefined();
  });
});
