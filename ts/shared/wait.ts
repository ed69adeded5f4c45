// Bounds of a wait: a timeout and an AbortSignal, with one way to fail.
import { ChaskiError } from '../errors.ts';
import type { Delivered } from '../errors.ts';

export interface WaitOptions {
  /** Ends the wait with `ERR_CHASKI_ABORTED`; the signal's reason is the error's cause. */
  signal?: AbortSignal;
  /** Ends the wait with `ERR_CHASKI_TIMEOUT` after so many ms (0 to 2^31-1). Infinity, the default: no bound. */
  timeoutMs?: number;
}

/** The longest time that a timer can run. */
export const longestTimeoutMs: number = 0x7fff_ffff;

/**
 * Calls `fail` once when the signal aborts or the time is up, unless the returned function was called before.
 * A signal that has already aborted fails at once, before this returns. `delivered` says, for a message that was put, whether
 * it may have arrived.
 */
export function bound(
  what: string,
  options: WaitOptions | undefined,
  fail: (error: ChaskiError) => void,
  delivered?: () => Delivered,
): () => void {
  const signal = options?.signal;
  const timeoutMs = timeoutOf(options);
  if (signal === undefined && timeoutMs === Infinity) return nothing;
  if (signal?.aborted) {
    fail(aborted(what, signal, delivered));
    return nothing;
  }
  let timer: NodeJS.Timeout | undefined;
  const disarm = (): void => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
  const onAbort = (): void => {
    disarm();
    fail(aborted(what, signal, delivered));
  };
  if (timeoutMs !== Infinity) {
    timer = setTimeout(() => {
      disarm();
      fail(
        new ChaskiError('ERR_CHASKI_TIMEOUT', `${what} took longer than ${timeoutMs} ms.`, {
          retryable: delivered?.() !== 'unknown',
          ...(delivered === undefined ? {} : { delivered: delivered() }),
        }),
      );
    }, timeoutMs);
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  return disarm;
}

/** The timeout of `options`, checked. */
export function timeoutOf(options: { timeoutMs?: number } | undefined): number {
  const timeoutMs = options?.timeoutMs ?? Infinity;
  if (timeoutMs === Infinity) return timeoutMs;
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0 && timeoutMs <= longestTimeoutMs)) {
    throw new ChaskiError(
      'ERR_CHASKI_INVALID_ARGUMENT',
      `timeoutMs is ${String(timeoutMs)}; it must be a number of ms from 0 to ${longestTimeoutMs}, or Infinity.`,
    );
  }
  return timeoutMs;
}

function aborted(
  what: string,
  signal: AbortSignal | undefined,
  delivered: (() => Delivered) | undefined,
): ChaskiError {
  return new ChaskiError('ERR_CHASKI_ABORTED', `${what} was aborted by its signal.`, {
    cause: signal?.reason,
    ...(delivered === undefined ? {} : { delivered: delivered() }),
  });
}

function nothing(): void {}
