import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesUnder, root } from './root.ts';

describe('no panic of the addon unwinds into C', () => {
  test('every export and every callback catches', () => {
    const files = filesUnder('crates/addon/src', '.rs');
    expect(files.length).toBeGreaterThan(5);
    const found = files.map((file) => unguarded(readFileSync(join(root, file), 'utf8')));
    expect(found.flat()).toEqual([]);
  });

  test.each([
    ['#[napi]\npub fn queue_ack(handle: u32) {}', ['queue_ack']],
    ['#[napi(catch_unwind)]\n#[must_use]\npub fn queue_ack(handle: u32) {}', []],
    ['#[napi(object)]\npub struct Stats {}', []],
    ['unsafe extern "C" fn on_poll() {\n    act();\n}\n', ['on_poll']],
    ['unsafe extern "C" fn on_poll() {\n    guarded(act);\n}\n', []],
  ])('in %j it finds %j', (source, names) => {
    expect(unguarded(source)).toEqual(names);
  });
});

/** Names of the functions in Rust `source` that C calls and that do not catch. */
function unguarded(source: string): string[] {
  const exports = source.matchAll(
    /^#\[napi(?<options>[^\]]*)\]\n(?:#\[.*\]\n)*pub fn (?<name>\w+)/gm,
  );
  const callbacks = source.matchAll(/^unsafe extern "C" fn (?<name>\w+)(?<body>[^]*?)^\}/gm);
  return [
    ...[...exports].filter(({ groups }) => !groups!['options']!.includes('catch_unwind')),
    ...[...callbacks].filter(({ groups }) => !groups!['body']!.includes('guarded(')),
  ].map(({ groups }) => groups!['name']!);
}
