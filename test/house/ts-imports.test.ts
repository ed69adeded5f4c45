import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesUnder, root } from './root.ts';
import { importViolations } from './ts-rules.ts';

const check = (path: string, text: string) => importViolations(new Map([[path, text]]));

describe('folders of ts/ import each other in one direction', () => {
  test('all sources obey', () => {
    const paths = filesUnder('ts', '.ts').filter((path) => !path.startsWith('ts/native/'));
    const sources = new Map(
      paths.map((path) => [path.slice('ts/'.length), readFileSync(join(root, path), 'utf8')]),
    );
    expect(sources.size).toBeGreaterThan(0);
    expect(importViolations(sources)).toEqual([]);
  });

  test.each([
    ['net-queue/a.ts', `import { put } from '../native/index.js';`],
    ['net-queue/a.ts', `import type { Put } from '../native/index.js';`],
    ['net-queue/a.ts', `export type Put = import('../native/index.js').Put;`],
    ['net-queue/a.ts', `const native = require('../native/index.js');`],
    ['net-queue/a.ts', `import { Node } from '../chaski/node.ts';`],
    ['daffi/deep/a.ts', `export * from '../../kaska/topic.ts';`],
    ['codec/a.ts', `import { Queue } from '../net-queue/queue.ts';`],
    ['shared/a.ts', `const later = await import('../daffi/call.ts');`],
    ['shared/a.ts', `import { handle } from '../binding/index.ts';`],
    ['binding/a.ts', `import type { Message } from '../net-queue/types.ts';`],
    ['errors.ts', `import { wait } from './shared/wait.ts';`],
    ['net-queue/a.ts', `import { Packr } from 'msgpackr';`],
    ['net-queue/a.ts', `import { open } from 'chaski/net-queue';`],
    ['net-queue/a.ts', `import config from '../../package.json';`],
  ])('%s with %s is refused', (path, text) => {
    expect(check(path, text)).toHaveLength(1);
  });

  test.each([
    ['net-queue/a.ts', `import { handle } from '../binding/index.ts'; import './b.ts';`],
    ['binding/a.ts', `import { put } from '../native/index.js';`],
    ['codec/a.ts', `import { Packr } from 'msgpackr'; import { ChaskiError } from '../errors.ts';`],
    ['shared/a.ts', `import { once } from 'node:events'; // like '../net-queue/index.ts'`],
  ])('%s with %s is fine', (path, text) => {
    expect(check(path, text)).toEqual([]);
  });
});
