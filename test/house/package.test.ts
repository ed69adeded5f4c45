import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { root } from './root.ts';

const text = (path: string) => readFileSync(join(root, path), 'utf8');
const json = (path: string) => JSON.parse(text(path));
const pack = json('package.json');

describe('package.json', () => {
  test('installs nothing with it and runs nothing when it is installed', () => {
    expect(pack.dependencies).toBeUndefined();
    expect(pack.peerDependencies).toBeUndefined();
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare'];
    expect(Object.keys(pack.scripts).filter((name) => hooks.includes(name))).toEqual([]);
  });

  test('pins every tool exactly', () => {
    const loose = Object.entries<string>(pack.devDependencies).filter(([, v]) => !/^\d/.test(v));
    expect(loose).toEqual([]);
  });

  test('has the version of the Rust workspace and of every platform package', () => {
    const cargo = /^version = "(.*)"/m.exec(text('Cargo.toml'))?.[1];
    const platforms = readdirSync(join(root, 'npm')).map((n) => json(`npm/${n}/package.json`));
    expect(cargo).toBe(pack.version);
    expect(new Set(platforms.map(({ version }) => version))).toEqual(new Set([pack.version]));
    expect(platforms).toHaveLength(pack.napi.targets.length);
  });
});

test('every target is built and tried before a release', () => {
  const jobs = text('.github/workflows/release.yml').split(/^ {2}(?=\w+:$)/m);
  const targetsOf = (job: string) => {
    const part = jobs.find((text) => text.startsWith(`${job}:`)) ?? '';
    return new Set([...part.matchAll(/target: ([\w-]+)/g)].map(([, target]) => target));
  };
  expect(targetsOf('build')).toEqual(new Set(pack.napi.targets));
  expect(targetsOf('try')).toEqual(new Set(pack.napi.targets));
});

describe.each([
  'package-lock.json',
  'benches/package-lock.json',
  'test/runtimes/package-lock.json',
])('%s', (lockfile) => {
  const packages = Object.entries<{
    resolved?: string;
    integrity?: string;
    optionalDependencies?: Record<string, string>;
  }>(json(lockfile).packages);

  test('holds hashes and no addresses', () => {
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(packages.filter(([path, p]) => path !== '' && p.integrity === undefined)).toEqual([]);
  });

  test('names the packages of every platform, so that npm ci works on each', () => {
    const names = new Set(packages.map(([path]) => path.split('node_modules/').at(-1)));
    const missing = packages.flatMap(([, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !names.has(name)),
    );
    expect(missing).toEqual([]);
  });
});
