// docs/tls.md says what is so: its programs run, its table lists every option, its command makes what it says.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as nq from 'chaski/net-queue';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { trust } from '../integration/net-queue/support/certificates.ts';
import { values } from '../integration/net-queue/support/waiting.ts';
import { root } from './root.ts';

const guide = readFileSync(join(root, 'docs', 'tls.md'), 'utf8');
const block = (language: string) =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, code]) => code!,
  );

const folder = mkdtempSync(join(tmpdir(), 'chaski-guide-'));
const home = process.cwd();

beforeAll(() => {
  const { ca, server, client } = trust();
  const files = {
    'ca.pem': ca.cert,
    'server.pem': server.cert,
    'server-key.pem': server.key,
    'client.pem': client.cert,
    'client-key.pem': client.key,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  // The programs name files as a reader would.
  process.chdir(folder);
});

afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program and gives what it has called `result`. */
async function run(code: string, result: string, port?: number): Promise<nq.Communicator[]> {
  // oxlint-disable-next-line no-eval
  const program = (0, eval)(`(async (nq, port) => {${code}\nreturn [${result}];\n})`) as (
    ...given: unknown[]
  ) => Promise<nq.Communicator[]>;
  return await program(nq, port);
}

async function expectExchange(server: nq.Communicator, client: nq.Communicator): Promise<void> {
  await client.put('hello');
  expect(await values(server, 1)).toEqual(['hello']);
  await client.close();
  await server.close();
}

test('a server and its client', async () => {
  const [opensServer, opensClient] = block('ts');
  const [server] = await run(opensServer!, 'server');
  const { port } = server!.address() as { port: number };
  const [client] = await run(opensClient!, 'client', port);
  await expectExchange(server!, client!);
  expect(block('ts')).toHaveLength(3);
});

test('a server that knows its clients', async () => {
  const code = block('ts')[2]!.replace(
    'const { port } = server.address() as { port: number };',
    'port = server.address().port;',
  );
  const [server, client] = await run(code, 'server, client');
  await expectExchange(server!, client!);
  expect(server!.closed).toBe(true);
});

test('the table of the options', () => {
  const types = readFileSync(join(root, 'ts', 'net-queue', 'types.ts'), 'utf8');
  const [, body = ''] = /interface SecurityOptions \{(.*?)\n\}/s.exec(types) ?? [];
  const declared = [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name!);
  const told = [...guide.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
  expect(told.toSorted()).toEqual(declared.toSorted());
});

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!hasOpenssl)('the certificate to try it out', async () => {
  execFileSync('sh', ['-c', block('sh')[0]!], { stdio: 'ignore' });
  const security = { key: 'server-key.pem', cert: 'server.pem' };
  const server = await nq.open({ purpose: 'server', port: 0, security });
  const { port } = server.address() as { port: number };
  const client = await nq.open({ host: 'localhost', port, security: { ca: 'server.pem' } });
  await expectExchange(server, client);
  expect(client.closed).toBe(true);
});
