// The program with which the Python package tests itself, each of its halves with chaski as the other one.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { pythonPackage } from '../../scripts/lib/python.mjs';
import { freePort } from '../integration/net-queue/support/ports.ts';
import { soon, take } from '../integration/net-queue/support/waiting.ts';
import { interpreter } from './support/python.ts';
import { client, server } from './support/worlds.ts';

const message = 'Hello, World!';
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Runs it; resolves with its exit code. */
async function api(purpose: 'server' | 'client', port: number, ...more: string[]): Promise<number> {
  const folder = pythonPackage(interpreter as string, '2.6.4');
  const program = join(folder, 'net_queue', 'test', 'api.py');
  const args = [program, 'tcp', purpose, '--port', String(port), ...more];
  const child = spawn(interpreter as string, args, {
    env: { ...process.env, PYTHONPATH: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  started.push(child);
  const [code] = (await soon(once(child, 'close'), 'the end of api.py')) as [number];
  return code;
}

describe.skipIf(interpreter === undefined)("the package's own api.py", () => {
  it('passes as three clients of a server of chaski', async () => {
    const [queue, port] = await server({ serializer: 'pickle' });
    const clients = [1, 2, 3].map(async () => api('client', port));
    const greetings = await take(queue, 3);
    expect(greetings.map(({ data }) => data)).toEqual([message, message, message]);
    await queue.put(message);
    for (const { peer } of greetings) await queue.put(message, peer);
    expect(await Promise.all(clients)).toEqual([0, 0, 0]);
    await soon(queue.close(), 'the end');
  });

  it('passes as the server of three clients of chaski', async () => {
    const port = await freePort();
    const ended = api('server', port, '--clients', '3');
    const options = { serializer: 'pickle', compat: 'python' } as const;
    const queues = await Promise.all([1, 2, 3].map(async () => client(port, options)));
    await Promise.all(queues.map(async (queue) => queue.put(message)));
    for (const queue of queues) {
      expect((await take(queue, 2)).map(({ data }) => data)).toEqual([message, message]);
      await soon(queue.close(), 'the end of a client');
    }
    expect(await ended).toBe(0);
  });
});
