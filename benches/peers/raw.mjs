// @ts-check
// Blocking sockets from Rust, without messages: the limit. Built on demand.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../raw/', import.meta.url));

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'blocking sockets from Rust, bytes without messages',
  modes: ['callback', 'echo'],
  variants: {
    'raw-64k': { env: { BENCH_RAW: '65536' } },
    'raw-1m': { env: { BENCH_RAW: '1048576' }, modes: ['callback'] },
  },
  missing,
  command: ({ role, mode, size, warmup, seconds, address }, env) => ({
    file: program('raw'),
    args: [role, mode, size, env.BENCH_RAW, warmup, seconds, address ?? 0].map(String),
  }),
};

/** @param {string} name */
export function program(name) {
  return `${ROOT}target/release/${name}`;
}

export async function missing() {
  try {
    execFileSync('cargo', ['build', '--release', '--quiet', '--locked'], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return undefined;
  } catch (error) {
    return `cargo build of benches/raw: ${String(/** @type {any} */ (error).message).split('\n', 1)[0]}`;
  }
}
