// What a document says, so that tests can hold it to that.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

import { root } from './root.ts';

/** A document of the repository: its sections of the second level, their tables and programs. */
export class Markdown {
  readonly text: string;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.text = readFileSync(join(root, path), 'utf8');
  }

  /** The text under a heading of the second level. */
  section(title: string): string {
    const text = this.text.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
    if (text === undefined) throw new Error(`${this.#path} has no section ${title}`);
    return text;
  }

  /** The first table under a heading, as rows of cells. */
  table(title: string): string[][] {
    const lines = this.section(title)
      .split('\n')
      .filter((line) => line.startsWith('|'));
    return lines.slice(2).map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  }

  /** The programs of a section, each as an asynchronous function of what it uses. */
  programs(title: string, ...names: string[]): ((...values: unknown[]) => Promise<void>)[] {
    const blocks = [...this.section(title).matchAll(/^```ts\n(.*?)^```$/gms)];
    return blocks.map(([, code = '']) => {
      const body = code.replace(/^import .*$/gm, '');
      const wrapped = `(async (${names.join(', ')}) => {${body}\n})`;
      const { outputText } = ts.transpileModule(wrapped, {
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
      });
      // oxlint-disable-next-line no-eval
      return (0, eval)(outputText) as (...values: unknown[]) => Promise<void>;
    });
  }

  /** All its programs, and the lines where they begin. */
  get blocks(): { line: number; code: string }[] {
    return [...this.text.matchAll(/^```(?:ts|js)\n(.*?)^```$/gms)].map(
      ({ index, 1: code = '' }) => ({
        line: this.text.slice(0, index).split('\n').length + 1,
        code,
      }),
    );
  }

  /** Files and folders that it links to, as they are written there. */
  get links(): string[] {
    return [...this.text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(
      ([, path = '']) => path,
    );
  }
}

/** What stands between the first backquotes of a cell; '' when there are none. */
export function codeOf(cell: string): string {
  return /`([^`]*)`/.exec(cell)?.[1] ?? '';
}
