import { Kaska } from 'chaski/kaska';
import { describe, expect, it } from 'vitest';
import { Store, packedOf, topicName } from '../../../examples/ingest/store.mjs';
import type { Batch } from '../../../ts/net-queue/index.ts';
import { testFolder } from './folder.ts';

/** A batch whose payloads lie in memory with `gap` bytes between them. */
function batchOf(seq: number, payloads: readonly string[], gap = 0): Batch {
  const offsets: number[] = [];
  let memory = Buffer.from('before');
  for (const payload of payloads) {
    offsets.push(memory.length);
    memory = Buffer.concat([memory, Buffer.from(payload), Buffer.alloc(gap, '?')]);
  }
  return {
    seq,
    length: payloads.length,
    memory,
    offset: (i: number) => offsets[i],
    byteLengthAt: (i: number) => Buffer.byteLength(payloads[i]!),
  } as unknown as Batch;
}

async function contents(folder: string, share: number): Promise<string[]> {
  const kaska = await Kaska.open({ dir: folder });
  const found: string[] = [];
  for await (const record of kaska.topic(topicName(share)).read({ from: 'start', until: 'end' })) {
    found.push(record.text());
  }
  await kaska.close();
  return found;
}

describe('the store', () => {
  it('keeps what was written, by producer', async () => {
    const folder = testFolder();
    const store = await Store.open(folder, 2, 'a run');
    await Promise.all([
      store.write(0, batchOf(1, ['one\n', '', 'two\n'])),
      store.write(1, batchOf(1, ['x'])),
      store.write(0, batchOf(4, ['three\n', 'four\n'], 3)),
    ]);
    expect(store).toMatchObject({ records: 6, bytes: 20, again: 0 });
    expect(store.ends()).toEqual([5, 1]);
    await store.close();
    expect(await contents(folder, 0)).toEqual(['one\n', '', 'two\n', 'three\n', 'four\n']);
    expect(await contents(folder, 1)).toEqual(['x']);
  });

  it('stores once what comes again, in whatever batch, also for the next process', async () => {
    const folder = testFolder();
    const first = await Store.open(folder, 1, 'a run');
    await first.write(0, batchOf(1, ['1', '2', '3']));
    await first.close();
    const second = await Store.open(folder, 1, 'a run');
    await second.write(0, batchOf(2, ['2', '3', '4', '55']));
    expect(second).toMatchObject({ records: 2, bytes: 3, again: 2 });
    await second.close();
    expect(await contents(folder, 0)).toEqual(['1', '2', '3', '4', '55']);
  });

  it('takes the same numbers of another run as new', async () => {
    const folder = testFolder();
    for (const run of ['a run', 'another run']) {
      const store = await Store.open(folder, 1, run);
      await store.write(0, batchOf(1, ['same']));
      await store.close();
    }
    expect(await contents(folder, 0)).toEqual(['same', 'same']);
  });

  it('copies payloads only if they do not lie one behind the other', () => {
    const together = batchOf(1, ['abc', 'd']);
    const { data, lengths } = packedOf(together);
    expect(data.buffer).toBe(together.memory.buffer);
    expect([Buffer.from(data).toString(), ...lengths]).toEqual(['abcd', 3, 1]);
    const apart = packedOf(batchOf(1, ['abc', 'd'], 2));
    expect([Buffer.from(apart.data).toString(), ...apart.lengths]).toEqual(['abcd', 3, 1]);
  });
});
