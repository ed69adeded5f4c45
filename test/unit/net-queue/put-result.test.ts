import { describe, expect, it, vi } from 'vitest';

import { ChaskiError } from '../../../ts/errors.ts';
import { Peer } from '../../../ts/net-queue/peer.ts';
import { ManyResult, RefusedResult, SentResult } from '../../../ts/net-queue/put-result.ts';

const watch = { watch: (): void => {}, refresh: (): void => {}, cancel: (): number => 0 };

function peerWithId(): Peer {
  return new Peer(0, 'peer', 1 << 20);
}

function acknowledge(peer: Peer, seq: number): void {
  peer.ackedSeq = seq;
  peer.settle();
}

describe('SentResult', () => {
  it('is pending until its message is acknowledged', async () => {
    const peer = peerWithId();
    const result = new SentResult(watch, peer, 2, 2);
    const fulfilled = vi.fn<() => void>();
    const done = result.then(fulfilled);
    acknowledge(peer, 1);
    expect(result.acked).toBe(false);
    expect(fulfilled).not.toHaveBeenCalled();
    acknowledge(peer, 2);
    expect(result.acked).toBe(true);
    await done;
    expect(fulfilled).toHaveBeenCalledTimes(1);
  });

  it('asks to be woken only when somebody looks', () => {
    const peer = peerWithId();
    const wake = {
      watch: vi.fn<(peer: Peer) => void>(),
      refresh: (): void => {},
      cancel: (): number => 0,
    };
    const result = new SentResult(wake, peer, 1, 1);
    expect(wake.watch).not.toHaveBeenCalled();
    void result.then(() => {});
    expect(wake.watch).toHaveBeenCalledWith(peer);
  });

  it('settles in the order of sequence numbers, however they were looked at', async () => {
    const peer = peerWithId();
    const order: number[] = [];
    const looks = [3, 1, 2].map((seq) =>
      new SentResult(watch, peer, seq, seq).then(() => order.push(seq)),
    );
    acknowledge(peer, 3);
    await Promise.all(looks);
    expect(order).toEqual([1, 2, 3]);
  });

  it('works with await, Promise.all, then, catch and finally', async () => {
    const peer = peerWithId();
    const results = [1, 2, 3].map((seq) => new SentResult(watch, peer, seq, seq));
    const all = Promise.all(results);
    const last = vi.fn<() => void>();
    const chained = new SentResult(watch, peer, 3, 3)
      .then(() => 'value')
      .catch(() => 'never')
      .finally(last);
    setImmediate(() => acknowledge(peer, 3));
    expect(await all).toEqual([undefined, undefined, undefined]);
    expect(await chained).toBe('value');
    expect(last).toHaveBeenCalledTimes(1);
    expect(Object.prototype.toString.call(results[0])).toBe('[object Promise]');
  });

  it('gives what a callback throws or returns to the promise of then()', async () => {
    const peer = peerWithId();
    const result = new SentResult(watch, peer, 1, 1);
    const thrown = result.then(() => {
      throw new Error('mine');
    });
    const nested = result.then(() => Promise.resolve(7));
    setImmediate(() => acknowledge(peer, 1));
    await expect(thrown).rejects.toThrow('mine');
    expect(await nested).toBe(7);
  });

  it('says of a lost message whether it may have arrived', async () => {
    const peer = peerWithId();
    const results = [1, 2, 3].map((seq) => new SentResult(watch, peer, seq, seq));
    const looks = Promise.allSettled(results);
    await new Promise(setImmediate);
    peer.ackedSeq = 1;
    peer.writtenSeq = 2;
    peer.fail(new ChaskiError('ERR_CHASKI_PROTOCOL', 'gone'));
    const [first, second, third] = await looks;
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({
      reason: { code: 'ERR_CHASKI_CLOSED', delivered: 'unknown', peer: 'peer' },
    });
    expect(third).toMatchObject({ reason: { code: 'ERR_CHASKI_CLOSED', delivered: 'no' } });
    // Looked at afterwards, they say the same.
    await expect(results[0]).resolves.toBeUndefined();
    await expect(results[2]).rejects.toMatchObject({ delivered: 'no' });
  });

  it('rejects a dropped message, whenever it is looked at', async () => {
    const peer = peerWithId();
    const early = new SentResult(watch, peer, 1, 1).then(() => 'acknowledged');
    const kept = new SentResult(watch, peer, 2, 2);
    peer.drop(1, 1);
    await expect(early).rejects.toMatchObject({ code: 'ERR_CHASKI_QUEUE_FULL', delivered: 'no' });
    acknowledge(peer, 2);
    await expect(kept).resolves.toBeUndefined();
    // Of the two, one arrived.
    await expect(new SentResult(watch, peer, 1, 2)).rejects.toMatchObject({
      code: 'ERR_CHASKI_QUEUE_FULL',
      delivered: 'unknown',
      retryable: false,
    });
  });

  it('calls back after the call that settled it has ended, once, in the order of the puts', async () => {
    const peer = peerWithId();
    const calls: string[] = [];
    for (const seq of [1, 2, 3, 4]) {
      void new SentResult(watch, peer, seq, seq).then(
        () => calls.push(`${seq} fulfilled`),
        () => {
          calls.push(`${seq} rejected`);
          peer.fail(new ChaskiError('ERR_CHASKI_PROTOCOL', 'gone'));
        },
      );
    }
    peer.ackedSeq = 1;
    peer.drop(2, 4);
    peer.settle();
    expect(calls).toEqual([]);
    await Promise.resolve();
    expect(calls.toSorted()).toEqual(['1 fulfilled', '2 rejected', '3 rejected', '4 rejected']);
    await new Promise(setImmediate);
    expect(calls).toHaveLength(4);
  });

  it('reports no unhandled rejection while nobody looks', async () => {
    const unhandled = vi.fn<() => void>();
    process.on('unhandledRejection', unhandled);
    const peer = peerWithId();
    const result = new SentResult(watch, peer, 1, 1);
    const refused = new RefusedResult('peer', () => new ChaskiError('ERR_CHASKI_TLS', 'no'));
    peer.fail(new ChaskiError('ERR_CHASKI_PROTOCOL', 'gone'));
    await new Promise(setImmediate);
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(result.acked).toBe(false);
    expect(refused.acked).toBe(false);
  });
});

describe('ManyResult', () => {
  it('has a future for each peer, and waits for all', async () => {
    const near = new Peer(1, 'near', 1);
    const far = new Peer(2, 'far', 1);
    const many = new ManyResult(
      ['near', 'far'],
      [new SentResult(watch, near, 1, 1), new SentResult(watch, far, 1, 1)],
    );
    acknowledge(near, 1);
    expect(many.acked).toBe(false);
    await expect(many.futures.get('near')).resolves.toBeUndefined();
    setImmediate(() => acknowledge(far, 1));
    await many;
    expect(many.acked).toBe(true);
  });

  it('rejects when one of them fails, and its future says which', async () => {
    const near = new Peer(1, 'near', 1);
    const many = new ManyResult(
      ['near', 'nobody'],
      [
        new SentResult(watch, near, 1, 1),
        new RefusedResult('nobody', () => new ChaskiError('ERR_CHASKI_NOT_CONNECTED', 'no')),
      ],
    );
    acknowledge(near, 1);
    await expect(many).rejects.toMatchObject({ code: 'ERR_CHASKI_NOT_CONNECTED' });
    await expect(many.futures.get('near')).resolves.toBeUndefined();
  });
});
