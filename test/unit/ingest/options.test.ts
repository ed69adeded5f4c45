import { describe, expect, it } from 'vitest';
import { UNBOUNDED, UsageError, parseOptions } from '../../../examples/ingest/options.mjs';

describe('the options of npm start', () => {
  it('ingest the cities, bounded, when nothing is said', () => {
    expect(parseOptions([])).toEqual({
      input: 'cities',
      files: [],
      producers: 2,
      bytes: 2 ** 30,
      seconds: 20,
      stallSeconds: 30,
      out: undefined,
      fresh: false,
      crashes: 0,
      unix: false,
      help: false,
    });
  });

  it('ingest files whole, in the order in which they are named', () => {
    const options = parseOptions(['b.log', 'a.log']);
    expect(options).toMatchObject({ input: 'files', files: ['b.log', 'a.log'] });
    expect(options).toMatchObject({ bytes: UNBOUNDED, seconds: Infinity });
  });

  it('take a dash for standard input, alone only', () => {
    expect(parseOptions(['-'])).toMatchObject({ input: 'stdin', files: [] });
    expect(() => parseOptions(['-', 'a.log'])).toThrow(/stands alone/);
  });

  it.each([
    ['7', 7],
    ['5000000', 5e6],
    ['10MB', 1e7],
    ['64MiB', 2 ** 26],
    ['1.5 kib', 1536],
    ['2GiB', 2 ** 31],
  ])('read the size %s', (text, bytes) => {
    expect(parseOptions(['--bytes', text]).bytes).toBe(bytes);
  });

  it.each([
    [['--bytes', '0']],
    [['--bytes', '-1']],
    [['--bytes', '12XB']],
    [['--bytes', 'MiB']],
    [['--bytes', '99999999999TiB']],
    [['--seconds', '0']],
    [['--seconds', 'x']],
    [['--stall-seconds', '0']],
    [['--producers', '0']],
    [['--producers', '1.5']],
    [['--producers', '65']],
    [['--producers']],
    [['--out', '']],
    [['--out', 'x', '--fresh']],
    [['--crash=0']],
    [['--crash=x']],
    [['--crash=101']],
    [['--unknown']],
    [['']],
  ])('refuse %j', (args) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
  });

  it('take --crash with and without a number', () => {
    expect(parseOptions(['--crash']).crashes).toBe(5);
    expect(parseOptions(['--crash=12', 'a.log'])).toMatchObject({ crashes: 12, files: ['a.log'] });
  });

  it('say nothing that moves the cursor', () => {
    expect(() => parseOptions(['--bytes=\u001b[2J'])).toThrow(/^--bytes \ufffd\[2J:/);
  });
});
