// The import rules of ts/, as a function over source texts.
import { posix } from 'node:path';
import ts from 'typescript';

/** Folders with a door of their own to the outside: they never import each other. */
const apis = ['chaski', 'net-queue', 'daffi', 'kaska', 'cli'];
/** What two or more of them use: it knows none of them. */
const common = ['errors.ts', 'codec', 'shared', 'binding', 'native'];

/** Sentences, one for each import in `sources` (path from ts/ -> text) that a rule forbids. */
export function importViolations(sources: ReadonlyMap<string, string>): string[] {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    const room = roomOf(path);
    for (const name of namesOf(text)) {
      const bare = !name.startsWith('.');
      if (bare) {
        const fits = name.startsWith('node:') || (room === 'codec' && name.startsWith('msgpackr'));
        if (!fits) violations.push(`${path} may not import ${name}`);
        continue;
      }
      const target = roomOf(posix.join(posix.dirname(path), name));
      if (target === room) continue;
      const reason = forbidden(room, target);
      if (reason !== undefined) violations.push(`${path} may not import ${name}: ${reason}`);
    }
  }
  return violations;
}

function forbidden(room: string, target: string): string | undefined {
  if (target.startsWith('..')) return 'it lies outside of ts/';
  if (target === 'native' && room !== 'binding') return 'only binding/ imports native/';
  if (apis.includes(target) && apis.includes(room)) return 'exports never import each other';
  if (apis.includes(target) && common.includes(room)) return `${room} knows no export`;
  if (target === 'binding' && ['errors.ts', 'codec', 'shared'].includes(room)) {
    return `${room} does not know the addon`;
  }
  if (room === 'errors.ts') return 'errors.ts stands alone';
  return undefined;
}

/** The first part of a path from ts/. */
function roomOf(path: string): string {
  return path.split('/')[0] ?? path;
}

/** Every module that a text names: imports of any kind, and string literals that are relative paths. */
function namesOf(text: string): Set<string> {
  const names = new Set(modulesIn(text));
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && /^\.{1,2}\//.test(node.text)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest));
  return names;
}

/** The modules that a text imports, in whatever way. */
export function modulesIn(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}
