import { describe, expect, it, vi } from 'vitest';

import { ChaskiError } from '../../../ts/errors.ts';
import { bound } from '../../../ts/shared/wait.ts';

describe('the bounds of a wait', () => {
  const wrong: [string, object][] = [
    ['a signal that is an object', { signal: {} }],
    ['a signal that is a number', { signal: 5 }],
    ['a signal that is null', { signal: null }],
    ['a time that is null', { timeoutMs: null }],
    ['a time that cannot be printed', { timeoutMs: Object.create(null) as object }],
    ['a time that is text', { timeoutMs: '5' }],
    ['a negative time', { timeoutMs: -1 }],
    ['no number', { timeoutMs: NaN }],
    ['a time that no timer can run', { timeoutMs: 2 ** 31 }],
  ];

  it.each(wrong)('refuse %s by code', (_, options) => {
    const begin = (): unknown =>
      bound('It', { timeoutMs: 5, ...options }, () => expect.unreachable());
    expect(begin).toThrow(ChaskiError);
    expect(begin).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error,
    );
  });

  it('read each option once', () => {
    const reads = { signal: 0, timeoutMs: 0 };
    const options = {
      get signal() {
        return reads.signal++ === 0 ? AbortSignal.abort() : undefined;
      },
      get timeoutMs() {
        return reads.timeoutMs++ === 0 ? 1000 : NaN;
      },
    };
    const codes: string[] = [];
    bound('It', options, ({ code }) => codes.push(code));
    expect(codes).toEqual(['ERR_CHASKI_ABORTED']);
    expect(reads).toEqual({ signal: 1, timeoutMs: 1 });
  });

  it('leave one listener on a signal however many wait for it, and none when they are done', () => {
    const control = new AbortController();
    const { signal } = control;
    const listeners = { now: 0, most: 0 };
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...values: unknown[]) => {
      listeners.now += 1;
      listeners.most = Math.max(listeners.most, listeners.now);
      (add as (...values: unknown[]) => void)(...values);
    };
    signal.removeEventListener = (...values: unknown[]) => {
      listeners.now -= 1;
      (remove as (...values: unknown[]) => void)(...values);
    };
    const failed: number[] = [];
    const waits = Array.from({ length: 100 }, (_, i) =>
      bound('It', { signal }, () => failed.push(i)),
    );
    for (const disarm of waits) disarm();
    expect(listeners).toEqual({ now: 0, most: 1 });

    const again = Array.from({ length: 10 }, (_, i) =>
      bound('It', { signal }, () => failed.push(i)),
    );
    again[4]!();
    control.abort();
    expect(failed).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9]);
    expect(listeners.most).toBe(1);
  });

  it('hold under timers that a test has put in the place of those of the runtime', async () => {
    vi.useFakeTimers();
    try {
      const late = await new Promise<ChaskiError>((resolve) => {
        bound('It', { timeoutMs: 1 }, resolve);
      });
      expect(late.code).toBe('ERR_CHASKI_TIMEOUT');
    } finally {
      vi.useRealTimers();
    }
  });
});
