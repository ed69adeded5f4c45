// What `npm start` and `npm test` say where they cannot build: run on a copy of the checkout that has its npm
// packages, but no addon.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { platformName } from '../../scripts/lib/platform.mjs';
import { root } from './root.ts';

let scratch: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'chaski-ensure-'));
  for (const name of ['package.json', 'package-lock.json', 'Cargo.toml', 'scripts', 'npm']) {
    cpSync(join(root, name), join(scratch, 'clone', name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(scratch, 'clone', 'node_modules'), 'junction');
});

afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** `npm run build`, or another script, with nothing on the PATH but `bin`. */
function build(bin = '', args = ['scripts/build.mjs']) {
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    cwd: join(scratch, 'clone'),
    encoding: 'utf8',
    env: { PATH: [bin, join(scratch, 'nothing')].join(delimiter) },
  });
  return { stdout, stderr, status };
}

test('without cargo it says which Rust to install and where to get it', () => {
  const { stderr, status } = build();
  expect(stderr).toMatch(
    /cargo was not found\. Install Rust [\d.]+ or later \(https:\/\/rustup\.rs\)/,
  );
  expect(stderr).not.toContain('    at ');
  expect(status).toBe(1);
});

test('npm test ends with what failed, why, and the sums, in this order', () => {
  const { stdout, status } = build('', ['scripts/test.mjs', '--only', 'build']);
  expect(stdout.trimEnd().split('\n').slice(-6)).toEqual([
    expect.stringMatching(/^FAIL build .* 0 passed, 1 failed$/),
    '',
    'build',
    expect.stringContaining('cargo was not found'),
    '',
    '0 passed, 1 failed',
  ]);
  expect(status).toBe(1);
});

test.skipIf(process.platform === 'win32')('with an old cargo it says how to update', () => {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'cargo'), '#!/bin/sh\necho "cargo 1.70.0 (abc 2023-01-01)"\n');
  chmodSync(join(bin, 'cargo'), 0o755);
  const { stderr, status } = build(bin);
  expect(stderr).toMatch(
    /Rust 1\.70 is too old: [\d.]+ or later is needed\. Run: rustup update stable/,
  );
  expect(status).toBe(1);
});

test('with the platform package of the same version it needs no cargo', () => {
  const platform = platformName();
  const folder = join(scratch, 'node_modules', '@chaski', `native-${platform}`);
  cpSync(join(root, 'npm', platform), folder, { recursive: true });
  expect(build().stdout).toContain(`Using the prebuilt addon of @chaski/native-${platform}`);
});

test('a platform package of another version does not help', () => {
  const folder = join(scratch, 'node_modules', '@chaski', `native-${platformName()}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"version":"0.0.1"}');
  expect(build().stderr).toContain('cargo was not found');
});

test('a lock whose holder died is taken over', () => {
  mkdirSync(join(scratch, 'clone', '.cache'));
  const { pid } = spawnSync(process.execPath, ['--version']);
  writeFileSync(join(scratch, 'clone', '.cache', 'build.lock'), String(pid));
  expect(build().stderr).toContain('cargo was not found');
});
