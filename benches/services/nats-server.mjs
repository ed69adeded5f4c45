// @ts-check
// nats-server, built by Go's own tools into .cache; JetStream keeps its streams in memory.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Service } from '../lib/service.mjs';

const VERSION = 'v2.15.2';
const BIN = fileURLToPath(new URL('../.cache/bin/', import.meta.url));
const FILE = join(BIN, 'nats-server');

/** @returns {string | undefined} why it cannot run here */
export function missing() {
  if (existsSync(FILE)) return undefined;
  try {
    execFileSync('go', ['install', `github.com/nats-io/nats-server/v2@${VERSION}`], {
      env: { ...process.env, GOBIN: BIN },
      stdio: 'ignore',
    });
    return undefined;
  } catch {
    return `nats-server ${VERSION} is not there, and could not be built with Go`;
  }
}

export function version() {
  return execFileSync(FILE, ['--version'], { encoding: 'utf8' }).trim().replace(/^.*v/, '');
}

export function start() {
  return startIn(mkdtempSync(join(tmpdir(), 'chaski-bench-nats-')), 'max_mem: 1GB, max_file: 0');
}

/** @param {string} folder what it may write to @param {string} limits of JetStream, in its words */
export async function startIn(folder, limits) {
  const port = await freePort();
  const config = join(folder, 'nats.conf');
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"
max_payload: 8MB
max_pending: 512MB
write_deadline: "30s"
jetstream { store_dir: "${folder}", ${limits} }
`,
  );
  const service = new Service(FILE, ['-c', config], folder);
  await service.output(/Server is ready/);
  return { service, address: `127.0.0.1:${port}` };
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
