// Sending that waits: for room under the high-water mark, for acknowledgements, and never longer than its caller wants.
import { bound } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import { notConnected, peerLeaving } from './failures.ts';
import type { Life } from './life.ts';
import type { Peer, RoomWaiter } from './peer.ts';
import { SentResult } from './put-result.ts';
import type { Sender } from './sender.ts';
import type { SendOptions } from './types.ts';

export class Patience {
  readonly #sender: Sender;
  readonly #life: Life;

  constructor(sender: Sender, life: Life) {
    this.#sender = sender;
    this.#life = life;
  }

  /** Puts when there is room towards every peer, in order with others that wait, and resolves when all have acknowledged. */
  send(peers: readonly Peer[], data: unknown, options: SendOptions | undefined): Promise<void> {
    const sender = this.#sender;
    const give = options?.transfer === true;
    let put = false;
    return bounded(
      'Sending',
      options,
      async (givenUp) => {
        const only = peers.length === 1 ? peers[0] : undefined;
        if (only !== undefined) {
          await this.#inRoom(only, givenUp, () => {
            put = true;
            return { result: give ? sender.giveEach(peers, [], data) : sender.put(only, data) };
          }).then(({ result }) => result);
          return;
        }
        await this.#allInRoom(peers, givenUp);
        put = true;
        await (give ? sender.giveEach(peers, [], data) : sender.putEach(peers, [], data));
      },
      () => (put ? 'unknown' : 'no'),
    );
  }

  /** Resolves when there is room towards every peer. */
  writable(peers: readonly Peer[], options: WaitOptions | undefined): Promise<void> {
    return bounded('Waiting for room', options, async (givenUp) => {
      await this.#allInRoom(peers, givenUp);
    });
  }

  /** Resolves when all that was put to `peers` is settled, one way or the other. */
  drain(peers: readonly Peer[], options: WaitOptions | undefined): Promise<void> {
    const settled = (): void => {};
    return bounded('Draining', options, async () => {
      await Promise.all(
        peers
          .filter((peer) => peer.sentSeq > 0)
          .map((peer) =>
            new SentResult(this.#sender, peer, peer.sentSeq, peer.sentSeq).then(settled, settled),
          ),
      );
    });
  }

  async #allInRoom(peers: readonly Peer[], givenUp: AbortSignal): Promise<void> {
    await Promise.all(peers.map((peer) => this.#inRoom(peer, givenUp, () => undefined)));
  }

  /** Calls `act` when there is room towards `peer`: at once, or in line with others. */
  #inRoom<R>(peer: Peer, givenUp: AbortSignal, act: () => R): Promise<R> {
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
      if (peer.roomWaiters.length === 0 && this.#sender.hasRoom(peer)) {
        run();
        return;
      }
      const waiter: RoomWaiter = { onRoom: run, onGone: reject };
      peer.roomWaiters.push(waiter);
      this.#sender.watch(peer);
      givenUp.addEventListener('abort', () => {
        peer.roomWaiters = peer.roomWaiters.filter((known) => known !== waiter);
      });
    });
  }
}

/** Runs `work` inside the bounds of `options`; it learns when it was given up. */
function bounded(
  what: string,
  options: WaitOptions | undefined,
  work: (givenUp: AbortSignal) => Promise<void>,
  delivered?: () => 'no' | 'unknown',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = new AbortController();
    let over = false;
    const disarm = bound(
      what,
      options,
      (error) => {
        over = true;
        giveUp.abort();
        reject(error);
      },
      delivered,
    );
    if (over) return;
    work(giveUp.signal).then(
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
