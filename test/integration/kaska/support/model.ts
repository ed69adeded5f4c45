// What a log must be, in plain arrays and maps; and the same calls on a log and on that, one after the other.
import assert from 'node:assert/strict';

import type { Client, Kaska, NewRecord, Record, Topic, TopicOptions } from 'chaski/kaska';

import { soon } from '../../net-queue/support/waiting.ts';
import { clients } from './model-steps.ts';
import type { Of, Step, Stored } from './model-steps.ts';

interface ModelTopic {
  readonly partitions: Stored[][];
  /** By client and partition. */
  readonly positions: Map<string, number>;
  /** Last sequence, by writer and partition. */
  readonly writers: Map<string, number>;
  /** Where records of a key go. */
  readonly keys: Map<string, number>;
}

/** What appends are under way when a log ends without a close. */
interface InFlight {
  readonly topic: string;
  readonly records: readonly { readonly partition: number; readonly value: string }[];
}

/** Where each of them is that was acknowledged before it ended; by number. */
type Acked = ReadonlyMap<number, number>;

export interface Ends {
  /** Opens the log. */
  open(): Promise<Kaska>;
  /** Opens it in another process, which is killed while it appends. `undefined`: not here. */
  kill?(flying: InFlight): Promise<Acked>;
}

const notFound = { code: 'ERR_CHASKI_NOT_FOUND' };

/** A log, and what it must be. */
export class Modelled {
  readonly #ends: Ends;
  readonly #topics: Map<string, ModelTopic> = new Map();
  #kaska: Kaska;
  #client: Client;
  /** Of the client: topics in turn, the one that gave last at the end, and where it is. */
  #subscribed: string[] = [];
  readonly #places: Map<string, number> = new Map();
  #following:
    | { iterator: AsyncIterator<Record>; topic: string; from: number; stored: Stored[] }
    | undefined;

  static async open(ends: Ends): Promise<Modelled> {
    return new Modelled(ends, await ends.open());
  }

  private constructor(ends: Ends, kaska: Kaska) {
    this.#ends = ends;
    this.#kaska = kaska;
    this.#client = kaska.client();
  }

  /** Does it to both. */
  async run(one: Step): Promise<void> {
    switch (one.is) {
      case 'create':
        await this.#create(one);
        break;
      case 'delete':
        await this.#delete(one);
        break;
      case 'append':
        await this.#append(one);
        break;
      case 'batch':
        await this.#batch(one);
        break;
      case 'packed':
        await this.#packed(one);
        break;
      case 'named':
        await this.#named(one);
        break;
      case 'read':
        await this.#read(one);
        break;
      case 'time':
        await this.#time(one);
        break;
      case 'commit':
        await this.#commit(one);
        break;
      case 'follow':
        await this.#follow(one);
        break;
      case 'advance':
        await this.#advance(one);
        break;
      case 'subscribe':
        await this.#subscribe(one);
        break;
      case 'unsubscribe':
        this.#unsubscribe();
        break;
      case 'seek':
        this.#seek(one);
        break;
      case 'poll':
        for (let i = 0; i < one.count; i += 1) await this.#poll();
        break;
      case 'send':
        await this.#send(one);
        break;
      case 'reopen':
        await this.#kaska.close();
        await this.#reopen();
        break;
      case 'force':
      case 'kill':
        await this.#dies(one);
        break;
    }
  }

