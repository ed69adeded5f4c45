// The package as users get it: packed, installed offline in an empty folder, and used from there.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { platformName } from '../../scripts/lib/platform.mjs';
import { npm, tool } from '../../scripts/lib/run.mjs';
import { root } from './root.ts';
import { modulesIn } from './ts-rules.ts';

const platform = platformName();
const platformPackage = `@chaski/native-${platform}`;
const scratch = mkdtempSync(join(tmpdir(), 'chaski-pack-'));
const tarballs = { main: '', platform: '' };

/** Runs npm where it can reach nothing: offline, and with an empty cache. */
function npmIn(folder: string, ...args: string[]): string {
  const [command = 'npm', ...before] = npm();
  const env = { ...process.env, npm_config_cache: join(scratch, 'cache') };
  return execFileSync(command, [...before, ...args, '--offline', '--loglevel=error'], {
    cwd: folder,
    env,
  }).toString();
}

function pack(folder: string): string {
  const text = npmIn(folder, 'pack', '--json', '--ignore-scripts', '--pack-destination', scratch);
  return join(scratch, (JSON.parse(text) as { filename: string }[])[0]!.filename);
}

/** An empty folder with these packages installed. */
function consumer(name: string, ...packages: string[]): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"name":"consumer","private":true,"type":"module"}');
  npmIn(folder, 'install', ...packages);
  return folder;
}

function node(folder: string, ...args: string[]) {
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 60_000 });
}

beforeAll(() => {
  // The release job does the same with the files of all platforms.
  const copy = join(scratch, 'platform');
  cpSync(join(root, 'npm', platform), copy, { recursive: true });
  const addon = `chaski.${platform}.node`;
  copyFileSync(join(root, 'ts', 'native', addon), join(copy, addon));
  tarballs.platform = pack(copy);
  tarballs.main = pack(root);
}, 60_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('the packed package', () => {
  test('contains dist/ and no addon, source or test', () => {
    const list = npmIn(root, 'pack', '--json', '--dry-run', '--ignore-scripts');
    const [{ files }] = JSON.parse(list) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    const outside = paths.filter((path) => !path.startsWith('dist/'));
    expect(outside.sort()).toEqual([
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'package.json',
    ]);
    expect(paths.filter((path) => path.endsWith('.node'))).toEqual([]);
    expect(paths).toContain('dist/net-queue/index.js');
  });

  test('imports nothing that is not in it', () => {
    const dist = join(root, 'dist');
    const foreign = readdirSync(dist, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(js|d\.ts)$/.test(name) && !name.startsWith('native'))
      .flatMap((name) => {
        const names = modulesIn(readFileSync(join(dist, name), 'utf8'));
        return names.filter((from) => !/^(node:|\.{1,2}\/)/.test(from)).map((f) => `${name}: ${f}`);
      });
    expect(foreign).toEqual([]);
  });
});

describe('installed with its platform package', () => {
  let folder: string;

  beforeAll(() => {
    folder = consumer('complete', tarballs.main, tarballs.platform);
    copyFileSync(join(root, 'test', 'types', 'consumer.ts'), join(folder, 'consumer.ts'));
    mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
    // What a user has installed beside: the types of Node (and what those need).
    for (const name of ['@types/node', 'undici-types']) {
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
    }
  }, 60_000);

  test.each([
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ])('a program type-checks with module %s, moduleResolution %s', (module, moduleResolution) => {
    const compilerOptions = {
      target: 'es2022',
      module,
      moduleResolution,
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      lib: ['es2023', 'esnext.disposable'],
      outDir: `out-${moduleResolution}`,
    };
    const file = `tsconfig.${moduleResolution}.json`;
    writeFileSync(join(folder, file), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    const { stdout, status } = node(folder, tool('typescript', 'tsc'), '-p', file);
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
  });

  test('a server and a client exchange messages', () => {
    const { stdout, stderr, status } = node(folder, join('out-node16', 'consumer.js'));
    expect({ stdout, stderr, status }).toEqual({
      stdout: 'Hello, Server! Hello, Client!\ntrue\n',
      stderr: '',
      status: 0,
    });
  });
});

test('without its platform package it says what to do', () => {
  const folder = consumer('incomplete', tarballs.main);
  const program = `
    try {
      const { open } = await import('chaski/net-queue');
      await open({ purpose: 'server', port: 0 });
    } catch (error) {
      console.log(JSON.stringify([error.code, error.message]));
    }`;
  const { stdout } = node(folder, '--input-type=module', '--eval', program);
  const [code, message] = JSON.parse(stdout) as [string, string];
  expect(code).toBe('ERR_CHASKI_NATIVE_LOAD');
  expect(message).toContain('--omit=optional');
  expect(platformPackage).toContain(platform);
});
