// Appends of all kinds by chance, more than there is room for: what was acknowledged is there once, as it was, in the order of the calls; what
// was refused is not.
import { afterEach, expect, it } from 'vitest';

import type { Acks, OnFull } from 'chaski/kaska';

import { Chance } from '../../faults/support/chance.ts';
import { all, Logs } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

interface Given {
  readonly text: string;
  readonly partition: number;
  readonly acks: Acks;
  outcome: 'kept' | 'refused' | 'open';
}

it.each<[seed: number, onFull: OnFull]>([
  [2, 'wait'],
  [2, 'error'],
  [6, 'wait'],
  [6, 'error'],
  [8, 'wait'],
])('seed %d, onFull %s', async (seed, onFull) => {
  const chance = new Chance('pressure', seed);
  const below = (n: number): number => chance.integer(0, n - 1);
  const kaska = await logs.open({ highWaterMark: 1 + below(200_000), onFull });
  const partitions = 1 + below(4);
  const topic = await kaska.createTopic('t', {
    partitions,
    compression: chance.of(['none', 'gzip', 'lz4', 'zstd']),
    flush: chance.of(['always', 'os']),
    maxBatchBytes: 4096 + below(100_000),
    segmentBytes: 1 << 20,
  });
  const given: Given[] = [];
  const calls: Promise<void>[] = [];
  const make = (partition: number, acks: Acks): Given => {
    const length = below(8) === 0 ? below(3000) : below(50);
    const one = { text: `${given.length}:${'q'.repeat(length)}`, partition, acks };
    const made: Given = { ...one, outcome: 'open' };
    given.push(made);
    return made;
  };
  const watch = (call: PromiseLike<unknown>, records: readonly Given[]): void => {
    const settle = (outcome: 'kept' | 'refused') => (): void => {
      for (const record of records) record.outcome = outcome;
    };
    calls.push(Promise.resolve(call.then(settle('kept'), settle('refused'))));
  };
  for (let turn = 0; turn < 100; turn += 1) {
    for (let call = below(60); call >= 0; call -= 1) {
      const acks = chance.of<Acks>(['all', 1, 0]);
      const options = { partition: below(partitions), acks };
      if (below(2) === 0) {
        const record = make(options.partition, acks);
        watch(topic.append(record.text, { ...options, ...(below(3) === 0 && { key: 'k' }) }), [
          record,
        ]);
        continue;
      }
      const records = Array.from({ length: 1 + below(20) }, () => make(options.partition, acks));
      const values = records.map(({ text }) => Buffer.from(text));
      if (below(2) === 0) {
        watch(topic.appendBatch(values, options), records);
      } else {
        const data = Buffer.concat(values);
        const lengths = Uint32Array.from(values, (value) => value.length);
        watch(topic.appendBatch({ data, lengths }, options), records);
        data.fill(1);
        lengths.fill(1);
      }
    }
    if (below(3) === 0) await new Promise(setImmediate);
  }
  await Promise.all(calls);
  await topic.flush();
  const wrong: string[] = [];
  const stored = new Set<number>();
  for (let partition = 0; partition < partitions; partition += 1) {
    let last = -1;
    for (const record of await all(topic, partition)) {
      const number = parseInt(record.text(), 10);
      const expected = given[number];
      if (expected?.text !== record.text() || expected.partition !== partition) {
        wrong.push(`altered: ${record.text().slice(0, 20)}`);
      } else if (number <= last) {
        wrong.push(`${number} came behind ${last}`);
      } else if (expected.outcome === 'refused') {
        wrong.push(`refused, and stored: ${number}`);
      }
      last = number;
      stored.add(number);
    }
  }
  for (const [number, { outcome, acks }] of given.entries()) {
    if (outcome === 'kept' && acks !== 0 && !stored.has(number)) wrong.push(`lost: ${number}`);
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(stored.size).toBeGreaterThan(0);
});
