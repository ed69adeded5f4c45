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

export async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'chaski-bench-redis-'));
  const path = join(folder, 'redis.sock');
  const options = [
    '--port',
    '0',
    '--unixsocket',
    path,
    '--save',
    '',
    '--appendonly',
    'no',
    '--maxmemory',
    '1gb',
    '--maxmemory-policy',
    'noeviction',
  ];
  const service = new Service('redis-server', options, folder);
  await service.output(/ready to accept connections/i);
  return { service, address: path };
}
