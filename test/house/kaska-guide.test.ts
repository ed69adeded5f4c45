// docs/kaska.md says what is so: its programs run, and its tables list the options that there are.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Kaska } from 'chaski/kaska';
import type { Topic } from 'chaski/kaska';
import { afterEach, expect, test } from 'vitest';

import { codeOf, Markdown } from './markdown.ts';
import { root } from './root.ts';

const guide = new Markdown('docs/kaska.md');
const opened: Kaska[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((kaska) => kaska.close()));
});

async function topicIn(dir: string = ':memory:'): Promise<{ kaska: Kaska; topic: Topic }> {
  const kaska = await Kaska.open({ dir });
  opened.push(kaska);
  return { kaska, topic: await kaska.createTopic('readings', { partitions: 1 }) };
}

function printer(): { readonly printed: unknown[][]; log(...values: unknown[]): void } {
  const printed: unknown[][] = [];
  return {
    printed,
    log(...values) {
      printed.push(values);
    },
  };
}

test('its first line tells what an acknowledgement means', () => {
  const [, first = ''] = guide.text.split('\n\n');
  expect(first).toContain("`acks: 'all'` (the default) is acknowledged after fsync");
  expect(first).toContain('`acks: 1` after `write`');
});

test('its first program stores and reads', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'chaski-guide-'));
  const [first] = guide.programs('A first log', 'Kaska', 'dir', 'console');
  const out = printer();
  await first!(Kaska, dir, out);
  expect(out.printed).toEqual([[0, '21.5']]);
  rmSync(dir, { recursive: true });
});

test('its programs append', async () => {
  const [append, exactlyOnce] = guide.programs('Appending', 'topic', 'bytes');
  const { topic } = await topicIn();
  await append!(topic, new Uint8Array(300));
  expect(topic.endOffset()).toBe(8);
  await exactlyOnce!(topic);
  expect(topic.endOffset()).toBe(10);
  await exactlyOnce!(topic);
  expect(topic.endOffset()).toBe(12);
});

test('its programs read', async () => {
  const [read, position] = guide.programs('Reading', 'topic', 'console', 'kaska');
  const { kaska, topic } = await topicIn();
  await topic.appendBatch(['a', 'bb']);
  const out = printer();
  const reading = read!(topic, out);
  await topic.append('ccc', { key: 'k', timestamp: 7 });
  await reading;
  expect(out.printed).toEqual([
    [Uint8Array.of(107), Uint8Array.of(99, 99, 99), [], 7],
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
  const second = printer();
  await position!(topic, second, kaska);
  expect(second.printed).toEqual([['a'], ['bb'], ['ccc']]);
  expect(kaska.positions('mailer').committed('readings')).toBe(3);
  await position!(topic, second, kaska);
  expect(second.printed).toHaveLength(3);
});

test('its program uses the calls of the original', async () => {
  const [original] = guide.programs('The calls of the original', 'kaska', 'console');
  const out = printer();
  await original!((await topicIn()).kaska, out);
  expect(out.printed).toEqual([[0, 1]]);
});

test('its tables list the options that there are, and the requirements of the original', () => {
  const types = readFileSync(join(root, 'ts', 'kaska', 'types.ts'), 'utf8');
  const optionsOf = (name: string): string[] => {
    const [, body = ''] = new RegExp(`interface ${name}[^{]*\\{(.*?)^\\}`, 'ms').exec(types) ?? [];
    return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, option = '']) => option);
  };
  const listed = (title: string): string[] =>
    guide.table(title).flatMap(([cell = '']) => {
      return [...cell.matchAll(/`(\w+)`/g)].map(([, option = '']) => option);
    });
  const same = (left: string[], right: string[]): void => {
    expect(new Set(left)).toEqual(new Set(right));
  };
  same(listed('Topics'), optionsOf('TopicOptions'));
  same(listed('Reading'), optionsOf('ReadOptions'));
  same(listed('Opening and closing'), [...optionsOf('KaskaOptions'), 'signal', 'timeoutMs']);
  const requirements = guide.table('The calls of the original').map(([cell = '']) => cell);
  expect(requirements.map((cell) => cell.split(' ')[0])).toEqual(
    Array.from({ length: 15 }, (_, i) => `R${i + 1}`),
  );
  expect(codeOf(guide.table('Topics')[0]?.[0] ?? '')).toBe('partitions');
});