  /** All that there is. */
  async check(): Promise<void> {
    assert.deepEqual(
      [...this.#kaska.topics.keys()].toSorted(),
      [...this.#topics.keys()].toSorted(),
    );
    for (const [name, { partitions, positions, writers: last }] of this.#topics) {
      const topic = this.#kaska.topic(name);
      assert.equal(topic.partitions, partitions.length);
      for (const [at, records] of partitions.entries()) {
        assert.deepEqual([topic.startOffset(at), topic.endOffset(at)], [0, records.length]);
        same(await readAll(topic, at, 0), records, 0);
        for (const client of clients) {
          const committed = this.#kaska.positions(client).committed(name, at);
          assert.equal(committed, positions.get(`${client} ${at}`));
        }
      }
      for (const [writerAt, sequence] of last) {
        const [writer = '', at = '0'] = writerAt.split(' ');
        assert.equal((await topic.writer(writer)).lastSequence(Number(at)), sequence);
      }
    }
    assert.deepEqual((await this.#kaska.verify()).damaged, []);
  }

  async close(): Promise<void> {
    await this.#kaska.close();
  }

  async #create({ topic: name, partitions, compression, flush }: Of<'create'>): Promise<void> {
    const options = { partitions, compression, flush, segmentBytes: 1 << 20 } as TopicOptions;
    const made = this.#kaska.createTopic(name, options);
    if (this.#topics.has(name)) {
      await assert.rejects(made, { code: 'ERR_CHASKI_EXISTS' });
      return;
    }
    assert.equal((await made).partitions, partitions);
    this.#topics.set(name, {
      partitions: Array.from({ length: partitions }, () => []),
      positions: new Map(),
      writers: new Map(),
      keys: new Map(),
    });
  }

  async #delete({ topic: name }: Of<'delete'>): Promise<void> {
    if (!this.#topics.has(name)) {
      await assert.rejects(this.#kaska.deleteTopic(name), notFound);
      return;
    }
    if (this.#subscribed.includes(name)) this.#unsubscribe();
    if (this.#following?.topic === name) this.#following = undefined;
    await this.#kaska.deleteTopic(name);
    this.#topics.delete(name);
  }

  /** All of them in one turn; the model learns where they went, and looks at what it knows. */
  async #append({ topic: name, partition: at, records, acks: when }: Of<'append'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const wanted = at === undefined ? undefined : at % known.partitions.length;
    const topic = this.#kaska.topic(name);
    const results = records.map(({ value, key, headers, time: timestamp }) =>
      topic.append(value, {
        key,
        headers,
        acks: when,
        ...(timestamp === undefined ? {} : { timestamp }),
        ...(wanted === undefined ? {} : { partition: wanted }),
      }),
    );
    for (const [i, record] of records.entries()) {
      const { partition: to, offset } = await results[i]!;
      if (wanted !== undefined) assert.equal(to, wanted);
      else if (record.key !== null) {
        assert.equal(to, known.keys.get(record.key) ?? to);
        known.keys.set(record.key, to);
      }
      assert.equal(offset, known.partitions[to]!.push(record) - 1);
    }
    if (when !== 'all') await topic.flush();
  }

  async #batch({ topic: name, partition: at, records, acks: when }: Of<'batch'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const to = at % known.partitions.length;
    const own = known.partitions[to]!;
    const topic = this.#kaska.topic(name);
    const given = records.map(newRecord);
    const result = await topic.appendBatch(given, { partition: to, acks: when });
    assert.equal(result.count, records.length);
    if (records.length > 0) {
      assert.deepEqual([result.partition, result.offset], [to, own.length]);
    }
    own.push(...records);
    if (when !== 'all') await topic.flush();
  }

  async #packed({ topic: name, partition: at, values, acks: when }: Of<'packed'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const to = at % known.partitions.length;
    const own = known.partitions[to]!;
    const topic = this.#kaska.topic(name);
    const bytes = values.map((value) => Buffer.from(value));
    const packed = {
      data: Buffer.concat(bytes),
      lengths: Uint32Array.from(bytes, ({ length }) => length),
    };
    const result = topic.appendBatch(packed, { partition: to, acks: when });
    const { offset, count } = await result;
    assert.deepEqual([offset, count], [own.length, values.length]);
    own.push(...values.map((value) => ({ value, key: null, headers: [], time: undefined })));
    if (when !== 'all') await topic.flush();
  }

