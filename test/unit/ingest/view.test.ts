import { describe, expect, it } from 'vitest';
import { bytes, count, duration, megabytes, plural } from '../../../examples/ingest/format.mjs';
import { Meter } from '../../../examples/ingest/meter.mjs';
import {
  ingesting,
  progressBar,
  sparkline,
  starting,
  summary,
  verifying,
} from '../../../examples/ingest/view.mjs';
import { widthOf } from '../../../examples/ingest/screen.mjs';

const plain = (_style: string, text: string): string => text;

/** A meter on a clock of its own, after one second at 1,000 records and 100,000 bytes a second. */
function meterAfterOneSecond() {
  const clock = { now: 5000 };
  const meter = new Meter(() => clock.now);
  meter.start();
  for (let i = 1; i <= 5; i += 1) {
    clock.now += 200;
    meter.produced(0, { queued: 30, roundTrips: [10] });
    meter.produced(1, { queued: 12, roundTrips: i === 5 ? [40] : [] });
    meter.consumed({ records: 200 * i, bytes: 20_000 * i, delayMs: i === 3 ? 7 : 1, memory: 1e8 });
  }
  return { meter, clock };
}

describe('the meter', () => {
  it('adds up what the processes report', () => {
    const { meter, clock } = meterAfterOneSecond();
    clock.now += 100;
    const snapshot = meter.snapshot();
    expect(snapshot).toMatchObject({ elapsedMs: 1100, records: 1000, bytes: 100_000, queued: 42 });
    expect(snapshot).toMatchObject({ recordsPerSecond: 1000, bytesPerSecond: 100_000 });
    expect(snapshot).toMatchObject({ delayMs: 1, worstDelayMs: 7, memory: 1e8, samples: 6 });
    expect(snapshot.p50Ms).toBeCloseTo(10, 1);
    expect(snapshot.p99Ms).toBeCloseTo(40, 1);
    expect(snapshot.history).toEqual([1000, 1000, 1000, 1000, 1000]);
  });

  it('tells the rate of the last two seconds', () => {
    const { meter, clock } = meterAfterOneSecond();
    for (let i = 1; i <= 15; i += 1) {
      clock.now += 200;
      meter.consumed({ records: 1000 + 20 * i, bytes: 0, delayMs: 0, memory: 0 });
    }
    expect(meter.snapshot().recordsPerSecond).toBe(100);
  });

  it('knows nothing before the start, and stops its clock at the end', () => {
    const clock = { now: 1 };
    const meter = new Meter(() => clock.now);
    meter.consumed({ records: 0, bytes: 0, delayMs: 99, memory: 5 });
    expect(meter.snapshot()).toMatchObject({ elapsedMs: 0, recordsPerSecond: 0, worstDelayMs: 0 });
    meter.start();
    clock.now = 11;
    meter.stop();
    clock.now = 50;
    expect(meter.snapshot().elapsedMs).toBe(10);
  });
});

