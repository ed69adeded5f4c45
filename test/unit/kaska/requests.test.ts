import { expect, it } from 'vitest';

import type { KaskaHandle, NativeKaska } from '../../../ts/binding/index.ts';
import { ChaskiError } from '../../../ts/errors.ts';
import { Hold } from '../../../ts/kaska/hold.ts';
import { NativeLog } from '../../../ts/kaska/native-log.ts';
import { Requests } from '../../../ts/kaska/requests.ts';

it('keep the process until they are answered, refused or lost, or could not be asked', async () => {
  const told: boolean[] = [];
  const hold = new Hold((keeps) => told.push(keeps));
  hold.always = false;
  const since = (): boolean[] => told.splice(0);
  since();
  const native: Partial<NativeKaska> = {
    kaskaFailure: () => ({ code: 'ERR_CHASKI_CLOSED', message: 'closed', retryable: false }),
  };
  const log = new NativeLog(native as NativeKaska, 1 as KaskaHandle, ['', 'ERR_CHASKI_CLOSED']);
  const requests = new Requests(log, hold);

  const answered = requests.ask(() => 0);
  expect(since()).toEqual([true]);
  requests.answer({ kind: 'answer', request: 1, value: 7 });
  expect(await answered).toMatchObject({ value: 7 });
  expect(since()).toEqual([false]);

  await expect(requests.ask(() => -1)).rejects.toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
  expect(since()).toEqual([true, false]);

  const thrown = new TypeError('no such call');
  const unasked = requests.ask(() => {
    throw thrown;
  });
  await expect(unasked).rejects.toBe(thrown);
  expect(since()).toEqual([true, false]);

  const lost = [requests.ask(() => 0), requests.ask(() => 0)];
  requests.lose(new ChaskiError('ERR_CHASKI_CLOSED', 'closed'));
  for (const one of lost) await expect(one).rejects.toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
  expect(since()).toEqual([true, false]);
});
