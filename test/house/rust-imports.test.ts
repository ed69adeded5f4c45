import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesUnder, root } from './root.ts';
import { cargoPackages, crateViolations } from './rust-rules.ts';

const dependency = (name: string, kind: 'build' | 'dev' | null = null) => ({ name, kind });

describe('crates depend on each other in one direction', () => {
  test('all crates of the workspace obey', () => {
    expect(crateViolations(cargoPackages('ours'))).toEqual([]);
  });

  test.each([
    ['chunk', 'wire', 'chunk may not depend on wire'],
    ['wire', 'queue', 'wire may not depend on queue'],
    ['wire', 'io', 'wire may not depend on io'],
    ['queue', 'io', 'queue may not depend on io'],
    ['io', 'queue', 'io may not depend on queue'],
    ['log', 'wire', 'log may not depend on wire'],
    ['queue', 'napi', 'only addon may depend on napi, not queue'],
    ['io', 'napi-derive', 'only addon may depend on napi-derive, not io'],
    ['addon', 'mio', 'only io may depend on mio, not addon'],
    ['wire', 'socket2', 'only io may depend on socket2, not wire'],
    ['broker', 'addon', 'nothing may depend on addon, not even broker'],
  ])('%s -> %s is refused', (name, used, sentence) => {
    expect(crateViolations([{ name, dependencies: [dependency(used)] }])).toContain(sentence);
  });

  test('a crate without a place is refused', () => {
    expect(crateViolations([{ name: 'utils', dependencies: [] }])).toEqual([
      'utils has no place in the house',
    ]);
  });

  test('tests of a crate may use others, but not addon', () => {
    const dev = (used: string) =>
      crateViolations([{ name: 'io', dependencies: [dependency(used, 'dev')] }]);
    expect(dev('queue')).toEqual([]);
    expect(dev('addon')).not.toEqual([]);
  });
});

describe('sans-io crates know no clock, no socket, no thread and no file', () => {
  const outside =
    /\b(?:Instant::now|SystemTime::now|std::net|std::thread|std::fs|std::io::(?:Read|Write)|std::os::fd)\b/;

  /** Code without comments and without the tests at the end of the file. */
  const code = (text: string) =>
    text.replace(/#\[cfg\((?:all\()?test[\s\S]*/, '').replace(/\/\/.*$/gm, '');

  test.each(['wire', 'queue', 'mesh', 'rpc', 'kaska'])('%s', (crate) => {
    const found = filesUnder(`crates/${crate}/src`, '.rs').filter((path) =>
      outside.test(code(readFileSync(join(root, path), 'utf8'))),
    );
    expect(found).toEqual([]);
  });

  test('a clock in code is seen, one in a comment or a test is not', () => {
    expect(outside.test(code('let now = Instant::now();'))).toBe(true);
    expect(
      outside.test(code('// like Instant::now\n#[cfg(test)]\nmod tests { Instant::now() }')),
    ).toBe(false);
  });
});

test('unsafe code stands only where the style guide allows it', () => {
  // A test of the reactor plays the event loop, which takes system calls.
  const allowed = ['crates/chunk/', 'crates/io/src/sys/', 'crates/io/tests/', 'crates/addon/'];
  const found = filesUnder('crates', '.rs')
    .filter((path) => !allowed.some((room) => path.startsWith(room)))
    .filter((path) =>
      /\bunsafe\s*(?:\{|fn|impl)/.test(
        readFileSync(join(root, path), 'utf8').replace(/\/\/.*$/gm, ''),
      ),
    );
  expect(found).toEqual([]);
});
