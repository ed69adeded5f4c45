import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { worlds } from './support/worlds.ts';

describe.each(worlds)('worker threads, $name', (world) => {
  const net = useNet(world);

  // In a process of its own: what a terminated worker could break is the process.
  it.each([
    [
      'are terminated in the middle of a stream, twenty times, and nobody else is harmed',
      'terminate',
    ],
    ['call process.exit() in the middle of a stream', 'exit'],
    ['fail with an uncaught exception in the middle of a stream', 'throw'],
    ['close and end by themselves', 'close'],
  ])('%s', async (_, how) => {
    const rounds = how === 'terminate' ? 20 : 6;
    const child = net.child('workers.mjs', { how, rounds, options: net.serverOptions() });
    // Each start of a worker may take its time, on a machine that is busy.
    for (let round = 0; round < rounds; round += 1) await child.report('round');
    const { lost, wrong, exits } = await child.report('done');
    expect(wrong).toEqual([]);
    expect(lost).toBe(rounds);
    const code = { terminate: 1, exit: 3, throw: 1, close: 0 }[how];
    expect(exits).toEqual(Array.from({ length: rounds }, () => code));
    expect(await child.end()).toMatchObject({ code: 0, signal: null });
  });
});
