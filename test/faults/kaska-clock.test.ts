// Clocks that are wrong, and that are set while a log is open: libfaketime answers in place of the system. Only the wall clock is
// set, as an administrator or NTP would.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { Kaska } from 'chaski/kaska';

import { all, Logs } from '../integration/kaska/support/logs.ts';
import { Child } from '../integration/net-queue/support/child.ts';

const logs = new Logs();
afterEach(logs.clear);

interface Done {
  readonly told: readonly { iso: string; from: number; to: number; offset: number }[];
  readonly start: number;
  readonly end: number;
  readonly warnings: readonly string[];
  readonly recovery: readonly object[];
}

const program = new URL('fixtures/log-clock.mjs', import.meta.url);
let library = '';

/** What a process does to the log in `dir` that begins at the time `begins`. */
async function under<T = Done>(begins: string, setup: object, before: string[] = []): Promise<T> {
  const file = join(await logs.folder(), 'clock');
  writeFileSync(file, `@${begins.replace('T', ' ')}\n`);
  const env = {
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
    TZ: 'UTC',
  };
  const child = new Child(program, setup, {
    under: [...before, '/usr/bin/env', `LD_PRELOAD=${library}`],
    env,
  });
  try {
    const report = await child.report('done');
    await child.end();
    return report as unknown as T;
  } catch (error) {
    if (child.process.connected) child.process.disconnect();
    throw error;
  }
}

/** Each record has the time at which it was appended, and is found by it, as a look at all of them finds it. */
async function expectTimes(kaska: Kaska, told: Done['told']): Promise<void> {
  const topic = kaska.topic('t');
  const records = await all(topic);
  const start = topic.startOffset();
  expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => start + i));
  for (const { iso, from, to, offset } of told) {
    const record = records[offset - start];
    if (record === undefined) continue;
    expect(record.text().split(' ')[0]).toBe(iso);
    expect(record.timestamp).toBeGreaterThanOrEqual(from);
    expect(record.timestamp).toBeLessThanOrEqual(to);
  }
  const times = records.map(({ timestamp }) => timestamp);
  for (const time of times.flatMap((at) => [at - 1, at, at + 1])) {
    const first = times.findIndex((at) => at >= time);
    const found = await topic.offsetAt(time);
    expect([time, found]).toEqual([time, first < 0 ? undefined : start + first]);
    const step = await topic.read({ from: new Date(time), until: 'end' }).next();
    expect(step.value?.offset).toBe(found);
  }
}

const segmentsOf = (dir: string): number =>
  readdirSync(join(dir, 'topics', '00000001', '0')).filter((name) => name.endsWith('.log')).length;

describe.runIf(process.platform === 'linux')('a clock', () => {
  beforeAll(() => {
    const folder = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu')) ?? '';
    library = `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`;
    if (!readdirSync(`/usr/lib/${folder}`).includes('faketime')) {
      throw new Error('libfaketime is not installed: apt-get install faketime');
    }
  });

  it('that is set to and fro loses nothing: records tell the time as it was, and are found by it', async () => {
    const dir = join(await logs.folder(), 'log');
    const times = [
      '2026-11-22T12:00:00',
      // An hour is there twice, and one is missing.
      '2026-10-25T00:59:58',
      '2026-10-25T01:00:02',
      '2026-10-25T00:00:02',
      '2027-03-28T01:00:01',
      '1970-01-01T00:00:01',
      '1969-12-31T23:59:59',
      '1901-12-13T20:45:52',
      '2038-01-19T03:14:08',
      '2106-02-07T06:28:16',
      '2026-11-22T12:00:10',
    ];
    const { told, start, end, warnings } = await under(times[0]!, { dir, times });
    expect([start, end]).toEqual([0, told.length]);
    expect(warnings.filter((text) => !text.includes('clock jumped'))).toEqual([]);
    for (let round = 0; round < 2; round += 1) {
      const kaska = await logs.open({ dir });
      expect(kaska.recovery).toEqual([]);
      expect((await kaska.verify()).damaged).toEqual([]);
      expect(kaska.topic('t').endOffset()).toBe(told.length);
      await expectTimes(kaska, told);
      await kaska.close();
    }
  });

  it('that jumps ahead deletes nothing by age until it has held, and says so', async () => {
    const dir = join(await logs.folder(), 'log');
    const times = ['2026-11-22T12:00:00', '2106-02-07T06:28:16'];
    const { told, start, warnings } = await under(times[0]!, { dir, times, each: 12 });
    expect(start).toBe(0);
    expect(warnings).toEqual([expect.stringContaining('clock jumped forward')]);
    const kaska = await logs.open({ dir });
    await expectTimes(kaska, told);
  });

  it.each(['2106-02-07T06:28:16', '2026-11-22T14:00:00'])(
    'that is later when the log is opened (%s) makes segments old, and never the last one',
    async (later) => {
      const dir = join(await logs.folder(), 'log');
      const first = await under('2026-11-22T12:00:00', {
        dir,
        times: ['2026-11-22T12:00:00'],
        each: 10,
      });
      expect(first.start).toBe(0);
      expect(segmentsOf(dir)).toBeGreaterThan(2);
      const second = await under(later, { dir, times: [later], each: 4 });
      // What was appended now is there, and what is in one file with it.
      expect(second.start).toBeLessThanOrEqual(first.told.length);
      expect(second.start).toBeGreaterThan(0);
      expect(second.end).toBe(first.told.length + second.told.length);
      const kaska = await logs.open({ dir });
      await expectTimes(kaska, [...first.told, ...second.told]);
    },
  );

  it.each(['2025-01-01T00:00:00', '1970-01-01T00:00:01'])(
    'that is earlier when the log is opened (%s) makes nothing old, and offsets go on',
    async (earlier) => {
      const dir = join(await logs.folder(), 'log');
      const times = ['2026-11-22T12:00:00'];
      const first = await under(times[0]!, { dir, times, each: 10 });
      const second = await under(earlier, { dir, times: [earlier], each: 10 });
      expect([second.start, second.end]).toEqual([0, 20]);
      const kaska = await logs.open({ dir });
      await expectTimes(kaska, [...first.told, ...second.told]);
    },
  );

  it('that was far ahead for a while keeps no segment for ever once it is right again', async () => {
    const dir = join(await logs.folder(), 'log');
    for (const time of ['2106-02-07T06:28:16', '2026-11-22T12:00:00', '2026-11-22T12:01:00']) {
      await under(time, { dir, times: [time], each: 8 });
    }
    const later = '2026-11-23T12:00:00';
    const { start, told } = await under(later, { dir, times: [later], each: 4 });
    // All but the last segments are older than an hour, whatever the clock said then.
    expect(start).toBeGreaterThan(16);
    expect(start).toBeLessThanOrEqual(24);
    const kaska = await logs.open({ dir });
    await expectTimes(kaska, told);
  });

  it('that is set back while `close()` waits does not make it wait longer', async () => {
    const dir = join(await logs.folder(), 'log');
    // After some, each sync takes ten seconds.
    const strace =
      'strace -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=10000000:when=30+';
    const setup = { dir, times: ['2001-01-01T00:00:00'], slow: true };
    const closed = await under<object>('2026-11-22T12:00:00', setup, strace.split(' '));
    expect(closed).toMatchObject({ code: 'ERR_CHASKI_CLOSED', delivered: 'unknown' });
    const kaska = await logs.open({ dir });
    const { acked } = closed as { acked: number };
    expect(kaska.topic('t').endOffset() - acked).toBeGreaterThanOrEqual(0);
    expect(kaska.topic('t').endOffset() - acked).toBeLessThanOrEqual(1);
  });
});
