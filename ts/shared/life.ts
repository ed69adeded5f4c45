// The states of what is opened and closed, in the order in which they can follow each other, and those who wait for one of them.
import type { ChaskiError, Delivered } from '../errors.ts';
import { bound } from './wait.ts';
import type { WaitOptions } from './wait.ts';

/** What the states mean for the parts of what lives. */
export interface LifeHost {
  /** What it is called: 'the communicator'. */
  readonly name: string;
  /** What is told of it when it is closed. */
  closed(cause?: unknown, delivered?: Delivered): ChaskiError;
  /** The close begins: from now on it takes nothing. */
  bar(): void;
  /** Native ends what it has begun, for at most so long. */
  leave(timeoutMs: number): void;
  /** What has not ended by itself is lost. */
  lose(): void;
  /** It is closed: nothing of it is needed any more. */
  forget(): void;
  /** Whether somebody waits for something whose rejection would tell of a failure. */
  isAwaited(): boolean;
}

export class Life {
  readonly #host: LifeHost;
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening';
  #failure: ChaskiError | undefined = undefined;
  #unheard = false;
  #readyWaiters: Set<(error: ChaskiError | undefined) => void> = new Set();
  #closeWaiters: (() => void)[] = [];

  constructor(host: LifeHost) {
    this.#host = host;
  }

  get state(): 'opening' | 'open' | 'closing' | 'closed' {
    return this.#state;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Why it could not open, or ended out of order. */
  get failure(): ChaskiError | undefined {
    return this.#failure;
  }

  /** It could not open, and nobody who waited for that was told. */
  get unheard(): ChaskiError | undefined {
    return this.#unheard ? this.#failure : undefined;
  }

  /** @throws what the host tells of the close, once it has begun. */
  checkOpen(): void {
    if (this.#state === 'closing' || this.closed) throw this.#host.closed(this.#failure, 'no');
  }

  /** Resolves when it is open; rejects when it cannot be any more. */
  ready(options: WaitOptions | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'open') {
        resolve();
        return;
      }
      if (this.#state !== 'opening' || this.#failure !== undefined) {
        this.#unheard = false;
        reject(this.#failure ?? this.#host.closed());
        return;
      }
      let disarm = (): void => {};
      const waiter = (error: ChaskiError | undefined): void => {
        disarm();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#readyWaiters.add(waiter);
      // A signal may have aborted before.
      disarm = bound(`Opening ${this.#host.name}`, options, (error) => {
        this.#readyWaiters.delete(waiter);
        reject(error);
      });
    });
  }

  /** It is open; `tell` is called unless that is no news, or too late. */
  open(tell: () => void): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    tell();
    this.#settleReady(undefined);
  }

  /** It could not open; native will say that it is closed. */
  fail(error: ChaskiError): void {
    this.#failure = error;
    this.#unheard = this.#isUnheard();
    this.#settleReady(error);
  }

  /** Begins the close, at most once, or hastens the one under way; resolves at its end. */
  async close(timeoutMs: number, force: boolean): Promise<void> {
    if (this.closed) return;
    const first = this.#state !== 'closing';
    if (first) this.#begin();
    if (first || force) this.#host.leave(force ? 0 : timeoutMs);
    await new Promise<void>((resolve) => {
      this.#closeWaiters.push(resolve);
    });
  }

  /** Ends at once, for `reason` unless there was one before. */
  abort(reason: ChaskiError | undefined): void {
    if (this.#failure === undefined && reason !== undefined) {
      this.#failure = reason;
      this.#unheard = this.#isUnheard();
    }
    void this.close(0, true);
  }

  /** Native is done. */
  end(): void {
    if (this.closed) return;
    if (this.#state !== 'closing') this.#begin();
    this.#host.lose();
    this.#state = 'closed';
    this.#host.forget();
    const waiters = this.#closeWaiters;
    this.#closeWaiters = [];
    for (const waiter of waiters) waiter();
  }

  #begin(): void {
    this.#state = 'closing';
    this.#settleReady(this.#failure ?? this.#host.closed());
    this.#host.bar();
  }

  /** Whether nobody hears by what fails with it that it could not open. */
  #isUnheard(): boolean {
    return this.#state === 'opening' && this.#readyWaiters.size === 0 && !this.#host.isAwaited();
  }

  #settleReady(error: ChaskiError | undefined): void {
    const waiters = this.#readyWaiters;
    this.#readyWaiters = new Set();
    for (const waiter of waiters) waiter(error);
  }
}
