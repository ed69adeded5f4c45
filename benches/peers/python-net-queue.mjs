// @ts-check
// The Python package net-queue: with itself, and its client with a server of chaski.
import { fileURLToPath } from 'node:url';
import { findPython, pythonPackage } from '../../scripts/lib/python.mjs';
import chaski from './chaski.mjs';

const VERSION = '2.6.4';
const PROGRAM = fileURLToPath(new URL('../python/endpoint.py', import.meta.url));
const SIZES = [100, 8 * 1024 * 1024];

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: `net-queue ${VERSION} in Python, BufferSerializer`,
  modes: ['callback'],
  variants: {
    python: { env: { BENCH_PYTHON: 'both' } },
    'python-to-chaski': { env: { BENCH_PYTHON: 'send' } },
  },
  fits: (size) => SIZES.includes(size),
  missing,
  version: () => VERSION,
  command,
  // The half of chaski.
  receive: chaski.receive,
};

/** @param {import('../lib/peer.mjs').Spec} spec @param {Record<string, string>} env */
function command(spec, env) {
  if (env.BENCH_PYTHON === 'send' && spec.role === 'receive') return undefined;
  const python = findPython() ?? 'python3.13';
  const path = `PYTHONPATH=${pythonPackage(python, VERSION)}`;
  return { file: '/usr/bin/env', args: [path, python, PROGRAM, JSON.stringify(spec)] };
}

async function missing() {
  const python = findPython();
  if (python === undefined) return 'there is no Python 3.13';
  try {
    pythonPackage(python, VERSION);
  } catch (error) {
    return /** @type {Error} */ (error).message.split('\n', 1)[0];
  }
  return chaski.missing?.();
}
