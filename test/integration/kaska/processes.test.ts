// Who holds a log: one process at a time, whatever becomes of it; and what is there after it has died.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { afterEach, describe, expect, it } from 'vitest';

import { Kaska } from 'chaski/kaska';

import { rejection, soon } from '../net-queue/support/waiting.ts';
import type { Exit } from '../net-queue/support/child.ts';
import { audit, told } from './support/audit.ts';
import { child } from './support/child.ts';
import { Logs, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe('a log that another process has open', () => {
  it('is refused with its pid, and opens when that one has closed, or was killed', async () => {
    const dir = await logs.folder();
    for (const end of ['close', 'kill']) {
      const holder = child('holder.mjs', { dir });
      await holder.report('open');
      const error = await rejection(Kaska.open({ dir }));
      expect(error).toMatchObject({ code: 'ERR_CHASKI_LOCKED', retryable: true });
      expect(error.message).toContain(String(holder.process.pid));
      if (end === 'kill') await holder.kill();
      else holder.tell({ is: 'close' });
      await holder.end();
      const kaska = await logs.open({ dir });
      const second = child('holder.mjs', { dir });
      expect(await second.report('refused')).toMatchObject({ code: 'ERR_CHASKI_LOCKED' });
      await second.end();
      await kaska.close();
    }
  });
});

describe('a process', () => {
  it('lives as long as its log is open, and ends before that with unref()', async () => {
    const dir = await logs.folder();
    for (const unref of [false, true]) {
      const exit = await child('alive.mjs', { dir, unref }).end();
      expect(exit).toMatchObject({ code: 0, signal: null });
    }
    expect(await texts((await logs.open({ dir })).topic('t'))).toEqual(['x', 'x']);
  });
});

it.skipIf(process.platform === 'win32')(
  'a process that has no descriptors left keeps what it acknowledges, and its log takes more',
  async () => {
    const dir = await logs.folder();
    const program = child('crowded.mjs', { dir, partitions: 300 }, { descriptors: 120 });
    const { poisoned, stored, codes } = await program.report('done');
    await program.end();
    expect({ poisoned, codes }).toEqual({ poisoned: false, codes: ['ERR_CHASKI_STORAGE'] });
    const kaska = await logs.open({ dir });
    const found = (await texts(kaska.topic('t'))).sort();
    expect(found).toEqual((stored as number[]).map((partition) => `of ${partition}`).sort());
    expect(found.length).toBeGreaterThan(0);
    expect((await kaska.verify()).damaged).toEqual([]);
  },
);

describe('threads of a process', () => {
  it('share a log: each appends, and reads what all append', async () => {
    const dir = await logs.folder();
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t');
    const count = 500;
    const workers = ['a', 'b', 'c'].map((name) => {
      const program = new URL('fixtures/thread.mjs', import.meta.url);
      const worker = new Worker(program, { workerData: { dir, name, count } });
      return new Promise<{ told: number[]; mine: number[] }>((resolve, reject) => {
        let report: { told: number[]; mine: number[] };
        worker.on('message', (value: typeof report) => {
          report = value;
        });
        worker.on('error', reject);
        worker.on('exit', () => {
          resolve(report);
        });
      });
    });
    const own = Promise.all(Array.from({ length: count }, (_, i) => topic.append(`own ${i}`)));
    const reports = await soon(Promise.all(workers), 'the threads');
    const offsets = (await own).map(({ offset }) => offset);
    for (const { told: given, mine } of reports) {
      expect(mine).toEqual(given);
      offsets.push(...given);
    }
    expect(offsets.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 4 * count }, (_, i) => i),
    );
    expect((await topic.append('still open')).offset).toBe(4 * count);
  });
});

/** How a host ends, by what it was told to do. */
const endings: Record<string, (number | string | null)[]> = {
  exit: [3],
  throw: [1],
  worker: ['SIGKILL'],
  kill: ['SIGKILL'],
  oom: ['SIGABRT', 134],
};
const endOf = ({ code, signal }: Exit): number | string | null => signal ?? code;

describe.each(['exit', 'throw', 'worker', 'kill', 'oom'])('a host that ends by %s', (how) => {
  it.each(['all', 1, 0] as const)(
    'loses nothing that it was told, and leaves nothing behind that is in the way, with acks %s',
    async (acks) => {
      const dir = await logs.folder();
      const file = join(await logs.folder(), 'told');
      const rounds = how === 'kill' ? 3 : 1;
      for (let round = 0; round < rounds; round += 1) {
        const setup = { dir, told: file, acks, writers: 6, how };
        const host = child('appender.mjs', setup, { execArgv: ['--max-old-space-size=32'] });
        await host.report('open');
        await host.report('acked');
        host.tell({ is: 'die' });
        if (how === 'worker') {
          await host.report('terminated');
          // The log is free again although the process lives.
          await (await logs.open({ dir })).close();
          await host.kill();
        }
        expect(endings[how]).toContainEqual(await host.end().then(endOf));
      }
      const acked = told(await readFile(file, 'utf8'));
      expect(acked.length).toBeGreaterThan(50 * rounds - 1);
      await audit(dir, acks === 0 ? [] : acked, (options) => logs.open(options));
    },
  );
});
