// The packed package on other runtimes than the one that runs the tests: queue.mjs and log.mjs, in a folder where the package was
// installed as users install it. `npm test` installs the runtimes beforehand, from the lockfile of this folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Packed } from '../house/packed.ts';
import { root } from '../house/root.ts';

interface Runtime {
  readonly name: string;
  /** The executable, in node_modules of this folder, by platform. */
  readonly program: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  /** Hosts to try beside the default one. */
  readonly hosts: readonly string[];
  readonly defaultHost: 'loop' | 'thread';
}

const platform = `${process.platform}-${process.arch}`;

const newerNode = (major: number): Runtime => ({
  name: `Node ${major}`,
  program: {
    'linux-x64': `node-${major}-linux-x64/bin/node`,
    'linux-arm64': `node-${major}-linux-arm64/bin/node`,
    'darwin-arm64': `node-${major}-darwin-arm64/bin/node`,
  },
  args: [],
  hosts: ['loop', 'thread'],
  defaultHost: 'loop',
});

const runtimes: readonly Runtime[] = [
  newerNode(22),
  newerNode(26),
  {
    name: 'Bun',
    program: {
      // The build for processors without AVX2 runs on all.
      'linux-x64': '@oven/bun-linux-x64-baseline/bin/bun',
      'linux-arm64': '@oven/bun-linux-aarch64/bin/bun',
      'darwin-arm64': '@oven/bun-darwin-aarch64/bin/bun',
    },
    args: ['--no-install'],
    hosts: [],
    defaultHost: 'thread',
  },
  {
    name: 'Deno',
    program: {
      'linux-x64': '@deno/linux-x64-glibc/deno',
      'linux-arm64': '@deno/linux-arm64-glibc/deno',
      'darwin-arm64': '@deno/darwin-arm64/deno',
    },
    // The README names these permissions.
    args: [
      ...'run --no-prompt --cached-only --no-remote --no-lock --node-modules-dir=manual'.split(' '),
      ...'--allow-read --allow-env --allow-ffi'.split(' '),
    ],
    hosts: [],
    defaultHost: 'thread',
  },
];

/** What each host calls its thread, where the system tells. */
const threadOf = { loop: 'chaski-watch', thread: 'chaski-io' };
const patienceMs = 20_000;

let packed: Packed;
let folder: string;

beforeAll(() => {
  packed = new Packed();
  folder = packed.consumer('runtimes', packed.main, packed.platform);
  for (const program of ['queue.mjs', 'log.mjs']) {
    copyFileSync(join(root, 'test', 'runtimes', program), join(folder, program));
  }
}, 60_000);

afterAll(() => packed.remove());

const supported = 'linux-x64 linux-arm64 darwin-arm64'.split(' ').includes(platform);

describe.skipIf(!supported).each(runtimes)('$name', (runtime) => {
  const { hosts, defaultHost } = runtime;
  const cases = ['tcp', 'unix'].flatMap((protocol) =>
    ['', ...hosts].map((host) => ({ protocol, host })),
  );

  test.each(cases)('exchanges messages over $protocol, CHASKI_HOST=$host', async (what) => {
    const { output } = await exchange(runtime, what);
    const host = (what.host || defaultHost) as 'loop' | 'thread';
    expect(JSON.parse(output)).toEqual({
      received: 10_000,
      wrong: 0,
      acknowledged: true,
      large: true,
      released: true,
      closed: true,
      threads: process.platform === 'linux' && runtime.name !== 'Deno' ? [threadOf[host]] : [],
    });
  });

  test.each(cases)('ends by itself over $protocol, CHASKI_HOST=$host', async (what) => {
    const { errors, end } = await exchange(runtime, what);
    expect({ errors, end }).toEqual({ errors: '', end: 'code 0' });
  });

  test.each(['in a folder', 'in memory'])('keeps a log %s, and ends by itself', async (place) => {
    const dir = place === 'in memory' ? ':memory:' : join(folder, `log of ${runtime.name}`);
    const { output, errors, end } = await run(runtime, ['log.mjs', dir]);
    expect({ errors, end }).toEqual({ errors: '', end: 'code 0' });
    const first = {
      first: 0,
      inOrder: true,
      large: 5000,
      again: 0,
      read: 5002,
      wrong: 0,
      before: -1,
      polled: 5002,
      thread: place === 'in memory' ? -1 : 5003,
      refused: 'ERR_CHASKI_NOT_FOUND',
      damaged: 0,
      closed: true,
    };
    const second = { ...first, first: 5004, before: 5002 };
    expect(JSON.parse(output)).toEqual(place === 'in memory' ? [first] : [first, second]);
  });
});

const strangers = runtimes.filter(({ hosts }) => !hosts.includes('loop'));

test.skipIf(!supported).each(strangers)(
  '$name refuses the loop host, and says what to do',
  async (runtime) => {
    const { errors, end } = await exchange(runtime, { protocol: 'tcp', host: 'loop' });
    expect(errors).toMatch(/The loop host needs Node .* Leave out runOn and CHASKI_HOST/);
    expect(end).toBe('code 1');
  },
);

interface What {
  readonly protocol: string;
  /** CHASKI_HOST. */
  readonly host: string;
}

async function exchange(runtime: Runtime, { protocol, host }: What): Promise<Ran> {
  return await run(runtime, ['queue.mjs', protocol, join(folder, 'queue.sock')], host);
}

interface Ran {
  readonly output: string;
  readonly errors: string;
  readonly end: string;
}

async function run(
  { name, program, args }: Runtime,
  what: readonly string[],
  host: string = '',
): Promise<Ran> {
  const path = join(root, 'test', 'runtimes', 'node_modules', program[platform] ?? '');
  if (!existsSync(path)) {
    throw new Error(
      `${name} is not installed: run npm test -- --only runtimes, or npm ci in test/runtimes`,
    );
  }
  const child = spawn(path, [...args, ...what], {
    cwd: folder,
    env: {
      ...process.env,
      CHASKI_HOST: host,
      NODE_OPTIONS: '',
      NO_COLOR: '1',
      DENO_DIR: join(packed.scratch, 'deno'),
      DENO_NO_UPDATE_CHECK: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(late);
  return { output, errors, end: signal === null ? `code ${code}` : `signal ${signal}` };
}
