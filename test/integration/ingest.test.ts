// `npm start` as a user has it: main.mjs in a process of its own, its output, its exit code, and what it leaves behind.
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Kaska } from 'chaski/kaska';
import { describe, expect, it, onTestFinished } from 'vitest';

const main = fileURLToPath(new URL('../../examples/ingest/main.mjs', import.meta.url));

const windows = process.platform === 'win32';
/** Where /proc tells of child processes. */
const linux = process.platform === 'linux';

interface Run {
  code: number;
  output: string;
  errors: string;
}

/** A folder for the test's files, and one that the program takes for the system's temporary folder. */
class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'i-'));
  readonly temporary = join(this.folder, 't');
  /** Where the log goes, unless a test says so itself. */
  readonly log = join(this.folder, 'log');

  constructor() {
    mkdirSync(this.temporary);
    onTestFinished(() => {
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** What the program left in the temporary folder. */
  get left(): string[] {
    return readdirSync(this.temporary);
  }

  start(args: readonly string[]): Program {
    return new Program(process.execPath, [main, '--out', this.log, ...args], this.temporary);
  }

  /** Starts it where no file may grow over `kilobytes`, which fails as a full disk does. */
  startLimited(kilobytes: number, args: readonly string[]): Program {
    const script = `ulimit -f ${2 * kilobytes}; exec "$@"`;
    const command = [process.execPath, main, '--out', this.log, ...args];
    return new Program('sh', ['-c', script, 'sh', ...command], this.temporary);
  }

  run(...args: string[]): Promise<Run> {
    const program = this.start(args);
    program.stdin.end();
    return program.end;
  }
}

class Program {
  output = '';
  errors = '';
  readonly end: Promise<Run>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #onOutput: () => void = () => {};

  constructor(command: string, args: readonly string[], temporary: string) {
    this.#process = spawn(command, args, {
      env: { ...process.env, TMPDIR: temporary, NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.#onOutput();
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.#process.stdin.on('error', () => {}); // the program may end without reading it
    this.end = once(this.#process, 'close').then(([code]) => {
      this.#onOutput();
      return { code: code as number, output: this.output, errors: this.errors };
    });
    onTestFinished(() => void this.#process.kill('SIGKILL'));
  }

  get stdin(): Writable {
    return this.#process.stdin;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Waits until the output holds `text`. */
  async says(text: string | RegExp): Promise<void> {
    while (typeof text === 'string' ? !this.output.includes(text) : !text.test(this.output)) {
      if (this.#process.exitCode !== null)
        throw new Error(`it ended:\n${this.output}${this.errors}`);
      await new Promise<void>((resolve) => (this.#onOutput = resolve));
    }
  }

  /** The ids of its child processes that run `module`. */
  children(module: string): number[] {
    const parent = String(this.#process.pid);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
          return (
            fields.split(' ')[1] === parent &&
            readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(module)
          );
        } catch {
          return false; // it has just ended
        }
      })
      .map(Number);
  }
}

/** Puts the records of `producers` topics back into the order of the source. */
async function reassemble(log: string, producers: number): Promise<Buffer> {
  const kaska = await Kaska.open({ dir: log });
  const shares: Uint8Array[][] = [];
  for (let share = 0; share < producers; share += 1) {
    const records: Uint8Array[] = [];
    const topic = kaska.topic(`producer-${share}`);
    for await (const { value } of topic.read({ from: 'start', until: 'end' })) {
      records.push(value!.slice());
    }
    shares.push(records);
  }
  await kaska.close();
  const total = shares.reduce((sum, share) => sum + share.length, 0);
  return Buffer.concat(
    Array.from({ length: total }, (_, i) => shares[i % producers]![Math.floor(i / producers)]!),
  );
}

const verified = (records: string) => `verified: ${records} once each, in order, byte for byte`;

describe('npm start', () => {
  it('ingests and verifies the cities, in plain lines where there is no terminal', async () => {
    const world = new World();
    const { code, output, errors } = await world.run('--bytes', '20MB');
    expect(errors).toBe('');
    expect(output).not.toContain('\u001b');
    expect(output).toMatch(
      /^cities of the world → 2 producers → TCP 127\.0\.0\.1:\d+ → consumer → log\n/,
    );
    expect(output).toMatch(/ {2}records +\d{3},\d{3}\n {2}bytes +19\.1 MiB \(20,000,\d{3}\)\n/);
    expect(output).toMatch(/ {2}rate +[\d,]+ records\/s · \d+(\.\d+)? MB\/s\n/);
    expect(output).toMatch(/ {2}round trip +[\d.]+ m?s p50 · [\d.]+ m?s p99/);
    expect(output).toMatch(/MiB peak memory .* event-loop delay/);
    expect(output).toMatch(/verified: \d{3},\d{3} records once each, in order, byte for byte/);
    expect(code).toBe(0);
    expect(world.left).toEqual([]);
  });

  it('stops at a time', async () => {
    const world = new World();
    const { code, output } = await world.run('--seconds', '1.2', '--bytes', '8GiB');
    expect(output).toMatch(
      /\n +1\.\d+ s .* of 8\.00 GiB .* records\/s .* MB\/s .* queued .* round trip .* event-loop delay/,
    );
    expect(output).toContain('once each, in order, byte for byte');
    expect(code).toBe(0);
    expect(world.left).toEqual([]);
  });

  it.each([
    ['TCP', []],
    ['a UNIX socket', ['--unix']],
  ])('keeps a file byte for byte, over %s', async (_, options) => {
    const world = new World();
    const content = Buffer.concat([
      Buffer.from('first\r\n\r\n\n\n'),
      Buffer.alloc(5 * 2 ** 20, 'long '),
      Buffer.from('\n'),
      Buffer.from(Array.from({ length: 100_000 }, (__, i) => (i * i * 31) % 251)),
      Buffer.from('\nno newline at the end\r'),
    ]);
    const file = world.file('access.log', content);
    const { code, output } = await world.run(file, ...options, '--producers', '3');
    expect(output).toMatch(/^access\.log → 3 producers/);
    expect(output).toMatch(/verified: \d+ records once each/);
    expect(output).toContain(`log          ${world.log}`);
    expect(code).toBe(0);
    expect((await reassemble(world.log, 3)).equals(content)).toBe(true);
    expect(world.left).toEqual([]);
  });

  it('ingests several files, one after the other', async () => {
    const world = new World();
    const files = [world.file('a.csv', 'a1\na2'), world.file('b', ''), world.file('c', 'c1\n')];
    const { code, output } = await world.run(...files, '--producers', '1');
    expect(output).toContain(verified('3 records'));
    expect(output).toMatch(/producer-0 +offsets 0 to 3\n/);
    expect(code).toBe(0);
    expect((await reassemble(world.log, 1)).toString()).toBe('a1\na2c1\n');
  });

  it('ingests standard input while it is still open, for a dash only', async () => {
    const world = new World();
    const program = world.start(['-', '--unix']);
    program.stdin.write('one\ntwo\nthr');
    await program.says('8 bytes'); // on disk and acknowledged
    program.stdin.end('ee\r\nfour');
    const { code, output } = await program.end;
    expect(output).toContain('standard input → 2 producers → UNIX ');
    expect(output).toContain(verified('4 records'));
    expect(code).toBe(0);
    expect((await reassemble(world.log, 2)).toString()).toBe('one\ntwo\nthree\r\nfour');
    expect(world.left).toEqual([]);
  });

  it('stops reading standard input that never ends', async () => {
    const world = new World();
    const program = world.start(['-', '--seconds', '1']);
    program.stdin.write('line\nrest');
    const { code, output } = await program.end;
    expect(output).toContain(verified('1 record'));
    expect(code).toBe(0);
    expect(world.left).toEqual([]);
  });

  it('fails where there are no records', async () => {
    const world = new World();
    const empty = await world.run(world.file('empty', ''));
    expect(empty.errors).toBe('Failed: there is nothing to ingest: empty has no records\n');
    expect(empty.code).toBe(1);
    const nothing = await world.run('-');
    expect(nothing.errors).toContain('there is nothing to ingest');
    expect(nothing.code).toBe(1);
    expect(world.left).toEqual([]);
  });

  it('fails where a file cannot be read', async () => {
    const world = new World();
    const { code, errors } = await world.run(join(world.folder, 'missing.log'));
    expect(errors).toMatch(
      /^Failed: cannot read .*missing\.log: there is no such file or folder \(ENOENT\)\n$/,
    );
    expect(code).toBe(1);
    const folder = await world.run(world.folder);
    expect(folder.errors).toMatch(/it is a folder/);
    expect(folder.code).toBe(1);
    expect(world.left).toEqual([]);
  });

  it('fails before it begins where the disk has too little room', async () => {
    const world = new World();
    const { code, errors, output } = await world.run('--bytes', '4000TiB');
    expect(errors).toMatch(/free, too little for 3\.91 PiB of records/);
    expect(output).toBe('');
    expect(code).toBe(1);
    expect(world.left).toEqual([]);
  });

  it('goes on at the next offset in a log that is there', async () => {
    const world = new World();
    const first = world.file('a', 'a1\na2\na3\n');
    expect((await world.run(first, '--producers', '1')).code).toBe(0);
    const { code, output } = await world.run(world.file('b', 'b1\nb2\n'), '--producers', '1');
    expect(output).toContain(verified('2 records'));
    expect(output).toMatch(/producer-0 +offsets 3 to 5\n/);
    expect(code).toBe(0);
    expect((await reassemble(world.log, 1)).toString()).toBe('a1\na2\na3\nb1\nb2\n');
  });

  it.skipIf(windows)('loses nothing and doubles nothing when the consumer is killed', async () => {
    const world = new World();
    const { code, output, errors } = await world.run('--crash=3', '--bytes', '300MB');
    expect(errors).toBe('');
    expect(output).toMatch(/ {2}crashes +killed (once|[23] times); [\d,]+ records? came again/);
    expect(output).toMatch(/verified: [\d,]+ records once each, in order, byte for byte/);
    expect(code).toBe(0);
    expect(world.left).toEqual([]);
  });

  it('says so when another process has the log', async () => {
    const world = new World();
    const kaska = await Kaska.open({ dir: world.log });
    const { code, errors } = await world.run(world.file('a', 'a\n'));
    await kaska.close();
    expect(errors).toBe(`Failed: consumer: another process has ${world.log} open; see --out\n`);
    expect(code).toBe(1);
  });

  it.skipIf(windows)('fails when the disk takes no more', async () => {
    const world = new World();
    const program = world.startLimited(30_000, ['--bytes', '100MB']);
    program.stdin.end();
    const { code, errors } = await program.end;
    expect(errors).toMatch(/^Failed: consumer: cannot write producer-\d: .* \(EFBIG\)\n$/);
    expect(code).toBe(1);
    expect(world.left).toEqual([]);
  });

  it.skipIf(!linux).each([
    ['producer.mjs', /Failed: producer \d was ended by SIGKILL/],
    ['consumer.mjs', /Failed: consumer was ended by SIGKILL/],
  ])('fails when %s is killed', async (module, message) => {
    const world = new World();
    const program = world.start(['--bytes', '8GiB']);
    program.stdin.end();
    await program.says(' records/s ');
    process.kill(program.children(module)[0]!, 'SIGKILL');
    const { code, errors } = await program.end;
    expect(errors).toMatch(message);
    expect(code).toBe(1);
    expect(world.left).toEqual([]);
  });

  it.skipIf(!linux).each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends in order on %s and removes its temporary files', async (signal, expected) => {
    const world = new World();
    const program = world.start(['--bytes', '8GiB']);
    program.stdin.end();
    await program.says(' records/s ');
    expect(world.left).toHaveLength(1);
    const started = program.children('.mjs');
    expect(started).toHaveLength(3);
    program.kill(signal);
    const { code, output, errors } = await program.end;
    expect(errors).toBe('');
    expect(output).toContain('Interrupted');
    expect(output).not.toContain('verified:');
    expect(code).toBe(expected);
    expect(world.left).toEqual([]);
    for (const pid of started) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });

  it.skipIf(!linux).each(['producer.mjs', 'consumer.mjs'])(
    'gives up when %s stands still, and says how far everything was',
    async (module) => {
      const world = new World();
      const program = world.start(['--bytes', '8GiB', '--stall-seconds', '5']);
      program.stdin.end();
      await program.says(' records/s ');
      // The rest goes on until it waits for the one that was stopped.
      for (const pid of program.children(module)) process.kill(pid, 'SIGSTOP');
      const { code, errors } = await program.end;
      expect(errors).toMatch(
        /^Failed: nothing has moved for 5\.00 s: [\d,]+ records put, [\d,]+ on disk; still running: consumer \(at work\), producer 0 \(at work\), producer 1 \(at work\)\n$/,
      );
      expect(code).toBe(1);
      expect(world.left).toEqual([]);
    },
  );

  it('waits for standard input as long as it takes', async () => {
    const world = new World();
    // Enough for its processes to start, on a machine that is busy too.
    const program = world.start(['-', '--stall-seconds', '4']);
    program.stdin.write('one\ntwo');
    // A line a second, and nothing moves meanwhile.
    await program.says(/\n {2}([6-9]|\d\d)\.\d\d s/);
    program.stdin.end('\n');
    const { code, output } = await program.end;
    expect(output).toContain(verified('2 records'));
    expect(code).toBe(0);
  });

  it('explains itself, and what is wrong with an option', async () => {
    const world = new World();
    const help = await world.run('--help');
    expect(help).toMatchObject({ code: 0, errors: '' });
    expect(help.output).toMatch(/^Usage: npm start -- \[options\] \[file \.\.\. \| -\]\n/);
    const wrong = await world.run('--producers', '0');
    expect(wrong).toMatchObject({ code: 2, output: '' });
    expect(wrong.errors).toMatch(/^--producers 0: a whole number from 1 to 64 is needed\n\nUsage:/);
  });
});
