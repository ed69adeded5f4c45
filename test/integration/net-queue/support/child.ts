// Other processes: programs of fixtures/, which talk to the test in messages `{ is, ... }`.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { soon } from './waiting.ts';

export interface Report {
  readonly is: string;
  readonly [name: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The most file descriptors that it may have open (not on Windows). */
  readonly descriptors?: number;
  /** A program with its arguments, which starts what follows them. */
  readonly under?: readonly string[];
}

export class Child {
  readonly process: ChildProcess;
  readonly exited: Promise<Exit>;
  readonly #reports: Report[] = [];
  readonly #waiting: { is: string; give: (report: Report) => void; fail: (e: Error) => void }[] =
    [];
  #over: Exit | undefined;

  /** Starts `program`, of fixtures/ if that is a name; it finds `setup` in process.argv[2] as JSON. */
  constructor(program: string | URL, setup: object, options: ChildOptions = {}) {
    const path = fileURLToPath(new URL(program, new URL('../fixtures/', import.meta.url)));
    const execArgv = ['--max-old-space-size=512', ...(options.execArgv ?? [])];
    const limited = `ulimit -n ${options.descriptors}; exec "$0" "$@"`;
    const limiting = options.descriptors === undefined ? [] : ['/bin/sh', '-c', limited];
    const [execPath, ...before] = [...limiting, ...(options.under ?? []), process.execPath];
    this.process = fork(path, [JSON.stringify(setup)], {
      execPath,
      execArgv: [...before, ...execArgv],
      env: { ...process.env, NODE_OPTIONS: '', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let stdout = '';
    let stderr = '';
    this.process.stdout?.on('data', (text: Buffer) => (stdout += text.toString()));
    this.process.stderr?.on('data', (text: Buffer) => (stderr += text.toString()));
    this.process.on('message', (report: Report) => {
      const at = this.#waiting.findIndex(({ is }) => is === report.is);
      if (at < 0) this.#reports.push(report);
      else this.#waiting.splice(at, 1)[0]!.give(report);
    });
    this.exited = once(this.process, 'close').then(() => {
      const { exitCode: code, signalCode: signal } = this.process;
      const exit = { code, signal, stdout, stderr };
      this.#over = exit;
      for (const { is, fail } of this.#waiting) fail(ended(path, is, exit));
      return exit;
    });
  }

  /** The next report called `is`. */
  async report(is: string): Promise<Report> {
    const at = this.#reports.findIndex((report) => report.is === is);
    if (at >= 0) return this.#reports.splice(at, 1)[0]!;
    if (this.#over !== undefined) throw ended('The program', is, this.#over);
    const coming = new Promise<Report>((give, fail) => {
      this.#waiting.push({ is, give, fail });
    });
    return await soon(coming, `the report '${is}' of another process`);
  }

  tell(order: Report): void {
    this.process.send(order);
  }

  /** As a power cut would: nothing of it runs any more. */
  async kill(): Promise<Exit> {
    this.process.kill('SIGKILL');
    return await soon(this.exited, 'the end of a killed process');
  }

  /** How it ends by itself. */
  async end(timeoutMs?: number): Promise<Exit> {
    return await soon(this.exited, 'the end of another process', timeoutMs);
  }
}

function ended(program: string, is: string, exit: Exit): Error {
  return new Error(
    `${program} ended (code ${exit.code}, signal ${exit.signal}) before it reported '${is}'.\n${exit.stderr}`,
  );
}
