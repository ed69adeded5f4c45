// Topics that are deleted while they are used.
import { afterEach, describe, expect, it } from 'vitest';

import type { Flush } from 'chaski/kaska';

import { soon } from '../net-queue/support/waiting.ts';
import { all, Logs, places } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

describe.each(places)('what is under way when its topic is deleted, in %s,', (place) => {
  it.each<[string, Flush, number]>([
    ['small', 'always', 10],
    ['large', 'always', 400_000],
    ['small, flushed later', 'os', 10],
    ['large, flushed by time', { intervalMs: 1000 }, 400_000],
  ])('is stored, or refused by name: %s', async (_, flush, bytes) => {
    const kaska = await logs.openIn(place);
    const told: unknown[] = [];
    for (const event of ['poisoned', 'warning'] as const) {
      kaska.on(event, (error) => told.push(error));
    }
    const other = await kaska.createTopic('other');
    const rounds = 40;
    for (let round = 0; round < rounds; round += 1) {
      const topic = await kaska.createTopic('passing', { flush, segmentBytes: 1 << 20 });
      const results: Promise<unknown>[] = [0, 1, 2, 3].map((i) =>
        topic.append(new Uint8Array(bytes), { acks: round % 3 > 0 && i % 2 > 0 ? 1 : 'all' }),
      );
      results.push(topic.flush());
      if (round % 2 > 0) await new Promise(setImmediate);
      const deleted = kaska.deleteTopic('passing');
      const lasting = other.append('x');
      const outcomes = await soon(Promise.allSettled(results), 'what is under way');
      for (const outcome of outcomes.filter(({ status }) => status === 'rejected')) {
        expect(outcome).toMatchObject({ reason: { code: 'ERR_CHASKI_NOT_FOUND' } });
      }
      await Promise.all([deleted, lasting]);
    }
    await soon(kaska.drain(), 'nothing to wait for');
    expect(await all(other)).toHaveLength(rounds);
    expect(told).toEqual([]);
    expect(kaska.stats()).toMatchObject({ topics: 1, queuedBytes: 0 });
  });
});
