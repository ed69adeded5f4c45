// Bounds of a wait: a timeout and an AbortSignal, with one way to fail.
import { ChaskiError } from '../errors.ts';
import type { Delivered } from '../errors.ts';
import { invalid } from './invalid.ts';
import { clearTimeout, setTimeout } from './timers.ts';

export interface WaitOptions {
  /** Ends the wait with `ERR_CHASKI_ABORTED`; the signal's reason is the error's cause. */
  signal?: AbortSignal | undefined;
  /** Ends the wait with `ERR_CHASKI_TIMEOUT` after so many ms (0 to 2^31-1). Infinity, the default: no bound. */
  timeoutMs?: number | undefined;
}

/** The longest time that a timer can run. */
export const longestTimeoutMs: number = 0x7fff_ffff;

/**
 * Calls `fail` once when the signal aborts or the time is up, unless the returned function was called before.
 * A signal that has already aborted fails at once, before this returns. `delivered` says, for a message that was put, whether
 * it may have arrived.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`; nothing has begun then.
 */
export function bound(
  what: string,
  options: WaitOptions | undefined,
  fail: (error: ChaskiError) => void,
  delivered?: () => Delivered,
): () => void {
  const signal = signalOf(options);
  const timeoutMs = timeoutOf(options);
  if (signal === undefined && timeoutMs === Infinity) return nothing;
  if (signal?.aborted === true) {
    fail(aborted(what, signal, delivered));
    return nothing;
  }
  let timer: NodeJS.Timeout | undefined;
  const disarm = (): void => {
    if (timer !== undefined) clearTimeout(timer);
    if (signal !== undefined) ignore(signal, onAbort);
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
  if (signal !== undefined) heed(signal, onAbort);
  return disarm;
}

/** The timeout of `options`, checked. */
export function timeoutOf(options: WaitOptions | undefined): number {
  const timeoutMs: unknown = options?.timeoutMs;
  if (timeoutMs === undefined || timeoutMs === Infinity) return Infinity;
  if (typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= longestTimeoutMs) {
    return timeoutMs;
  }
  throw invalid(
    'timeoutMs',
    timeoutMs,
    `a number of ms from 0 to ${longestTimeoutMs}, or Infinity`,
  );
}

/** The signal of `options`, checked: anything that behaves as one. */
export function signalOf(options: WaitOptions | undefined): AbortSignal | undefined {
  const signal: unknown = options?.signal;
  if (signal === undefined || isSignal(signal)) return signal;
  throw invalid('signal', signal, 'an AbortSignal');
}

export function isSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    'addEventListener' in value &&
    typeof value.addEventListener === 'function' &&
    'removeEventListener' in value &&
    typeof value.removeEventListener === 'function'
  );
}

/**
 * Those who wait for a signal. It has one listener for all of them, because to add or remove one of many takes as long as
 * there are others.
 */
const heeding: WeakMap<AbortSignal, Heeding> = new WeakMap();

interface Heeding {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

function heed(signal: AbortSignal, call: () => void): void {
  const known = heeding.get(signal);
  if (known !== undefined) {
    known.calls.add(call);
    return;
  }
  const calls = new Set([call]);
  const listener = (): void => {
    for (const each of calls) each();
  };
  heeding.set(signal, { calls, listener });
  signal.addEventListener('abort', listener, { once: true });
}

function ignore(signal: AbortSignal, call: () => void): void {
  const known = heeding.get(signal);
  if (known === undefined || !known.calls.delete(call) || known.calls.size > 0) return;
  heeding.delete(signal);
  signal.removeEventListener('abort', known.listener);
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