describe('the views', () => {
  it('show all that is measured, as a frame and as a line', () => {
    const { meter } = meterAfterOneSecond();
    const goal = { bytes: 200_000, seconds: 20 };
    const view = ingesting('some title', goal, () => meter.snapshot());
    const frame = view.frame(80, plain).join('\n');
    expect(frame).toContain('some title');
    expect(frame).toContain('50 %');
    expect(frame).toContain('97.7 KiB of 195 KiB · 1 s of at most 20 s');
    expect(frame).toMatch(/records\/s +1,000/);
    expect(frame).toMatch(/throughput +0\.10 MB\/s/);
    expect(frame).toMatch(/queue depth +42 records/);
    expect(frame).toMatch(/round trip +10\.0 ms p50 · 40\.0 ms p99/);
    expect(frame).toMatch(/event loop +1\.00 ms p99/);
    expect(frame).toMatch(/memory +95\.4 MiB/);
    expect(view.line().trim()).toBe(
      '1.00 s   97.7 KiB of 195 KiB   1,000 records/s   0.10 MB/s   42 records queued   round trip 10.0 ms   event-loop delay 1.00 ms',
    );
  });

  it('fit where nobody knows how much is to come', () => {
    const { meter } = meterAfterOneSecond();
    const goal = { bytes: undefined, seconds: Infinity };
    const view = ingesting('standard input', goal, () => meter.snapshot());
    expect(view.frame(80, plain).join('\n')).not.toContain('%');
    expect(view.line()).toContain('   97.7 KiB   ');
  });

  it('show that the processes start', () => {
    const frame = starting('access.log', 64).frame(80, plain).join('\n');
    expect(frame).toMatch(/chaski access\.log\n\n {2}starting 64 producers and a consumer/);
  });

  it('show the verification', () => {
    const view = verifying(() => 512, 1024);
    expect(view.frame(80, plain).join('\n')).toContain('50 %');
    expect(view.line()).toBe('  verifying 512 bytes of 1.00 KiB');
  });

  it('sum up', () => {
    const { meter } = meterAfterOneSecond();
    const verdict = {
      records: 1000,
      bytes: 100_000,
      topics: [{ topic: 'producer-0', from: 7, to: 1007, sha256: 'abc' }],
      differences: [] as string[],
    };
    const stored = { records: 1000, again: 0, commits: 3, peakMemory: 2e8, ends: [1007] };
    const ingested = { stored, crashes: 0, again: 0 };
    const last = meter.snapshot();
    const outcome = { last, ingested, crashes: 0, verdict, verifyMs: 12, folder: '/log' };
    const text = summary(outcome, plain).join('\n');
    expect(text).toMatch(/records +1,000\n/);
    expect(text).toMatch(/bytes +97\.7 KiB \(100,000\)/);
    expect(text).toMatch(/rate +1,000 records\/s · 0\.10 MB\/s/);
    expect(text).toMatch(/191 MiB peak memory .* 3 commits/);
    expect(text).toMatch(/producer-0 +offsets 7 to 1,007\n +sha256 abc\n/);
    expect(text).toMatch(/log +\/log\n/);
    expect(text).not.toContain('killed');
    expect(text).toContain('verified: 1,000 records once each, in order, byte for byte (12.0 ms)');
    const crashed = { ...outcome, ingested: { stored, crashes: 2, again: 40 }, crashes: 2 };
    expect(summary(crashed, plain).join('\n')).toMatch(
      /crashes +killed 2 times; 40 records came again, none was stored twice/,
    );
    expect(summary({ ...crashed, crashes: 5 }, plain).join('\n')).toContain(
      'killed 2 of 5 times, until all was stored; ',
    );
    verdict.differences.push('something');
    expect(summary(outcome, plain).join('\n')).toContain('NOT verified');
  });

  it('draw bars and sparks of any width', () => {
    for (const part of [0, 0.001, 0.5, 0.999, 1, 1.5]) {
      expect(widthOf(progressBar(part, 80, plain))).toBe(67);
      expect(widthOf(progressBar(part, 10, plain))).toBe(12);
    }
    expect(sparkline([0, 50, 100], 40)).toBe('▁▅█');
    expect(sparkline([1, 2, 3, 4], 2)).toBe('▇█');
    expect(sparkline([], 0)).toBe('');
  });
});

describe('numbers', () => {
  it('are written as people read them', () => {
    expect(count(1_234_567.8)).toBe('1,234,568');
    expect([plural(1, 'record'), plural(2, 'record')]).toEqual(['1 record', '2 records']);
    expect([0, 1, 999, 1000, 1536, 2 ** 30].map(bytes)).toEqual([
      '0 bytes',
      '1 byte',
      '999 bytes',
      '0.98 KiB',
      '1.50 KiB',
      '1.00 GiB',
    ]);
    expect(megabytes(172_400_000)).toBe('172 MB/s');
    expect([0.25, 1, 12.34, 999, 1500, 61_000].map(duration)).toEqual([
      '250 µs',
      '1.00 ms',
      '12.3 ms',
      '999 ms',
      '1.50 s',
      '1 min 1 s',
    ]);
  });
});
