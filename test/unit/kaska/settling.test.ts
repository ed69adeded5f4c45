import { describe, expect, it } from 'vitest';

import type { KaskaHandle, NativeKaska } from '../../../ts/binding/index.ts';
import { ChaskiError } from '../../../ts/errors.ts';
import { Hold } from '../../../ts/kaska/hold.ts';
import { NativeLog } from '../../../ts/kaska/native-log.ts';
import { Settling } from '../../../ts/kaska/settling.ts';

/** A log of which native answers these rows. */
function settlingOf(answers: number[][]): Settling {
  const native: Partial<NativeKaska> = {
    kaskaSettled: (_handle, out) => {
      const n = Math.min(answers.length, out.length / 5);
      out.set(answers.splice(0, n).flat());
      return n;
    },
    kaskaFailure: () => ({ code: 'ERR_CHASKI_STORAGE', message: 'no room', retryable: true }),
  };
  const codes = ['', 'ERR_CHASKI_STORAGE'];
  return new Settling(
    new NativeLog(native as NativeKaska, 1 as KaskaHandle, codes),
    new Hold(() => {}),
  );
}

describe('settling', () => {
  it('tells each ticket once, by writer, in runs, with offsets and errors', () => {
    const told: unknown[] = [];
    const settling = settlingOf([
      [1, 1, 300, 0, -1],
      [2, 5, 5, 0, 77],
      [0, 1, 1, -1, -1],
    ]);
    const wait = (writer: number, ticket: number): void => {
      settling.add(writer, ticket, {
        settle: (base, error) => told.push([writer, ticket, base, error?.code, error?.delivered]),
      });
    };
    for (let ticket = 1; ticket <= 300; ticket += 1) wait(1, ticket);
    wait(1, 301);
    wait(2, 5);
    wait(0, 1);
    let idle = 0;
    settling.whenIdle(() => (idle += 1));
    settling.read();
    expect(settling.count).toBe(1);
    expect(told).toHaveLength(302);
    expect(told[0]).toEqual([1, 1, -1, undefined, undefined]);
    expect(told[300]).toEqual([2, 5, 77, undefined, undefined]);
    expect(told[301]).toEqual([0, 1, -1, 'ERR_CHASKI_STORAGE', 'no']);
    expect(idle).toBe(0);
    settling.lose(new ChaskiError('ERR_CHASKI_CLOSED', 'closed', { delivered: 'unknown' }));
    expect(told[302]).toEqual([1, 301, -1, 'ERR_CHASKI_CLOSED', 'unknown']);
    expect(idle).toBe(1);
    settling.whenIdle(() => (idle += 1));
    expect(idle).toBe(2);
  });
});
