import { describe, expect, it } from 'vitest';

import type { NativeBinding, QueueHandle } from '../../../ts/binding/index.ts';
import { ChaskiError } from '../../../ts/errors.ts';
import { parseOptions } from '../../../ts/net-queue/options.ts';
import { Peer } from '../../../ts/net-queue/peer.ts';
import { Sender } from '../../../ts/net-queue/sender.ts';
import { SharedPut } from '../../../ts/net-queue/shared-put.ts';
import type { PutResult } from '../../../ts/net-queue/types.ts';

/** A sender over a native part that takes everything, and acknowledges and writes what it is told to. */
class Bench {
  acked = 0;
  written = 0;
  /** How many messages each call handed over. */
  readonly handed: number[] = [];
  readonly peer: Peer = new Peer(0, 'peer', 1 << 20);
  readonly sender: Sender;

  constructor(sharing: boolean) {
    const native = {
      queuePut: (...args: unknown[]): number => {
        this.handed.push(args[5] as number);
        return 0;
      },
      queueStatus: (_handle: unknown, _peer: unknown, out: Float64Array): number => {
        out.set([this.acked, 0, 1, this.acked, this.written]);
        return 0;
      },
      queueWatch: (_handle: unknown, _peer: unknown, seq: number): boolean => seq <= this.acked,
      errorCodes: (): string[] => [],
    };
    const settings = parseOptions({ purpose: 'client' }, undefined, undefined);
    this.sender = new Sender(native as unknown as NativeBinding, 1 as QueueHandle, settings, {
      onDrain: (): void => {},
      onRefused: (): void => {},
      readEvents: (): void => {},
    });
    this.peer.sharing = sharing;
    this.sender.add(this.peer);
  }

  put(count: number, bytes: number = 64): PutResult[] {
    const message = new Uint8Array(bytes);
    return Array.from({ length: count }, () => this.sender.put(this.peer, message));
  }

  acknowledge(seq: number): void {
    this.acked = seq;
    this.sender.onAcked();
  }

  lose(written: number): void {
    this.written = written;
    this.sender.lose(this.peer, new ChaskiError('ERR_CHASKI_CLOSED', 'gone'));
  }
}

async function deliveredOf(result: PutResult): Promise<unknown> {
  const error: unknown = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return (error as ChaskiError).delivered;
}

describe('the puts of a slab', () => {
  it('share one native promise from the second on', async () => {
    const bench = new Bench(true);
    const [first, second, third] = bench.put(3);
    expect(second).toBe(third);
    expect(first).not.toBe(second);
    expect(Object.getPrototypeOf(second)).toBe(Promise.prototype);
    bench.sender.flush();
    bench.acknowledge(3);
    await Promise.all([first, second, third]);
    expect(second?.acked).toBe(true);
  });

  it('are followed by those who await them in the order of the puts', async () => {
    const bench = new Bench(true);
    const order: number[] = [];
    const followed = [...bench.put(3), ...bench.put(2, 40_000)].map(async (result, i) => {
      await result;
      order.push(i);
    });
    bench.sender.flush();
    await Promise.resolve();
    bench.acknowledge(5);
    await Promise.all(followed);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('settle only when the last of them is acknowledged', async () => {
    const bench = new Bench(true);
    const shared = bench.put(3)[1] as PutResult;
    bench.sender.flush();
    bench.acknowledge(2);
    await Promise.resolve();
    expect(shared.acked).toBe(false);
    bench.acknowledge(3);
    await shared;
    expect([...shared.futures.keys()]).toEqual(['peer']);
  });

  it('begin a new promise with a new slab', () => {
    const bench = new Bench(true);
    const before = bench.put(2)[1];
    bench.sender.flush();
    expect(bench.put(2)[1]).not.toBe(before);
  });

  it('make up one frame, of 65,520 bytes with their words', () => {
    const bench = new Bench(true);
    // Three of these and their words fill a frame to the byte; a fourth one needs another.
    void bench.put(4, 65_520 / 3 - 4);
    bench.sender.flush();
    expect(bench.handed).toEqual([3, 1]);
    void bench.put(16_381, 0);
    bench.sender.flush();
    expect(bench.handed).toEqual([3, 1, 16_380, 1]);
  });

  it('have promises of their own where the peer acknowledges what was processed', () => {
    const [, second, third] = new Bench(false).put(3);
    expect(second).not.toBe(third);
  });

  it('were not delivered when none of them left, and may have been when some did', async () => {
    const unsent = new Bench(true);
    const none = unsent.put(3)[1] as PutResult;
    unsent.lose(1);
    expect(await deliveredOf(none)).toBe('no');
    const partly = new Bench(true);
    const some = partly.put(3)[1] as PutResult;
    partly.lose(2);
    expect(await deliveredOf(some)).toBe('unknown');
    expect(some.acked).toBe(false);
  });

  it('report no unhandled rejection when nobody looks', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    new SharedPut('peer', 1).fail(new ChaskiError('ERR_CHASKI_CLOSED', 'gone'));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });
});
