// @ts-check
// redis-server, as the system has it (Debian: redis-server), on a UNIX socket, nothing on disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Service } from '../lib/service.mjs';

/** @returns {string | undefined} why it cannot run here */
export function missing() {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'redis-server is not installed (Debian: apt-get install redis-server)';
  }
}

export function version() {
  return (
    /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? ''
  );
}

export function start() {
  const folder = mkdtempSync(join(tmpdir(), 'chaski-bench-redis-'));
  return startIn(folder, ['--appendonly', 'no', '--maxmemory', '1gb']);
}

/** @param {string} folder for the socket, and for what it keeps @param {string[]} options */
export async function startIn(folder, options) {
  const path = join(folder, 'redis.sock');
  const own = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', ''];
  const all = [...own, '--maxmemory-policy', 'noeviction', ...options];
  const service = new Service('redis-server', all, folder);
  await service.output(/ready to accept connections/i);
  return { service, address: path };
}
