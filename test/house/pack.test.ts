// The package as users get it: packed, installed offline in an empty folder, and used from there.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tool } from '../../scripts/lib/run.mjs';
import { Markdown } from './markdown.ts';
import { Packed } from './packed.ts';
import { root } from './root.ts';
import { modulesIn } from './ts-rules.ts';

let packed: Packed;

beforeAll(() => {
  packed = new Packed();
}, 60_000);

afterAll(() => packed.remove());

function node(folder: string, ...args: string[]) {
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 60_000 });
}

describe('the packed package', () => {
  const contents = (): string[] => {
    const list = packed.npm(root, 'pack', '--json', '--dry-run', '--ignore-scripts');
    const [{ files }] = JSON.parse(list) as [{ files: { path: string }[] }];
    return files.map(({ path }) => path);
  };

  test('contains dist/, documents and examples, and no addon, source or test', () => {
    const paths = contents();
    const outside = paths.filter((path) => !/^(dist|docs|examples\/net-queue)\//.test(path));
    expect(outside.sort()).toEqual([
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'package.json',
    ]);
    expect(paths.filter((path) => path.endsWith('.node'))).toEqual([]);
    expect(paths).toContain('dist/net-queue/index.js');
  });

  test('has documents that link only to what is in it', () => {
    const paths = contents();
    const documents = paths.filter((path) => path.endsWith('.md'));
    expect(documents).toContain('docs/kaska.md');
    const leadingOut = documents.flatMap((path) =>
      new Markdown(path).links
        .map((link) => posix.join(posix.dirname(path), link))
        .filter((to) => !paths.some((each) => each === to || each.startsWith(`${to}/`)))
        .map((to) => `${path}: ${to}`),
    );
    expect(leadingOut).toEqual([]);
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
    folder = packed.consumer('complete', packed.main, packed.platform);
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
  const folder = packed.consumer('incomplete', packed.main);
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
});
