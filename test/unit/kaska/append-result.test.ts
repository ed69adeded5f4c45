import { describe, expect, it } from 'vitest';

import { ChaskiError } from '../../../ts/errors.ts';
import { Part, RecordResult, Shipment } from '../../../ts/kaska/append-result.ts';
import { Hold } from '../../../ts/kaska/hold.ts';
import { Load } from '../../../ts/kaska/load.ts';
import { rejection, settled } from '../../integration/net-queue/support/waiting.ts';

const load = new Load({ onFull: 'wait', highWaterMark: 1024 }, new Hold(() => {}));
const error = new ChaskiError('ERR_CHASKI_STORAGE', 'on purpose');

describe('the results of a shipment', () => {
  it('tell where each record is, in the part where it went', async () => {
    const shipment = new Shipment('t', load);
    const results = [0, 1, 2, 3, 4].map((place) => new RecordResult(shipment, place));
    const first = results[0]!.then(({ offset }) => offset);
    expect(await settled(first)).toBe('pending');
    const parts = [new Part(shipment, 7, 10, 3), new Part(shipment, 5, -1, 2)];
    shipment.sent(parts, Uint32Array.of(0, 1, 0, 1, 0));
    expect(results[0]!.acked).toBe(false);
    parts[0]!.settle(-1, undefined);
    expect(await first).toBe(10);
    expect(results.map(({ acked }) => acked)).toEqual([true, false, true, false, true]);
    const whole = shipment.whole();
    expect(await settled(whole)).toBe('pending');
    parts[1]!.settle(20, undefined);
    expect(await Promise.all(results)).toEqual([
      { partition: 7, offset: 10 },
      { partition: 5, offset: 20 },
      { partition: 7, offset: 11 },
      { partition: 5, offset: 21 },
      { partition: 7, offset: 12 },
    ]);
    expect(await whole).toHaveLength(2);
  });

  it('reject with what failed their part, and only theirs', async () => {
    const shipment = new Shipment('t', load);
    const [kept, lost] = [new RecordResult(shipment, 0), new RecordResult(shipment, 1)];
    const parts = [new Part(shipment, 0, 3, 1), new Part(shipment, 1, -1, 1)];
    shipment.sent(parts, Uint32Array.of(0, 1));
    const waiting = rejection(lost);
    parts[1]!.settle(-1, error);
    parts[0]!.settle(-1, undefined);
    expect(await waiting).toBe(error);
    expect(await rejection(lost.finally(() => {}))).toBe(error);
    expect(await kept).toEqual({ partition: 0, offset: 3 });
    expect(await rejection(shipment.whole())).toBe(error);
    // What comes later changes nothing.
    parts[0]!.settle(9, error);
    expect(await kept).toEqual({ partition: 0, offset: 3 });
  });

  it('reject all of what native did not take', async () => {
    const shipment = new Shipment('t', load);
    const whole = rejection(shipment.whole());
    const waiting = rejection(new RecordResult(shipment, 5));
    shipment.fail(error);
    expect(await waiting).toBe(error);
    expect(await whole).toBe(error);
    expect(await new RecordResult(shipment, 6).catch((reason: unknown) => reason)).toBe(error);
  });
});
