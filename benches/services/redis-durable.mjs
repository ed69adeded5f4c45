// @ts-check
// redis-server with an append-only file that is synced before it answers.
import { dataFolder } from '../lib/log-run.mjs';
import { startIn } from './redis-server.mjs';

export { missing, version } from './redis-server.mjs';

export function start() {
  const options = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory', '4gb'];
  return startIn(dataFolder('redis'), options);
}
