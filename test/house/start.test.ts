// `npm start` as npm runs it: at the root, whatever folder the user typed it in.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { npm } from '../../scripts/lib/run.mjs';
import { root } from './root.ts';

function start(...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'chaski-start-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'access.log'), 'one\ntwo\n');
  const [command = 'npm', ...before] = npm();
  const { INIT_CWD: _, ...env } = process.env;
  const { stdout, stderr, status } = spawnSync(
    command,
    [...before, '--prefix', root, 'start', '--silent', '--', ...args],
    { cwd: folder, env, encoding: 'utf8', timeout: 60_000 },
  );
  return { stdout, stderr, status };
}

test('names of files begin where the user typed them', () => {
  const { stdout, status } = start('access.log', '--out', 'kept');
  expect(stdout).toContain('verified: 2 records');
  expect(stdout).toMatch(/log +kept\n/);
  expect(status).toBe(0);
});

test('a file that is not there is named as the user named it', () => {
  const { stderr, status } = start('missing.log');
  expect(stderr).toContain('Failed: cannot read missing.log: there is no such file or folder');
  expect(status).toBe(1);
});
