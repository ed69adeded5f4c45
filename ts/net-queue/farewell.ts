// For whom a close waited in vain.
import type { ChaskiError } from '../errors.ts';
import { closeTimedOut } from './failures.ts';
import { now } from '../shared/timers.ts';
import type { Peer } from './peer.ts';

export class Farewell {
  /** How long the close waits; 0: it does not. */
  #timeoutMs = 0;
  readonly #late: { readonly peer: string; readonly messages: number }[] = [];
  #waited = 0;
  #since = 0;

  /** A close waits so long from now on, or no more. */
  begin(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.#since = now();
  }

  /** A peer is gone; its counters are the last ones. */
  lost(peer: Peer, error: ChaskiError | undefined): void {
    if (this.#timeoutMs === 0 || error?.code !== 'ERR_CHASKI_TIMEOUT') return;
    // Sooner, it was the peer that gave up, or its connection was silent for too long.
    if (now() - this.#since < this.#timeoutMs - clocksDiffer) return;
    this.#waited = this.#timeoutMs;
    this.#late.push({ peer: peer.id, messages: peer.sentSeq - peer.ackedSeq });
  }

  /** What there is to say at the end of the close. */
  end(): ChaskiError | undefined {
    return this.#late.length === 0 ? undefined : closeTimedOut(this.#waited, this.#late);
  }
}

/** Native counts the ms from when it hears of the close, with a clock of its own. */
const clocksDiffer = 2;
