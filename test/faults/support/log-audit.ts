// What must be true of a log after whatever has happened to the process that wrote it. Values are those of the fixtures: who wrote
// it, a number that grows with each value of that writer, and a checksum.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';

import type { Kaska, Topic } from 'chaski/kaska';

import type { Chance } from './chance.ts';

/** What a process wrote down when it was told it. */
export type Row =
  | readonly ['stored', topic: string, partition: number, offset: number, crc: number]
  | readonly ['refused', topic: string, partition: number, crc: number]
  | readonly ['committed', topic: string, partition: number, offset: number];

/** The rows of a file; the last line may be torn. */
export function rowsOf(file: string): Row[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Row);
}

/** What was seen of a partition, over all audits. */
interface Seen {
  start: number;
  /** Of the value at each offset. */
  readonly crcs: number[];
}

/** Audits of one log, one after the other: what one has seen, the next must see again. */
export class LogAudit {
  /** Sentences about what is wrong. */
  readonly wrong: string[] = [];
  /** The longest time that opening took, in ms. */
  slowestMs = 0;
  /** Records that were read, over all audits. */
  read = 0;
  readonly #dir: string;
  readonly #open: (options: { dir: string }) => Promise<Kaska>;
  readonly #chance: Chance;
  readonly #seen: Map<string, Seen> = new Map();
  readonly #committed: Map<string, number> = new Map();

  constructor(dir: string, open: (options: { dir: string }) => Promise<Kaska>, chance: Chance) {
    this.#dir = dir;
    this.#open = open;
    this.#chance = chance;
  }

