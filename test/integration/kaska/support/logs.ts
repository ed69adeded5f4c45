// Logs that are closed, and folders that are removed, when a test has ended.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Kaska } from 'chaski/kaska';
import type { KaskaOptions, Record, Topic } from 'chaski/kaska';

/** Where logs are tried. */
export const places = ['a folder', ':memory:'] as const;

export class Logs {
  readonly #open: Kaska[] = [];
  readonly #folders: string[] = [];

  /** An empty folder. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'chaski-kaska-'));
    this.#folders.push(folder);
    return folder;
  }

  /** A log in a folder of its own, unless `options` say where. */
  async open(options: Partial<KaskaOptions> = {}): Promise<Kaska> {
    const dir = options.dir ?? (await this.folder());
    const kaska = await Kaska.open({ timeoutMs: 60_000, ...options, dir });
    this.#open.push(kaska);
    return kaska;
  }

  async openIn(place: (typeof places)[number]): Promise<Kaska> {
    return await this.open(place === ':memory:' ? { dir: place } : {});
  }

  /** Closes them all. */
  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((kaska) => kaska.close()));
  }

  /** For `afterEach`. */
  readonly clear = async (): Promise<void> => {
    await this.close();
    for (const folder of this.#folders.splice(0)) {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

/** All records that there are. */
export async function all(topic: Topic, partition?: number): Promise<Record[]> {
  const records: Record[] = [];
  const options = partition === undefined ? {} : { partition };
  for await (const record of topic.read({ ...options, until: 'end' })) records.push(record);
  return records;
}

/** The values of all records that there are, as texts. */
export async function texts(topic: Topic, partition?: number): Promise<string[]> {
  return (await all(topic, partition)).map((record) => record.text());
}

/** The next `count` that `iterator` gives. */
export async function next<T>(iterator: AsyncIterator<T>, count: number): Promise<T[]> {
  const values: T[] = [];
  while (values.length < count) {
    const step = await iterator.next();
    if (step.done === true) throw new Error(`It ended after ${values.length} of ${count}.`);
    values.push(step.value);
  }
  return values;
}
