// The Python package net-queue, whose peers chaski talks with: tests and benchmarks run it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The newest version, and the last one before the API changed. What each needs for TCP, and nothing else. */
const packages = {
  '2.6.4': ['net-queue==2.6.4', 'bidict==0.24.1', 'streamview==3.0.1', 'sabctools==9.7.2'],
  '1.1.3': ['net-queue==1.1.3', 'bidict==0.24.1', 'sabctools==9.7.2'],
};

/** @typedef {keyof typeof packages} PythonVersion */

/** @type {readonly PythonVersion[]} */
export const pythonVersions = ['2.6.4', '1.1.3'];

/**
 * Python 3.13, which the package needs: the one that CHASKI_PYTHON names, of pyenv, or in PATH.
 *
 * @returns {string | undefined}
 */
export function findPython() {
  const { CHASKI_PYTHON: named, PYENV_ROOT: pyenv = join(homedir(), '.pyenv') } = process.env;
  if (named) return named;
  const kept = join(pyenv, 'versions');
  const versions = existsSync(kept) ? readdirSync(kept) : [];
  const candidates = versions
    .filter((name) => name.startsWith('3.13.'))
    .map((name) => join(kept, name, 'bin', 'python3.13'));
  return [...candidates, 'python3.13', 'python3'].find((candidate) => {
    const ask = ['-c', 'import sys, ensurepip; print(*sys.version_info[:2])'];
    const told = spawnSync(candidate, ask, { encoding: 'utf8', timeout: 30_000 });
    return told.stdout?.trim() === '3 13';
  });
}

/**
 * A folder with the package in that version, for PYTHONPATH; made when it is first needed, and kept.
 *
 * @param {string} python @param {PythonVersion} version @returns {string}
 */
export function pythonPackage(python, version) {
  return pythonFolder(python, `net-queue-${version}`, packages[version]);
}

/**
 * A folder with packages of those versions, and without what they need; made when it is first needed, and kept.
 *
 * @param {string} python @param {string} name @param {readonly string[]} wanted @returns {string}
 */
export function pythonFolder(python, name, wanted) {
  const stamp = createHash('sha256')
    .update([python, ...wanted].join('\n'))
    .digest('hex');
  const cache = fileURLToPath(new URL('../../node_modules/.cache/python', import.meta.url));
  const folder = join(cache, `${name}-${stamp.slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const made = mkdtempSync(join(cache, 'making-'));
  const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', made, ...wanted];
  const ran = spawnSync(python, install, { encoding: 'utf8', timeout: 140_000 });
  if (ran.status !== 0) {
    rmSync(made, { recursive: true, force: true });
    throw new Error(`${wanted.join(', ')} could not be installed.\n${ran.stdout}${ran.stderr}`);
  }
  try {
    renameSync(made, folder);
  } catch (error) {
    // Another process was quicker.
    rmSync(made, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
