// The programs of the documents as their readers' compilers see them: under all that tsconfig.json demands, against dist/.
import { join } from 'node:path';

import ts from 'typescript';
import { expect, test } from 'vitest';

import { Markdown } from './markdown.ts';
import { root } from './root.ts';

/** What the programs take from their readers, where they do not declare it themselves. */
const readers = `
import * as nq from 'chaski/net-queue';
import cluster from 'node:cluster';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { MessagePort, Worker } from 'node:worker_threads';

declare const dir: string;
declare const kaska: import('chaski/kaska').Kaska;
declare const topic: import('chaski/kaska').Topic;
declare const bytes: Uint8Array;
declare const queue: nq.Communicator;
declare const client: nq.Communicator;
declare const receiver: nq.Communicator<nq.IncomingStream>;
declare const port: number;
declare const other: string;
declare const worker: Worker;
declare const parentPort: MessagePort;
declare const posted: nq.Batch[];
declare const records: Iterable<unknown>;
declare const give: { up(data: unknown): void };
declare const kept: { id: string; secret: string };
declare const file: { write(data: Uint8Array, done: () => void): void };
declare function work(data: unknown): Promise<void>;
declare function valid(data: unknown): boolean;
`;

test.each([
  'README.md',
  'docs/kaska.md',
  'docs/net-queue.md',
  'docs/tls.md',
  'docs/python.md',
  'docs/values.md',
])('the programs of %s compile', (path) => {
  const programs = new Map(
    new Markdown(path).blocks.map(({ line, code }) => [
      join(root, `${path}.${line}.mts`),
      program(code),
    ]),
  );
  expect(programs.size).toBeGreaterThan(0);
  expect(mistakesIn(programs)).toEqual([]);
});

test('a program that does not compile is told, with its document and line', () => {
  const path = join(root, 'docs/some.md.7.mts');
  const wrong = program(`const text: string = await nq.open({ serializer: 'stream' });`);
  expect(mistakesIn(new Map([[path, wrong]]))).toEqual([
    expect.stringMatching(/^docs\/some\.md\.7\.mts: Type 'Communicator<IncomingStream>'/),
  ]);
});

/** A module in which what a program declares stands before what its readers have. */
function program(code: string): string {
  const imports = code.match(/^import .*$/gm) ?? [];
  const own = imports.filter((line) => line !== `import * as nq from 'chaski/net-queue';`);
  const body = code.replace(/^import .*$/gm, '');
  return `${readers}${own.join('\n')}\nexport async function program() {\n${body}\n}\n`;
}

function mistakesIn(programs: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) =>
    ts.sys.readFile(path),
  );
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const disk = { ...host };
  host.fileExists = (path) => programs.has(path) || disk.fileExists(path);
  host.readFile = (path) => programs.get(path) ?? disk.readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const text = programs.get(path);
    return text === undefined
      ? disk.getSourceFile(path, ...rest)
      : ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
  };
  const unused = { noUnusedLocals: false, noUnusedParameters: false };
  const whole = ts.createProgram([...programs.keys()], { ...options, ...unused }, host);
  return ts.getPreEmitDiagnostics(whole).map(({ file, messageText }) => {
    const path = file?.fileName.slice(root.length).replace(/^\//, '') ?? '';
    return `${path}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
