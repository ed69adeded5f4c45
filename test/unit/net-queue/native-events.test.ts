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

  it('are told in one turn, however many they are, and drops in a row as one', () => {
    const count = 300_000;
    const coming: NativeEvent[] = [];
    // Two peers in turn: each event stands alone. Then one of them alone.
    for (let seq = 1; seq <= count; seq += 1) {
      coming.push({ kind: 'dropped', peer: seq % 2, first: seq, last: seq });
    }
    const told: [string, number][] = [];
    const peer = (id: string): object => ({ id, drop: () => {} });
    const peers = [peer('even'), peer('odd')];
    const events = new NativeEvents(
      { queueEvents: () => coming.splice(0) } as unknown as NativeBinding,
      1 as QueueHandle,
      {
        settings: { purpose: 'server' },
        peers: { byNumber: (number: number) => peers[number] },
        tell: (_: string, id: string, dropped: number) => told.push([id, dropped]),
      } as unknown as EventTargets,
    );
    events.read();
    // Minutes, if each one moved the others.
    events.tell();
    expect(told).toHaveLength(count);
    told.length = 0;
    for (let seq = 1; seq <= 1000; seq += 1) {
      coming.push({ kind: 'dropped', peer: 1, first: 2 * seq, last: 2 * seq + 1 });
      if (seq % 10 === 0) events.read();
    }
    coming.push({ kind: 'dropped', peer: 1, first: 5000, last: 5000 });
    events.read();
    events.tell();
    expect(told).toEqual([
      ['odd', 2000],
      ['odd', 1],
    ]);
  });
});
