// Worker threads that share a log with each other and with the main thread, and that are ended while they use it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { afterEach, describe, expect, it } from 'vitest';

import type { Topic } from 'chaski/kaska';

import { soon } from '../net-queue/support/waiting.ts';
import { audit, told } from './support/audit.ts';
import type { Told } from './support/audit.ts';
import { Logs } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

interface Report {
  readonly is: string;
}

/** A thread that appends and reads until it is ended. */
class Restless {
  readonly worker: Worker;
  readonly exited: Promise<number>;
  /** What it saw that should not be. */
  readonly wrong: unknown[] = [];
  readonly #reports: Map<string, () => void> = new Map();

  constructor(dir: string, file: string, name: string) {
    const program = new URL('fixtures/restless-thread.mjs', import.meta.url);
    const workerData = { dir, told: file, name };
    this.worker = new Worker(program, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    });
    this.exited = new Promise((resolve) => {
      this.worker.once('exit', resolve);
    });
    this.worker.on('message', (report: Report) => {
      if (report.is === 'wrong') this.wrong.push(report);
      this.#reports.get(report.is)?.();
    });
    this.worker.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code !== 'ERR_WORKER_OUT_OF_MEMORY') this.wrong.push(code);
    });
  }

  /** Resolves with its next report of that kind. Ask before it can come. */
  async report(is: string): Promise<void> {
    const coming = new Promise<void>((resolve) => {
      this.#reports.set(is, resolve);
    });
    await soon(coming, `'${is}' of a thread`);
  }
}

/** Appends until it is told to stop; what it was told. */
async function appendUntil(topic: Topic, isOver: () => boolean): Promise<Told[]> {
  const rows: Told[] = [];
  for (let number = 0; !isOver(); number += 1) {
    const partition = number % topic.partitions;
    const value = `main ${number}`;
    const { offset } = await topic.append(value, { partition });
    rows.push({ partition, offset, value });
  }
  return rows;
}

describe('threads that share a log', () => {
  it('go on when others of them are ended in the middle, and nobody loses what he was told', async () => {
    const dir = await logs.folder();
    const file = join(await logs.folder(), 'told');
    const kaska = await logs.open({ dir });
    const topic = await kaska.createTopic('t', { partitions: 2 });
    const start = async (name: string): Promise<Restless> => {
      const thread = new Restless(dir, file, name);
      await Promise.all([thread.report('writes'), thread.report('reads')]);
      return thread;
    };
    let over = false;
    const own = appendUntil(topic, () => over);
    const lasting = await start('lasting');
    const ended: Restless[] = [];
    for (const how of ['terminate', 'oom', 'terminate', 'stop']) {
      const thread = await start(`${how} ${ended.length}`);
      if (how === 'terminate') await soon(thread.worker.terminate(), 'the end of a thread');
      else thread.worker.postMessage({ is: how });
      await soon(thread.exited, 'the end of a thread');
      ended.push(thread);
      // All others go on.
      const before = topic.endOffset(0);
      await topic.append(`after ${how} ${ended.length}`, { partition: 0 });
      expect(topic.endOffset(0)).toBeGreaterThan(before);
    }
    const done = lasting.report('done');
    lasting.worker.postMessage({ is: 'stop' });
    await done;
    expect(await lasting.exited).toBe(0);
    over = true;
    const rows = await own;
    for (const { wrong } of [lasting, ...ended]) expect(wrong).toEqual([]);
    await kaska.close();
    const all = [...rows, ...told(await readFile(file, 'utf8'))];
    expect(all.length).toBeGreaterThan(250);
    await audit(dir, all, (options) => logs.open(options));
  });

  it('may be many, which open and close it all the time', async () => {
    const dir = await logs.folder();
    const file = join(await logs.folder(), 'told');
    await (await (await logs.open({ dir })).createTopic('t', { partitions: 2 })).flush();
    await logs.close();
    // None of them is the first, or the last, to have it open.
    for (let round = 0; round < 3; round += 1) {
      const threads = Array.from({ length: 4 }, (_, i) => new Restless(dir, file, `${round} ${i}`));
      await Promise.all(threads.map((thread) => thread.report('writes')));
      await Promise.all(
        threads.map(async ({ worker, exited }, i) => {
          if ((round + i) % 2 === 0) await worker.terminate();
          else worker.postMessage({ is: 'stop' });
          await soon(exited, 'the end of a thread');
        }),
      );
      for (const { wrong } of threads) expect(wrong).toEqual([]);
    }
    await audit(dir, told(await readFile(file, 'utf8')), (options) => logs.open(options));
  });
});
