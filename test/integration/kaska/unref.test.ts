// After unref(): what is under way keeps the process, a log at rest does not. Each program ends by itself, or is killed and fails.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { root } from '../../house/root.ts';
import { Logs, places } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

interface Ended {
  readonly code: number | string | null;
  readonly output: string;
}

/** Runs node until it ends by itself. */
async function run(...args: string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--no-warnings', ...args],
      { cwd: root, timeout: 60_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : (error.code ?? error.signal ?? null);
        resolve({ code, output: stdout + stderr });
      },
    );
  });
}

/** What a program may do when its log holds the process only while something is under way. */
const work = `
  const topic = await kaska.createTopic('t');
  for (let i = 0; i < 5; i += 1) await topic.append('a' + i);
  await topic.append('one', { acks: 1 });
  await topic.appendBatch(['b', 'c']);
  await topic.flush();
  const writer = await topic.writer('w');
  await writer.appendBatch(['d'], { sequence: 0 });
  await kaska.positions('me').commit('t', 3);
  const at = await topic.offsetAt(new Date(0));
  const { records } = await kaska.verify();
  const texts = [];
  for await (const record of topic.read({ until: 'end' })) texts.push(record.text());
  await kaska.createTopic('u');
  await kaska.deleteTopic('u');
  void topic.append('last');
  await kaska.drain();
  await kaska.close();
  console.log(at, records, texts.join(' '), 'closed');
`;
const worked = /^0 \d+ a0 a1 a2 a3 a4 one b c d closed\n$/;

describe.each(places)(
  'after unref(), what is under way is done before the process ends: %s',
  (place) => {
    const dirOf = async (): Promise<string> =>
      JSON.stringify(place === ':memory:' ? place : await logs.folder());

    it('in a module', async () => {
      const program = `import { Kaska } from 'chaski/kaska';
      const kaska = await Kaska.open({ dir: ${await dirOf()} });
      kaska.unref();
      ${work}`;
      const { code, output } = await run('--input-type=module', '--eval', program);
      expect(output).toMatch(worked);
      expect(code).toBe(0);
    });

    it('in CommonJS', async () => {
      const program = `const { Kaska } = require('chaski/kaska');
      (async () => {
        const kaska = await Kaska.open({ dir: ${await dirOf()} });
        kaska.unref();
        ${work}
      })();`;
      const { code, output } = await run('--input-type=commonjs', '--eval', program);
      expect(output).toMatch(worked);
      expect(code).toBe(0);
    });

    it('in node --test', async () => {
      const file = join(await logs.folder(), 'unref.test.mjs');
      const entry = JSON.stringify(join(root, 'dist', 'kaska', 'index.js'));
      await writeFile(
        file,
        `import { test } from 'node:test';
      import { Kaska } from ${entry};
      test('a log', async () => {
        const kaska = await Kaska.open({ dir: ${await dirOf()} });
        kaska.unref();
        ${work}
      });`,
      );
      const { code, output } = await run('--test', file);
      expect(output).toMatch(/^(# |ℹ )pass 1$/m);
      expect(code).toBe(0);
    });
  },
);

describe('after unref(), the process ends by itself', () => {
  it.each([
    ['with a log at rest', ''],
    ['while a reader waits', `void topic.read({ from: 'end' }).next();`],
    ['after a poll', `const c = kaska.client(); await c.subscribe(['t']); await c.poll();`],
    ['with an append that nobody awaits, which is stored', `void topic.append('kept');`],
  ])('%s', async (_, rest) => {
    const dir = await logs.folder();
    const program = `import { Kaska } from 'chaski/kaska';
      const kaska = await Kaska.open({ dir: ${JSON.stringify(dir)} });
      const topic = await kaska.createTopic('t');
      await topic.append('x');
      kaska.unref();
      ${rest}
      console.log('done');`;
    expect(await run('--input-type=module', '--eval', program)).toEqual({
      code: 0,
      output: 'done\n',
    });
    const stored = (await logs.open({ dir })).topic('t').endOffset();
    expect(stored).toBe(rest.includes('kept') ? 2 : 1);
  });

  it('and ref() takes it back', async () => {
    const program = `import { Kaska } from 'chaski/kaska';
      const kaska = await Kaska.open({ dir: ':memory:' });
      kaska.unref();
      const topic = await kaska.createTopic('t');
      kaska.ref();
      setTimeout(() => { void kaska.close().then(() => console.log('closed')); }, 100).unref();`;
    expect(await run('--input-type=module', '--eval', program)).toEqual({
      code: 0,
      output: 'closed\n',
    });
  });
});
