import { describe, expect, it } from 'vitest';

import type { NativeBinding, NativeEvent, QueueHandle } from '../../../ts/binding/index.ts';
import { NativeEvents } from '../../../ts/net-queue/native-events.ts';
import type { EventTargets } from '../../../ts/net-queue/native-events.ts';

describe('the events of native', () => {
  it('are all told, also when a defect makes telling one of them throw', async () => {
    const coming: NativeEvent[] = ['one', 'two', 'three'].map((message) => ({
      kind: 'warning',
      code: 'ERR_CHASKI_TIMEOUT',
      message,
    }));
    const told: string[] = [];
    const native = { queueEvents: () => coming.splice(0) };
    const targets = {
      settings: { purpose: 'server' },
      peers: { byNumber: () => undefined },
      tell: (_: string, error: Error) => {
        told.push(error.message);
        if (error.message === 'One.') throw new Error('a defect');
      },
    };
    const events = new NativeEvents(
      native as unknown as NativeBinding,
      1 as QueueHandle,
      targets as unknown as EventTargets,
    );
    events.read();
    expect(events.tell).toThrow('a defect');
    await new Promise(setImmediate);
    expect(told).toEqual(['One.', 'Two.', 'Three.']);
    coming.push({ kind: 'warning', code: 'ERR_CHASKI_TIMEOUT', message: 'four' });
    events.read();
    events.tell();
    expect(told.at(-1)).toBe('Four.');
  });
});
