// @ts-check
// nats-server whose JetStream keeps its streams in files and syncs each write before it acknowledges.
import { dataFolder } from '../lib/log-run.mjs';
import { startIn } from './nats-server.mjs';

export { missing, version } from './nats-server.mjs';

export function start() {
  return startIn(dataFolder('nats'), 'max_mem: 64MB, max_file: 8GB, sync_interval: always');
}
