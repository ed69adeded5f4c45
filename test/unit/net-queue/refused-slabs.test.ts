import { describe, expect, it } from 'vitest';

import type { NativeBinding, QueueHandle } from '../../../ts/binding/index.ts';
import { ChaskiError } from '../../../ts/errors.ts';
import { parseOptions } from '../../../ts/net-queue/options.ts';
import { Peer } from '../../../ts/net-queue/peer.ts';
import { Sender } from '../../../ts/net-queue/sender.ts';

const names = ['', 'ERR_CHASKI_CLOSED', 'ERR_CHASKI_INTERNAL'];

/** A sender over a native part that refuses every slab for the first of three peers. */
class Bench {
  readonly refusing: Peer = new Peer(0, 'refusing', 1 << 20);
  readonly other: Peer = new Peer(1, 'other', 1 << 20);
  readonly third: Peer = new Peer(2, 'third', 1 << 20);
  readonly sender: Sender;
  /** What the others were given. */
  readonly taken: [peer: number, data: Uint8Array][] = [];

  constructor(code: string, readEvents: (bench: Bench) => void = () => {}) {
    const native = {
      queuePut: (_: unknown, peer: number, data: Uint8Array, bytes: number): number => {
        if (peer === 0) return -names.indexOf(code);
        this.taken.push([peer, data.slice(0, bytes)]);
        return 0;
      },
      queueStatus: (): number => -1,
      queueWatch: (): boolean => false,
      errorCodes: (): string[] => names,
    };
    const settings = parseOptions({ purpose: 'server', port: 0 }, undefined, undefined);
    this.sender = new Sender(native as unknown as NativeBinding, 1 as QueueHandle, settings, {
      onDrain: (): void => {},
      onRefused: (): void => {},
      readEvents: (): void => {
        readEvents(this);
      },
    });
    this.sender.add(this.refusing);
    this.sender.add(this.other);
    this.sender.add(this.third);
  }

  /** What puts to the refusing peer reject with: one that was looked at before, one looked at after, one put after. */
  async rejections(): Promise<ChaskiError[]> {
    const put = (): Promise<unknown> =>
      Promise.resolve(this.sender.put(this.refusing, new Uint8Array(8)));
    const early = put().catch((error: unknown) => error);
    const late = this.sender.put(this.refusing, new Uint8Array(8));
    await Promise.resolve();
    this.sender.flush();
    const errors = [early, late.catch((error: unknown) => error), put().catch((e: unknown) => e)];
    return (await Promise.all(errors)) as ChaskiError[];
  }
}

describe('puts whose slab native refuses', () => {
  it('are undelivered, and name the defect that was in the way as their cause', async () => {
    for (const error of await new Bench('ERR_CHASKI_INTERNAL').rejections()) {
      expect(error).toMatchObject({
        code: 'ERR_CHASKI_CLOSED',
        delivered: 'no',
        cause: { code: 'ERR_CHASKI_INTERNAL' },
      });
    }
  });

  it('name what ended the peer as their cause, although nobody was told of it yet', async () => {
    const defect = new ChaskiError('ERR_CHASKI_INTERNAL', 'a defect in chaski');
    const bench = new Bench('ERR_CHASKI_CLOSED', ({ refusing }) => {
      refusing.lostBy = defect;
    });
    for (const error of await bench.rejections()) expect(error.cause).toBe(defect);
  });

  it('are told to nobody in the middle of another put, and can be put again to another peer', async () => {
    const { sender, refusing, other, third, taken } = new Bench('ERR_CHASKI_CLOSED');
    const again = new Uint8Array([1, 2, 3]);
    const next = new Uint8Array([4, 5]);
    let heard = false;
    sender.put(refusing, again).then(undefined, () => {
      heard = true;
      void sender.put(other, again);
    });
    // Hands over what was gathered for the refusing one.
    void sender.put(third, next);
    expect(heard).toBe(false);
    await new Promise(setImmediate);
    expect(taken).toEqual([
      [third.number, next],
      [other.number, again],
    ]);
  });
});