  /** Opens, checks, closes, and opens again. `rows`: all that anybody was told since the log was made. */
  async check(rows: readonly Row[]): Promise<void> {
    const before = performance.now();
    const kaska = await this.#open({ dir: this.#dir });
    this.slowestMs = Math.max(this.slowestMs, performance.now() - before);
    // A process that dies leaves the page cache: there is nothing to mend but the end that it was writing.
    this.#same(
      'recovery',
      kaska.recovery.filter(({ kind }) => kind !== 'cut'),
      [],
    );
    for (const topic of kaska.topics.values()) await this.#checkTopic(topic);
    for (const name of this.#seen.keys()) {
      const [topic = ''] = name.split(' ');
      if (topic !== 'passing' && !kaska.topics.has(topic)) this.#is(`${topic} is gone`);
    }
    this.#checkRows(kaska, rows);
    const { damaged } = await kaska.verify();
    this.#same('damaged', damaged, []);
    const ends = endsOf(kaska);
    await kaska.close();
    await this.#checkAgain(ends);
  }

  #is(wrong: string): void {
    if (this.wrong.length < 10) this.wrong.push(wrong);
  }

  #same(what: string, value: unknown, expected: unknown): void {
    if (isDeepStrictEqual(value, expected)) return;
    this.#is(`${what}: ${JSON.stringify(value)} instead of ${JSON.stringify(expected)}`);
  }

  async #checkTopic(topic: Topic): Promise<void> {
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      const name = `${topic.name} ${partition}`;
      // 'passing' is made anew all the time.
      const fresh = topic.name === 'passing' || !this.#seen.has(name);
      const seen: Seen = fresh ? { start: 0, crcs: [] } : this.#seen.get(name)!;
      this.#seen.set(name, seen);
      await this.#checkPartition(topic, partition, seen);
    }
  }

  async #checkPartition(topic: Topic, partition: number, seen: Seen): Promise<void> {
    const last = new Map<string, number>();
    const times: number[] = [];
    let next = -1;
    for await (const record of topic.read({ partition, until: 'end' })) {
      if (next < 0) {
        if (record.offset < seen.start) this.#is(`the start went back to ${record.offset}`);
        seen.start = record.offset;
        next = record.offset;
      }
      const at = `${topic.name} ${partition} ${record.offset}`;
      if (record.offset !== next) this.#is(`${at} instead of ${next}`);
      const text = record.text();
      const [, head = '', origin = '', number, crc] = /^((.*)\/(\d+)\/x*)#(\d+)$/.exec(text) ?? [];
      if (crc32(head) !== Number(crc)) this.#is(`${at} is altered: ${text.slice(0, 80)}`);
      if (Number(number) <= (last.get(origin) ?? -1)) this.#is(`${at} is out of order`);
      if (origin === 'numbered' && Number(number) !== record.offset) this.#is(`${at}: ${number}`);
      last.set(origin, Number(number));
      const whole = crc32(text);
      if ((seen.crcs[record.offset] ?? whole) !== whole) this.#is(`${at} was another before`);
      seen.crcs[record.offset] = whole;
      times.push(record.timestamp);
      next = record.offset + 1;
      this.read += 1;
    }
    const empty = next < 0;
    if (empty) next = topic.startOffset(partition);
    // Nothing that was read once is gone, and there is nothing behind the end.
    this.#same(`${topic.name} ${partition}: all that was seen`, next, seen.crcs.length);
    this.#same(`${topic.name} ${partition}: end`, topic.endOffset(partition), next);
    if (!empty) await this.#checkIndexes(topic, partition, seen, times);
  }

  /** What the indexes find is what is there. */
  async #checkIndexes(
    topic: Topic,
    partition: number,
    seen: Seen,
    times: readonly number[],
  ): Promise<void> {
    const name = `${topic.name} ${partition}`;
    for (let i = 0; i < 4; i += 1) {
      const place = this.#chance.integer(0, times.length - 1);
      const from = seen.start + place;
      const step = await topic.read({ partition, from, onOutOfRange: 'start' }).next();
      const offset: number = step.value.offset;
      // Retention may delete meanwhile.
      if (topic.startOffset(partition) <= from) this.#same(`${name}: read from`, offset, from);
      this.#same(`${name}: value at ${offset}`, crc32(step.value.text()), seen.crcs[offset]);
      const time = times[place]!;
      const start = topic.startOffset(partition);
      const found = await topic.offsetAt(time, partition);
      const first = seen.start + times.findIndex((other) => other >= time);
      if (topic.startOffset(partition) === start && start <= first) {
        this.#same(`${name}: first of ${time}`, found, first);
      }
    }
  }

  #checkRows(kaska: Kaska, rows: readonly Row[]): void {
    const given = new Set<string>();
    for (const row of rows) {
      const [is, topic, partition, offset] = row;
      const name = `${topic} ${partition}`;
      if (is === 'refused') {
        const at = this.#seen.get(name)?.crcs.indexOf(row[3]) ?? -1;
        if (at >= 0) this.#is(`${name}: the record at ${at} was refused, and is there`);
        continue;
      }
      if (is === 'committed') {
        this.#committed.set(name, Math.max(this.#committed.get(name) ?? -1, offset));
        continue;
      }
      const seen = this.#seen.get(name) ?? { start: 0, crcs: [] };
      if (offset >= seen.start && seen.crcs[offset] !== row[4]) {
        this.#is(`${name}: the record at ${offset} was acknowledged, and is not there`);
      }
      if (given.has(`${name} ${offset}`)) this.#is(`${name}: ${offset} was given twice`);
      given.add(`${name} ${offset}`);
    }
    for (const [name, told] of this.#committed) {
      const [topic = '', partition = '0'] = name.split(' ');
      const stored = kaska.positions('reader').committed(topic, Number(partition)) ?? -1;
      if (stored < told) this.#is(`${name}: the position went back from ${told} to ${stored}`);
      this.#committed.set(name, stored);
    }
  }

  /** To open it once more finds nothing to do, and changes nothing; retention may go on. */
  async #checkAgain(ends: readonly string[]): Promise<void> {
    const sizes = sizesOf(this.#dir);
    const kaska = await this.#open({ dir: this.#dir });
    this.#same('recovery, once more', kaska.recovery, []);
    this.#same('ends, once more', endsOf(kaska), ends);
    await kaska.close();
    for (const [name, size] of sizesOf(this.#dir))
      this.#same(`size of ${name}, once more`, size, sizes.get(name));
  }
}

function endsOf(kaska: Kaska): string[] {
  return [...kaska.topics.values()].flatMap((topic) =>
    Array.from({ length: topic.partitions }, (_, partition) => {
      return `${topic.name} ${partition} ends at ${topic.endOffset(partition)}`;
    }),
  );
}

/** The sizes of all files of records. */
function sizesOf(dir: string): Map<string, number> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  const logs = names.filter((name) => name.endsWith('.log'));
  return new Map(logs.map((name) => [name, statSync(join(dir, name)).size]));
}
