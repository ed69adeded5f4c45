// Sending that waits: for room under the high-water mark, for acknowledgements, and never longer than its caller wants.
import { bound } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import { notConnected, peerLeaving } from './failures.ts';
import type { Life } from '../shared/life.ts';
import type { Peer } from './peer.ts';
import { SentResult } from './put-result.ts';
import type { Sender } from './sender.ts';
import type { PutResult } from './types.ts';
import type { CheckedSendOptions } from './wait-options.ts';

export class Patience {
  readonly #sender: Sender;
  readonly #life: Life;

  constructor(sender: Sender, life: Life) {
    this.#sender = sender;
    this.#life = life;
  }

  /** Puts when there is room towards every peer, in order with others that wait, and resolves when all have acknowledged. */
  send(
    peers: readonly Peer[],
    data: unknown,
    options: CheckedSendOptions | undefined,
  ): Promise<void> {
    const sender = this.#sender;
    const give = options?.transfer === true;
    // Who may give up has a result of his own, which can be cancelled.
    const firm = options?.signal === undefined && options?.timeoutMs === undefined;
    let put: PutResult | undefined;
    return bounded(
      'Sending',
      options,
      async (givenUp) => {
        const only = peers.length === 1 ? peers[0] : undefined;
        if (only !== undefined) {
          await this.#inRoom(only, givenUp, () => {
            if (give) put = sender.giveEach(peers, [], data);
            else put = firm ? sender.put(only, data) : sender.putEach(peers, [], data);
            return { result: put };
          }).then(({ result }) => result);
          return;
        }
        await this.#allInRoom(peers, givenUp);
        put = give ? sender.giveEach(peers, [], data) : sender.putEach(peers, [], data);
        await put;
      },
      () => (put === undefined || put.cancel() ? 'no' : 'unknown'),
    );
  }

  /** Puts what waits for room by itself, and resolves when all have acknowledged. */
  follow(begin: () => PutResult, options: CheckedSendOptions | undefined): Promise<void> {
    let put: PutResult | undefined;
    return bounded(
      'Sending',
      options,
      async () => {
        put = begin();
        await put;
      },
      () => (put === undefined || put.cancel() ? 'no' : 'unknown'),
    );
  }

  /** Resolves when there is room towards every peer. */
  writable(peers: readonly Peer[], options: WaitOptions | undefined): Promise<void> {
    return bounded('Waiting for room', options, async (givenUp) => {
      await this.#allInRoom(peers, givenUp);
    });
  }

  /** Resolves when `before` has, and all that was put to `peers` is settled, one way or the other. */
  drain(
    peers: readonly Peer[],
    options: WaitOptions | undefined,
    before: Promise<void> | undefined,
  ): Promise<void> {
    return bounded('Draining', options, async (givenUp) => {
      if (before !== undefined) await before;
      await Promise.all(peers.map((peer) => this.#settled(peer, peer.sentSeq, givenUp)));
    });
  }

  /** Resolves when every message to `peer` up to `seq` is settled. Each can be dropped meanwhile, also the last one. */
  async #settled(peer: Peer, seq: number, givenUp: GivingUp): Promise<void> {
    const ignore = (): void => {};
    for (;;) {
      const last = peer.rejections.lastKept(seq);
      if (last <= peer.ackedSeq || peer.gone !== undefined || givenUp.over) return;
      // Of what is forgotten nobody knows which are left: then the newest tells, which is dropped last.
      const next = peer.rejections.among(last, last) === 'none' ? last : peer.sentSeq;
      if (peer.rejections.among(next, next) !== 'none') return;
      await new SentResult(this.#sender, peer, next, next).then(ignore, ignore);
    }
  }

  async #allInRoom(peers: readonly Peer[], givenUp: GivingUp): Promise<void> {
    await Promise.all(peers.map((peer) => this.#inRoom(peer, givenUp, () => undefined)));
  }

  /** Calls `act` when there is room towards `peer`: at once, or in line with others. */
  #inRoom<R>(peer: Peer, givenUp: GivingUp, act: () => R): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#life.checkOpen();
      if (peer.gone !== undefined) throw notConnected(peer.id);
      if (peer.barred) throw peerLeaving(peer.id);
      const run = (): void => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      };
      if (peer.room.waiting === 0 && this.#sender.hasRoom(peer)) {
        run();
        return;
      }
      givenUp.leaves.push(peer.room.join({ onRoom: run, onGone: reject }));
      this.#sender.watch(peer);
    });
  }
}

/** Whether somebody who waits has given up, and how he leaves the lines that he stands in. Not an AbortSignal: waits are many. */
interface GivingUp {
  over: boolean;
  readonly leaves: (() => void)[];
}

/** Runs `work` inside the bounds of `options`; it learns when it was given up. */
function bounded(
  what: string,
  options: WaitOptions | undefined,
  work: (givenUp: GivingUp) => Promise<void>,
  delivered?: () => 'no' | 'unknown',
): Promise<void> {
  const givingUp: GivingUp = { over: false, leaves: [] };
  if (options?.signal === undefined && options?.timeoutMs === undefined) return work(givingUp);
  return new Promise((resolve, reject) => {
    const disarm = bound(
      what,
      options,
      (error) => {
        givingUp.over = true;
        for (const leave of givingUp.leaves) leave();
        reject(error);
      },
      delivered,
    );
    if (givingUp.over) return;
    work(givingUp).then(
      () => {
        disarm();
        resolve();
      },
      (error: unknown) => {
        disarm();
        reject(error);
      },
    );
  });
}
