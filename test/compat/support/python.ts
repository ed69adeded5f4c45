// The Python package net-queue, in the versions that are tried, and processes that hold a communicator of it.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { findPython, pythonPackage, pythonVersions } from '../../../scripts/lib/python.mjs';
import type { PythonVersion } from '../../../scripts/lib/python.mjs';
import { soon } from '../../integration/net-queue/support/waiting.ts';

export type Version = PythonVersion;

export const versions: readonly Version[] = pythonVersions;

/** Undefined where there is no Python 3.13. In CI there must be. */
export const interpreter: string | undefined = findPython();

if (interpreter === undefined && process.env['CI'] !== undefined) {
  throw new Error(
    'The tests with the Python package net-queue need Python 3.13: have python3.13 in PATH, or name it in CHASKI_PYTHON.',
  );
}

/** A message as Python saw it. */
export interface Seen {
  readonly peer: string;
  readonly size?: number;
  /** SHA-256. */
  readonly hash?: string;
  /** Of up to 64 bytes. */
  readonly hex?: string;
  /** Of what is no bytes. */
  readonly value?: unknown;
}

/** A message that Python is to put. */
export type Told = { hex: string } | { size: number; seed?: number } | { value: unknown };

export interface PythonOptions {
  readonly id?: string;
  readonly port?: number;
  readonly serializer?: 'bytes' | 'pickle';
  readonly secure?: { readonly key?: string; readonly cert?: string };
  readonly host?: string;
  readonly workers?: number;
}

type Answer = Readonly<Record<string, unknown>> & { readonly number: number };

/** A process with a communicator of the Python package. Kill it at the end of the test. */
export class Python {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly #waiting: Map<number, { give: (answer: Answer) => void; fail: (error: Error) => void }> =
    new Map();
  #number = 0;
  #stderr = '';
  /** Of its communicator, once that is open. */
  id: string = '';
  port: number = 0;

  constructor(version: Version) {
    const program = fileURLToPath(new URL('../fixtures/peer.py', import.meta.url));
    this.process = spawn(interpreter as string, ['-u', program], {
      env: { ...process.env, PYTHONPATH: pythonPackage(interpreter as string, version) },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdin, stdout, stderr } = this.process;
    // It may have been killed.
    stdin?.on('error', ignore);
    stderr?.on('data', (text: Buffer) => {
      if (this.#stderr.length < 16_384) this.#stderr += text.toString();
    });
    createInterface({ input: stdout! }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      const waiting = this.#waiting.get(answer.number);
      this.#waiting.delete(answer.number);
      if (typeof answer['error'] === 'string')
        waiting?.fail(new Error(`Python: ${answer['error']}`));
      else waiting?.give(answer);
    });
    this.exited = once(this.process, 'close').then(() => {
      for (const { fail } of this.#waiting.values()) {
        fail(new Error(`The Python process has ended.\n${this.#stderr}`));
      }
      this.#waiting.clear();
    });
  }

  /** Opens its communicator. */
  async open(purpose: 'server' | 'client', options: PythonOptions = {}): Promise<void> {
    const { id, port } = await this.do('open', { purpose, ...options });
    this.id = id as string;
    this.port = port as number;
  }

  /** Has the process do something, and waits until it is done. */
  async do(order: string, values: object = {}): Promise<Answer> {
    this.#number += 1;
    const number = this.#number;
    const answer = new Promise<Answer>((give, fail) => {
      this.#waiting.set(number, { give, fail });
    });
    this.process.stdin?.write(`${JSON.stringify({ number, do: order, ...values })}\n`);
    return await soon(answer, `the answer of Python to '${order}'`);
  }

  async put(messages: readonly Told[], ...peers: string[]): Promise<void> {
    await this.do('put', { messages, peers });
  }

  async get(count: number = 1): Promise<readonly Seen[]> {
    return (await this.do('get', { count }))['messages'] as Seen[];
  }

  async close(): Promise<void> {
    await this.do('close');
  }

  /** As a power cut would: nothing of it runs any more. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await soon(this.exited, 'the end of a killed Python process');
  }
}

/** The bytes that Python puts for `{ size, seed }`. */
export function pattern(size: number, seed: number = 0): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) bytes[i] = (seed + i) % 251;
  return bytes;
}

/** As Python shows a message. */
export function seen(peer: string, bytes: Uint8Array): Seen {
  const hash = createHash('sha256').update(bytes).digest('hex');
  const told = { peer, size: bytes.length, hash };
  return bytes.length > 64 ? told : { ...told, hex: Buffer.from(bytes).toString('hex') };
}

function ignore(): void {}
