import { describe, expect, it } from 'vitest';

import type { NativeBinding, QueueHandle } from '../../../ts/binding/index.ts';
import { parseOptions } from '../../../ts/net-queue/options.ts';
import { Peer } from '../../../ts/net-queue/peer.ts';
import { Sender } from '../../../ts/net-queue/sender.ts';

/** A peer of which native, which knows one watch, acknowledges what the test says. */
class Acknowledging {
  readonly peer: Peer = new Peer(0, 'peer', 1 << 20);
  readonly sender: Sender;
  #acked = 0;
  #watched = Infinity;
  #woken = false;

  constructor() {
    const native = {
      queuePut: (): number => 0,
      queueStatus: (_: unknown, _peer: number, out: Float64Array): number => {
        out.set([this.#acked, this.#acked, 1, this.#acked, this.#acked]);
        return 0;
      },
      queueWatch: (_: unknown, _peer: number, seq: number): boolean => {
        if (seq <= this.#acked) return true;
        this.#watched = Math.min(this.#watched, seq);
        return false;
      },
    };
    const settings = parseOptions(
      { purpose: 'server', port: 0, highWaterMark: { messages: 4 } },
      undefined,
      undefined,
    );
    this.sender = new Sender(native as unknown as NativeBinding, 1 as QueueHandle, settings, {
      onDrain: (): void => {},
      onRefused: (): void => {},
      readEvents: (): void => {},
    });
    this.sender.add(this.peer);
  }

  put(count: number): void {
    for (let i = 0; i < count; i += 1) void this.sender.put(this.peer, new Uint8Array(1));
  }

  /** As native does it: who watches is woken once. */
  acknowledge(seq: number): void {
    this.#acked = seq;
    if (seq < this.#watched) return;
    this.#watched = Infinity;
    this.#woken = true;
  }

  /** JavaScript hears of a wake, if there was one. */
  hear(): void {
    if (this.#woken) this.sender.onAcked();
    this.#woken = false;
  }

  /** The line of those who wait for room, joined; what it returns tells whether it was served. */
  join(): () => boolean {
    let served = false;
    this.peer.room.join({ onRoom: () => (served = true), onGone: () => {} });
    this.sender.watch(this.peer);
    return () => served;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('what waits for acknowledgements', () => {
  it('is woken also when an earlier watch was reached after nobody had waited for it any more', async () => {
    const bench = new Acknowledging();
    bench.put(4);
    // Full: native watches on behalf of the event drain.
    expect(bench.sender.hasRoom(bench.peer)).toBe(false);
    const early = bench.join();
    await turn();
    // Acknowledged, and seen by a look in passing before the wake is heard: nobody waits when it is.
    bench.acknowledge(1);
    bench.sender.refresh(bench.peer);
    bench.sender.watch(bench.peer);
    await turn();
    expect(early()).toBe(true);
    bench.hear();
    bench.put(1);
    expect(bench.sender.hasRoom(bench.peer)).toBe(false);
    const late = bench.join();
    await turn();
    bench.acknowledge(5);
    bench.hear();
    expect(late()).toBe(true);
  });
});
