import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesUnder, root } from './root.ts';
import { cargoPackages, type Dependency } from './rust-rules.ts';

const json = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));

describe('every declared Rust dependency is used', () => {
  test.each(cargoPackages('ours').map((pack) => [pack.name, pack] as const))('%s', (_, pack) => {
    const folder = relative(root, dirname(pack.manifest_path));
    const texts = (part: string) =>
      filesUnder(folder, '.rs')
        .filter((path) => path.startsWith(`${folder}/${part}`))
        .map((path) => readFileSync(join(root, path), 'utf8'))
        .join('\n');
    expect(
      unused(pack.dependencies, { code: texts('src'), all: texts(''), build: texts('build.rs') }),
    ).toEqual([]);
  });

  test('one that is named nowhere, or only by tests, is found', () => {
    const texts = { code: 'use mio::Poll;', all: 'use mio::Poll; use proptest::x;', build: '' };
    const dependencies: Dependency[] = [
      { name: 'mio', kind: null },
      { name: 'proptest', kind: null },
      { name: 'loom', kind: 'dev' },
      { name: 'napi-build', kind: 'build' },
      { name: 'long-mio', rename: 'mio', kind: null },
    ];
    expect(unused(dependencies, texts)).toEqual(['proptest', 'loom', 'napi-build']);
  });

  /** Names of dependencies that the texts of the kind they are declared for do not contain. */
  function unused(
    dependencies: readonly Dependency[],
    texts: { code: string; all: string; build: string },
  ): string[] {
    return dependencies
      .filter(({ name: published, rename, kind }) => {
        const name = rename ?? published;
        const text = { dev: texts.all, build: texts.build, normal: texts.code }[kind ?? 'normal'];
        return !new RegExp(`\\b${name.replaceAll('-', '_')}\\b`).test(text);
      })
      .map(({ name }) => name);
  }
});

describe('licences of what we ship allow it', () => {
  test('all crates', () => {
    const refused = cargoPackages('all')
      .filter(({ source, license }) => source !== null && !isAllowed(license ?? ''))
      .map(({ name, version, license }) => `${name} ${version}: ${license}`);
    expect(refused).toEqual([]);
  });

  test('the bundled msgpackr', () => {
    expect(isAllowed(json('node_modules/msgpackr/package.json').license)).toBe(true);
  });

  test.each([
    ['MIT', true],
    ['MIT OR Apache-2.0', true],
    ['MIT/Apache-2.0', true],
    ['(MIT OR Apache-2.0) AND Unicode-3.0', true],
    ['Unlicense OR MIT', true],
    ['GPL-3.0 OR MIT', true],
    ['Apache-2.0 WITH LLVM-exception', true],
    ['MPL-2.0', false],
    ['MIT AND MPL-2.0', false],
    ['(GPL-2.0 OR LGPL-3.0) AND MIT', false],
    ['', false],
  ])('%s: %s', (expression, allowed) => {
    expect(isAllowed(expression)).toBe(allowed);
  });

  /** Evaluates an SPDX expression: we may choose where it says OR, and must take all where it says AND. */
  function isAllowed(expression: string): boolean {
    const ours = new Set([
      'MIT',
      'Apache-2.0',
      'BSD-2-Clause',
      'BSD-3-Clause',
      'ISC',
      'Unicode-3.0',
      'Zlib',
      '0BSD',
      'Apache-2.0 WITH LLVM-exception',
    ]);
    let text = expression.replaceAll('/', ' OR ').trim();
    for (let inner = /\(([^()]*)\)/.exec(text); inner !== null; inner = /\(([^()]*)\)/.exec(text)) {
      text = text.replace(inner[0], isAllowed(inner[1] ?? '') ? 'MIT' : 'none');
    }
    return text
      .split(' OR ')
      .some((choice) => choice.split(' AND ').every((license) => ours.has(license.trim())));
  }
});
