// docs/design/bad-input.md names tests that exist.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { Markdown } from './markdown.ts';
import { root } from './root.ts';

const page = new Markdown('docs/design/bad-input.md');

/** Whether a source names a test so; quotes may be escaped in it. */
const names = (source: string, title: string): boolean =>
  source.replaceAll("\\'", "'").includes(title);

describe('the list of bad input', () => {
  test.each(['Groups', 'Defects of the Python package', 'Acceptance'])(
    'names tests that exist, under %s',
    (section) => {
      const missing = page.table(section).filter(([, , file, title]) => {
        const source = readFileSync(join(root, file!.replaceAll('`', '')), 'utf8');
        return title === '' || !names(source, title!);
      });
      expect(missing).toEqual([]);
    },
  );

  test('has every group and every defect that concerns what is there', () => {
    const first = (section: string) => new Set(page.table(section).map(([cell]) => cell));
    const groups = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 19, 20, 21, 22, 23, 24, 29, 30];
    expect(first('Groups')).toEqual(new Set(groups.map(String)));
    const defects = [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18];
    expect(first('Defects of the Python package')).toEqual(
      new Set(defects.map((number) => `D${number}`)),
    );
  });

  test('would miss a test that was renamed', () => {
    expect(names("it('does one thing', () => {});", 'does another')).toBe(false);
  });
});
