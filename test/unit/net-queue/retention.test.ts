import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { Origin } from '../../../ts/net-queue/origin.ts';
import { arenaBytes } from '../../../ts/shared/arena.ts';
import type { Settling } from '../../../ts/net-queue/origin.ts';
import { ReceivedBatch } from '../../../ts/net-queue/batch.ts';
import { Peer } from '../../../ts/net-queue/peer.ts';
import { Retention } from '../../../ts/shared/retention.ts';
import { codecOf } from '../../../ts/codec/index.ts';

describe('Retention', () => {
  it('asks for copies once 8 MiB of arenas have outlived a collection, until they are let go', async () => {
    const retention = new Retention();
    let held = retire(retention, 400);
    expect(retention.copyUpTo).toBeLessThan(0);
    await expect.poll(() => collected(retention)).toBe(16_384);
    // What follows is not held; the first ones still are.
    retire(retention, 10_000);
    expect(await collected(retention)).toBe(16_384);
    expect(held).toHaveLength(400);
    held = [];
    await expect.poll(() => collected(retention)).toBeLessThan(0);
  });

  it('leaves the registries of others alone when it is collected with something to tell', async () => {
    const held = [new Retention()];
    const hold = (): void => {
      retire(held[0] as Retention, 1);
    };
    hold();
    globalThis.gc!();
    // Collected before the task that the first collection began has run.
    held.length = 0;
    globalThis.gc!();
    await turn();
    const before = seen.collections;
    registry.register({}, undefined);
    await expect
      .poll(() => {
        globalThis.gc!();
        return seen.collections;
      })
      .toBeGreaterThan(before);
  });

  it('takes no notice of garbage, nor of a few held arenas', async () => {
    const retention = new Retention();
    const held = retire(retention, 60);
    expect(await collected(retention)).toBeLessThan(0);
    for (let i = 0; i < 3; i += 1) {
      retire(retention, 5000);
      expect(retention.copyUpTo).toBeLessThan(0);
      expect(await collected(retention)).toBeLessThan(0);
    }
    expect(held).toHaveLength(60);
  });

  it('notices one in ten of very many', async () => {
    const retention = new Retention();
    const held: ArrayBuffer[] = [];
    // A small sample can miss them, but not for long.
    const more = (): Promise<number> => {
      for (let i = 0; i < 2000; i += 1) {
        const memory = retire(retention, 1);
        if (i % 10 < 1) held.push(...memory);
      }
      return collected(retention);
    };
    await expect.poll(more, { timeout: 20_000 }).toBe(16_384);
  });
});

describe('a batch whose messages are to be copied', () => {
  const codec = codecOf('auto');
  const texts = [
    '',
    'short',
    'x'.repeat(64),
    'y'.repeat(300),
    'z'.repeat(5000),
    'w'.repeat(20_000),
  ];

  it.each(['bytes', 'values'])('gives the same messages as any other: %s', (kind) => {
    const done: [number, number][] = [];
    const payloads = texts.map((text) =>
      Buffer.from(kind === 'bytes' ? Buffer.from(text) : codec.encode({ text })),
    );
    const { batch, arena } = batchOf(payloads, kind === 'bytes' ? 0 : 1, {
      ack: (_peer, first, last) => done.push([first, last]),
      nack: () => 0,
    });
    const expected = texts.map((text) =>
      kind === 'bytes' ? new Uint8Array(Buffer.from(text)) : { text },
    );
    const messages = [...batch];
    const values = texts.map((_, i) => batch.at(i));
    expect(values).toEqual(expected);
    expect(messages.map(({ data }) => data)).toEqual(expected);
    messages.forEach((message, i) => {
      expect(Buffer.from(message.bytes)).toEqual(payloads[i]);
      expect(Buffer.from(message.copy())).toEqual(payloads[i]);
      expect(message.byteLength).toBe(payloads[i]!.length);
      expect(message.seq).toBe(7 + i);
      expect(message.peer).toBe('somebody');
      expect(message.data).toBe(message.data);
      // The longest one is worth its arena.
      for (const view of [message.bytes, batch.view(i)]) {
        expect(view.buffer === arena).toBe(view.length > 16_384);
        expect(view.buffer.byteLength).toBeLessThanOrEqual(
          Math.max(view.length, 4096, view.length > 16_384 ? 65_536 : 0),
        );
      }
      message.ack();
    });
    expect(done).toEqual(texts.map((_, i) => [7 + i, 7 + i]));
  });
});

/** Memory in place of arenas, given out whole; held by whoever keeps what this returns. */
function retire(retention: Retention, count: number): ArrayBuffer[] {
  return Array.from({ length: count }, () => {
    const memory = new ArrayBuffer(arenaBytes);
    retention.retire(memory);
    return memory;
  });
}

/** A full collection has passed, and `retention` has heard of it: up to what length it asks for copies then. */
async function collected(retention: Retention): Promise<number> {
  const before = seen.collections;
  registry.register({}, undefined);
  // What a turn looked at lives until it ends.
  await turn();
  while (seen.collections === before) {
    globalThis.gc!();
    await turn();
  }
  // Registries are told one after the other.
  await turn();
  retire(retention, 1);
  return retention.copyUpTo;
}

const seen = { collections: 0 };
const registry = new FinalizationRegistry(() => {
  seen.collections += 1;
});

function batchOf(
  payloads: readonly Uint8Array[],
  kind: number,
  settling: Settling,
): { batch: ReceivedBatch<unknown>; arena: ArrayBufferLike } {
  const peer = new Peer(0, 'somebody', 1 << 20);
  const memory = new Uint8Array(65_536);
  const index = new Uint32Array(2 * payloads.length);
  let used = 0;
  payloads.forEach((payload, i) => {
    memory.set(payload, used);
    index[2 * i] = used;
    index[2 * i + 1] = ((kind << 29) | payload.length) >>> 0;
    used += payload.length;
  });
  const origin = new Origin(
    { peer, id: peer.id, codec: codecOf('auto'), settling },
    memory,
    16_384,
  );
  return {
    batch: new ReceivedBatch(origin, index, 0, payloads.length, 7, 1),
    arena: memory.buffer,
  };
}