  async #named({
    topic: name,
    writer: by,
    partition: at,
    ahead,
    count,
  }: Of<'named'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const to = at % known.partitions.length;
    const own = known.partitions[to]!;
    const writer = await this.#kaska.topic(name).writer(by);
    const last = known.writers.get(`${by} ${to}`);
    assert.equal(writer.lastSequence(to), last);
    const sequence = Math.max(0, (last ?? -1) + 1 + ahead);
    const values = Array.from({ length: count }, (_, i) => `${by} ${sequence + i}`);
    const result = writer.appendBatch(values, { sequence, partition: to });
    if (last !== undefined && sequence > last + 1) {
      await assert.rejects(result, { code: 'ERR_CHASKI_OUT_OF_ORDER' });
      return;
    }
    const fresh = values.slice(Math.max(0, (last ?? sequence - 1) + 1 - sequence));
    assert.equal((await result).count, fresh.length);
    if (fresh.length > 0) {
      assert.equal((await result).offset, own.length);
      known.writers.set(`${by} ${to}`, sequence + count - 1);
    }
    own.push(...fresh.map((value) => ({ value, key: null, headers: [], time: undefined })));
  }

  async #read({ topic: name, partition: at, from, by }: Of<'read'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const to = at % known.partitions.length;
    const own = known.partitions[to]!;
    const topic = this.#kaska.topic(name);
    if (from < 0) {
      assert.throws(() => topic.read({ partition: to, from }), {
        code: 'ERR_CHASKI_INVALID_ARGUMENT',
      });
    } else if (from > own.length) {
      const read = topic.read({ partition: to, from });
      await assert.rejects(read.next(), {
        code: 'ERR_CHASKI_OUT_OF_RANGE',
        start: 0,
        end: own.length,
      });
    } else if (by === 'records') same(await readAll(topic, to, from), own, from);
    else {
      const read: Record[] = [];
      const options = { partition: to, from, until: 'end' } as const;
      for await (const batch of topic.batches(options)) read.push(...batch);
      same(read, own, from);
    }
  }

  async #time({ topic: name, partition: at, time: when }: Of<'time'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const to = at % known.partitions.length;
    // What has no time of its own is of now, and so behind all that are given here.
    const first = known.partitions[to]!.findIndex((record) => (record.time ?? Infinity) >= when);
    assert.equal(await this.#kaska.topic(name).offsetAt(when, to), first < 0 ? undefined : first);
  }

  async #commit({ client, topic: name, partition: at, offset }: Of<'commit'>): Promise<void> {
    const known = this.#topics.get(name);
    const positions = this.#kaska.positions(client);
    if (known === undefined) {
      await assert.rejects(positions.commit(name, offset), notFound);
      return;
    }
    const to = at % known.partitions.length;
    await positions.commit(name, offset, { partition: to });
    known.positions.set(`${client} ${to}`, offset);
    assert.equal(positions.committed(name, to), offset);
  }

  async #follow({ topic: name, partition: at }: Of<'follow'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    await this.#following?.iterator.return?.();
    const to = at % known.partitions.length;
    const iterator = this.#kaska.topic(name).read({ partition: to });
    this.#following = { iterator, topic: name, from: 0, stored: known.partitions[to]! };
  }

  async #advance({ count }: Of<'advance'>): Promise<void> {
    const following = this.#following;
    if (following === undefined) return;
    for (let i = 0; i < count && following.from < following.stored.length; i += 1) {
      const read = await soon(following.iterator.next(), 'the next record');
      same([read.value as Record], following.stored, following.from, 1);
      following.from += 1;
    }
  }

  /** To those of the topics that have one partition: in which order `poll()` goes round several is not said. */
  async #subscribe({ topics }: Of<'subscribe'>): Promise<void> {
    const wanted = topics.filter((name) => (this.#topics.get(name)?.partitions.length ?? 1) === 1);
    if (this.#subscribed.length > 0) {
      await assert.rejects(this.#client.subscribe(wanted), {
        code: 'ERR_CHASKI_EXISTS',
      });
      return;
    }
    const known = wanted.filter((name) => this.#topics.has(name));
    assert.equal(await this.#client.subscribe(wanted), known.length);
    this.#subscribed = known;
    for (const name of known) this.#places.set(name, this.#first(name).length);
  }

  #unsubscribe(): void {
    if (this.#subscribed.length > 0) assert.equal(this.#client.unsubscribe(), 0);
    else assert.throws(() => this.#client.unsubscribe(), notFound);
    this.#subscribed = [];
  }

  #seek({ topic: name, offset }: Of<'seek'>): void {
    if (!this.#subscribed.includes(name)) {
      assert.throws(() => this.#client.seek(name, offset), notFound);
      assert.throws(() => this.#client.position(name), notFound);
      return;
    }
    assert.equal(this.#client.seek(name, offset), 0);
    assert.equal(this.#client.position(name), offset);
    this.#places.set(name, offset);
  }

  async #poll(): Promise<void> {
    const polled = this.#client.poll();
    if (this.#subscribed.length === 0) {
      await assert.rejects(polled, notFound);
      return;
    }
    const given = await polled;
    const due = this.#subscribed.find((name) => this.#next(name) !== undefined);
    if (due === undefined) assert.equal(given, null);
    else {
      const offset = this.#next(due)!;
      const msg = Buffer.from(this.#first(due)[offset]!.value ?? '');
      assert.deepEqual(given && { ...given, msg: Buffer.from(given.msg) }, {
        topic: due,
        offset,
        msg,
      });
      this.#places.set(due, offset + 1);
      const turn = this.#subscribed.indexOf(due) + 1;
      this.#subscribed = [...this.#subscribed.slice(turn), ...this.#subscribed.slice(0, turn)];
    }
    // What is null or empty may have been passed already.
    for (const name of this.#subscribed) {
      const [before, now] = [this.#places.get(name)!, this.#client.position(name)];
      assert.ok(now >= before);
      assert.equal(
        this.#first(name)
          .slice(Math.max(0, before), Math.max(0, now))
          .every(({ value }) => !value),
        true,
      );
      this.#places.set(name, now);
    }
  }

  async #send({ topic: name, value }: Of<'send'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) {
      for (const call of [
        () => this.#client.sendMsg(name, value),
        () => this.#client.msgLength(name, 0),
        () => this.#client.endOffset(name),
      ]) {
        await assert.rejects(call(), notFound);
      }
      return;
    }
    const own = this.#first(name);
    const offset = await this.#client.sendMsg(name, value);
    assert.equal(offset, value === '' ? 0 : own.length);
    if (value !== '') own.push({ value, key: null, headers: [], time: undefined });
    assert.equal(await this.#client.endOffset(name), own.length);
    const last = own.at(-1)?.value ?? '';
    assert.equal(await this.#client.msgLength(name, own.length - 1), Buffer.byteLength(last));
    assert.equal(await this.#client.msgLength(name, own.length), 0);
  }

  /** Ends without a close while it appends. What was acknowledged is there; of the others, the first ones. */
  async #dies({ is, topic: name, records }: Of<'force' | 'kill'>): Promise<void> {
    const known = this.#topics.get(name);
    if (known === undefined) return this.#isNotThere(name);
    const flying = records.map(([at, value], i) => ({
      partition: at % known.partitions.length,
      value: `${i} ${value}`,
    }));
    let acked: Acked = new Map();
    if (is === 'kill' && this.#ends.kill !== undefined) {
      await this.#kaska.close();
      acked = await this.#ends.kill({ topic: name, records: flying });
    } else if (this.#ends.kill === undefined) {
      // What is in memory alone is gone after that.
      await this.#kaska.close();
    } else {
      const topic = this.#kaska.topic(name);
      const results = flying.map(({ partition: to, value }) =>
        topic.append(value, { partition: to }),
      );
      await this.#kaska.close({ force: true });
      const outcomes = await Promise.allSettled(results);
      acked = new Map(
        outcomes.flatMap((one, i) => (one.status === 'fulfilled' ? [[i, one.value.offset]] : [])),
      );
    }
    await this.#reopen();
    if (!this.#topics.has(name)) return;
    for (const [to, own] of known.partitions.entries()) {
      const before = own.length;
      const mine = [...flying.entries()].filter(([, { partition: at }]) => at === to);
      const end = this.#kaska.topic(name).endOffset(to);
      assert.ok(end <= before + mine.length);
      for (const [place, [i]] of mine.entries()) {
        const told = acked.get(i);
        if (told !== undefined) assert.deepEqual([told, told < end], [before + place, true]);
      }
      const kept = mine.slice(0, end - before);
      own.push(
        ...kept.map(([, { value }]) => ({ value, key: null, headers: [], time: undefined })),
      );
      same(await readAll(this.#kaska.topic(name), to, 0), own, 0);
    }
  }

  async #reopen(): Promise<void> {
    this.#following = undefined;
    this.#subscribed = [];
    this.#kaska = await this.#ends.open();
    this.#client = this.#kaska.client();
    // A process that died leaves the page cache: there is nothing to mend but the end that it was writing.
    assert.deepEqual(
      this.#kaska.recovery.filter(({ kind }) => kind !== 'cut'),
      [],
    );
    if (this.#ends.kill === undefined) this.#topics.clear();
  }

  #isNotThere(name: string): void {
    assert.throws(() => this.#kaska.topic(name), notFound);
  }

  #first(name: string): Stored[] {
    return this.#topics.get(name)!.partitions[0]!;
  }

  /** The offset of the next message that `poll()` gives of it. */
  #next(name: string): number | undefined {
    const place = this.#places.get(name)!;
    if (place < 0) return undefined;
    const found = this.#first(name).findIndex(({ value }, offset) => offset >= place && value);
    return found < 0 ? undefined : found;
  }
}

function newRecord({ value, key, headers, time: timestamp }: Stored): NewRecord {
  return { value, key, headers, ...(timestamp === undefined ? {} : { timestamp }) };
}

async function readAll(topic: Topic, partition: number, from: number): Promise<Record[]> {
  const records: Record[] = [];
  for await (const record of topic.read({ partition, from, until: 'end' })) records.push(record);
  return records;
}

/** That what was read is what is stored from `from` on. */
function same(
  read: readonly Record[],
  stored: readonly Stored[],
  from: number,
  count?: number,
): void {
  const expected = stored.slice(from, count === undefined ? undefined : from + count);
  assert.equal(read.length, expected.length);
  for (const [i, { value, key, headers, time: timestamp }] of expected.entries()) {
    const record = read[i]!;
    assert.deepEqual(
      {
        offset: record.offset,
        value: textOf(record.value),
        key: textOf(record.key),
        headers: record.headers.map(([name, bytes]) => [name, textOf(bytes)]),
        time: timestamp === undefined ? undefined : record.timestamp,
      },
      { offset: from + i, value, key, headers, time: timestamp },
    );
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}
