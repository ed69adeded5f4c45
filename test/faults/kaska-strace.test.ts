// A disk that fails in the middle: strace answers in place of the system.
import { spawnSync } from 'node:child_process';

import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { Logs } from '../integration/kaska/support/logs.ts';
import { Chance } from './support/chance.ts';
import { Filler } from './support/filling.ts';

const logs = new Logs();
afterEach(logs.clear);

/** Starts what follows with `calls` answered as `answer` says: of each thread, those that `when` counts. */
function strace(calls: string, answer: string): string[] {
  return `strace -f --seccomp-bpf -qq -o /dev/null -e trace=${calls} -e inject=${calls}:${answer}`.split(
    ' ',
  );
}

describe.runIf(process.platform === 'linux')('a log whose disk', () => {
  beforeAll(() => {
    if (spawnSync('strace', ['-V']).error) {
      throw new Error('strace is not installed: apt-get install strace');
    }
  });

  const chance = new Chance('kaska strace');
  const places = Array.from({ length: 5 }, () => chance.integer(8, 60));
  it.each([
    ...places.map((place) => ['fsync', 'fdatasync,fsync', place] as const),
    ...places.slice(0, 2).map((place) => ['write', 'pwrite64', place] as const),
  ])(
    'fails at %s (%s, number %i) acknowledges nothing from then on, and loses nothing',
    async (_, calls, place) => {
      const filler = await Filler.make(await logs.folder());
      const filled = await filler.grow(
        { most: 1e6, bytes: 200 },
        { under: strace(calls, `error=EIO:when=${place}`) },
      );
      expect(filled.refused).toBeGreaterThan(0);
      for (const refusal of filled.refusals) {
        expect(refusal).toMatchObject({ code: 'ERR_CHASKI_STORAGE', retryable: false });
      }
      expect(filled.refusals[0]).toMatchObject({ system: 'EIO' });
      // What was under way may be stored; what came behind it is not.
      const told = filled.refusals.map(({ delivered }) => delivered);
      expect(['no', 'unknown']).toEqual(expect.arrayContaining(told));
      expect(told).toContain('unknown');
      expect(filled.poisoned).toHaveLength(1);
      expect(filled.poisoned[0]).toMatchObject({ code: 'ERR_CHASKI_STORAGE', system: 'EIO' });
      for (const late of filled.late) {
        expect(late).toMatchObject({ code: 'ERR_CHASKI_STORAGE', delivered: 'no' });
      }
      expect(await filler.wrong()).toEqual([]);
      // Opened again it goes on.
      expect(await filler.grow({ most: 100, bytes: 200 })).toMatchObject({ refused: 0 });
      expect(await filler.wrong()).toEqual([]);
    },
  );

  it.each(['ENOSPC', 'EDQUOT'])(
    'has no room for a while (%s) refuses what can be tried again, and goes on',
    async (error) => {
      const filler = await Filler.make(await logs.folder());
      const filled = await filler.grow(
        { most: 500, bytes: 200 },
        { under: strace('pwrite64', `error=${error}:when=20..60`) },
      );
      expect(filled.refused).toBeGreaterThan(0);
      for (const refusal of filled.refusals) {
        expect(refusal).toMatchObject({
          code: 'ERR_CHASKI_STORAGE',
          retryable: true,
          delivered: 'no',
          system: error,
        });
      }
      expect(filled.poisoned).toEqual([]);
      expect(filled.acked).toBeGreaterThanOrEqual(500);
      expect(filled.read).toBeGreaterThanOrEqual(500);
      expect(filled.late).toEqual(Array.from({ length: 5 }, () => 'stored'));
      expect(await filler.wrong()).toEqual([]);
    },
  );

  it('is interrupted all the time does what it was asked', async () => {
    const filler = await Filler.make(await logs.folder());
    const filled = await filler.grow(
      { most: 500, bytes: 200 },
      { under: strace('pwrite64,fdatasync,fsync', 'error=EINTR:when=2+3') },
    );
    expect(filled).toMatchObject({ refused: 0, poisoned: [] });
    expect(await filler.wrong()).toEqual([]);
  });

  it('takes 200 ms for each fsync takes no more memory, and no more of what waits', async () => {
    const filler = await Filler.make(await logs.folder());
    const highWaterMark = 1 << 20;
    const filled = await filler.grow(
      { most: 100, bytes: 300_000, options: { highWaterMark } },
      { under: strace('fdatasync', 'delay_enter=200000') },
    );
    console.log(
      `event loop, p99: ${filled.loopMs.toFixed(1)} ms; memory: ${JSON.stringify(filled.memory)}`,
    );
    expect(filled.refused).toBe(0);
    expect(filled.memory.queued).toBeLessThanOrEqual(highWaterMark);
    expect(filled.memory.rss).toBeLessThan(128 << 20);
    expect(await filler.wrong()).toEqual([]);
  });
});
