// A process that fills a log while something is wrong with the system under it, and what became of what it appended.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { Kaska } from 'chaski/kaska';
import type { TopicOptions } from 'chaski/kaska';

import { Child } from '../../integration/net-queue/support/child.ts';
import type { ChildOptions } from '../../integration/net-queue/support/child.ts';
import { Chance } from './chance.ts';
import { LogAudit, rowsOf } from './log-audit.ts';

/** An error, as another process tells of it. */
interface Told {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly delivered?: 'no' | 'unknown';
  readonly system?: string;
}

export interface Filled {
  /** Acknowledged since the first refusal, or since the start if there was none. */
  readonly acked: number;
  readonly refused: number;
  /** The first of them. */
  readonly refusals: readonly Told[];
  readonly poisoned: readonly Told[];
  /** What became of appends after all else. */
  readonly late: readonly (Told | 'stored')[];
  /** Records that it could read in the end. */
  readonly read: number;
  readonly memory: { readonly rss: number; readonly queued: number };
  readonly loopMs: number;
}

export interface Filling {
  readonly most: number;
  readonly bytes: number;
  /** It ends after so many. */
  readonly refusals?: number;
  readonly options?: object;
}

/** A log in `folder` with one topic, 't', which processes fill one after the other. */
export class Filler {
  readonly #dir: string;
  readonly #book: string;
  #runs = 0;

  static async make(folder: string, options: TopicOptions = {}): Promise<Filler> {
    const filler = new Filler(folder);
    const kaska = await Kaska.open({ dir: filler.#dir });
    await kaska.createTopic('t', { partitions: 2, ...options });
    await kaska.close();
    return filler;
  }

  constructor(folder: string) {
    this.#dir = join(folder, 'log');
    this.#book = join(folder, 'book');
  }

  async grow(filling: Filling, options: ChildOptions = {}): Promise<Filled> {
    this.#runs += 1;
    const setup = { dir: this.#dir, book: this.#book, run: `run ${this.#runs}`, ...filling };
    const program = new URL('../fixtures/log-filler.mjs', import.meta.url);
    const child = new Child(program, setup, options);
    try {
      const report = await child.report('done');
      await child.end();
      return report as unknown as Filled;
    } catch (error) {
      // A kill would end what stands between, and leave the program.
      if (child.process.connected) child.process.disconnect();
      throw error;
    }
  }

  /** Sentences about what is wrong with the log, when it is opened with nothing in the way. */
  async wrong(): Promise<readonly string[]> {
    const open = (options: { dir: string }): Promise<Kaska> => Kaska.open(options);
    const audit = new LogAudit(this.#dir, open, new Chance('filler'));
    await audit.check(existsSync(this.#book) ? rowsOf(this.#book) : []);
    return audit.wrong;
  }
}
