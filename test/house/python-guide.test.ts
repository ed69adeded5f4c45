// docs/python.md says what is so: its programs talk with each other.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as nq from 'chaski/net-queue';
import { describe, expect, test } from 'vitest';

import { findPython, pythonPackage } from '../../scripts/lib/python.mjs';
import { freePort } from '../integration/net-queue/support/ports.ts';
import { soon } from '../integration/net-queue/support/waiting.ts';
import { root } from './root.ts';

const guide = readFileSync(join(root, 'docs', 'python.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, code]) => code!,
  );

const interpreter = findPython();

/** What a program in Python prints. Killed if it hangs. */
async function printed(program: string, port: number): Promise<string> {
  const child = spawn(interpreter!, ['-u', '-c', program.replace(', port)', `, ${port})`)], {
    env: { ...process.env, PYTHONPATH: pythonPackage(interpreter!, '2.6.4') },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  await soon(once(child, 'close'), 'the end of a program in Python');
  return output;
}

/** Runs a program in TypeScript: what it opens, as soon as that is open, and what it prints. */
function run(
  code: string,
  port: number,
): { opened: Promise<nq.Communicator>; lines: Promise<unknown[]> } {
  const lines: unknown[] = [];
  const console = { log: (line: unknown) => void lines.push(line) };
  // oxlint-disable-next-line no-eval
  const program = (0, eval)(`(async (nq, console, port) => {${code}\n})`) as (
    ...values: unknown[]
  ) => Promise<void>;
  let ran: Promise<void> = Promise.resolve();
  const opened = new Promise<nq.Communicator>((give) => {
    const open = async (options: nq.OpenOptions): Promise<nq.Communicator> => {
      const queue = await nq.open(options);
      give(queue);
      return queue;
    };
    ran = program({ ...nq, open }, console, port);
  });
  return { opened, lines: soon(ran, 'the end of a program').then(() => lines) };
}

describe.skipIf(interpreter === undefined)('the programs of docs/python.md', () => {
  const [server = '', client = ''] = blocks('ts');
  const [pythonClient = '', pythonServer = ''] = blocks('python');

  test('a server of chaski and a client of Python', async () => {
    const port = await freePort();
    const { opened, lines } = run(server, port);
    const queue = await soon(opened, 'the server listens');
    expect(await printed(pythonClient, port)).toBe('Hello from Node\n');
    expect(await lines).toEqual(['Hello from Python']);
    await queue.close();
  });

  test('a client of chaski and a server of Python', async () => {
    const port = await freePort();
    const told = printed(pythonServer, port);
    expect(await run(client, port).lines).toEqual(['Hello from Python']);
    expect(await told).toBe('Hello from Node\n');
  });
});
