// A process that appends in every way that there is, and is killed at any instant, also while it opens: 200 times (CHASKI_KILLS).
// What it was told is there, unaltered, at the offset that it was told, and nothing else is where it should not be.
import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import { Kaska } from 'chaski/kaska';

import { Logs } from '../integration/kaska/support/logs.ts';
import { Child } from '../integration/net-queue/support/child.ts';
import { rejection, until } from '../integration/net-queue/support/waiting.ts';
import { Chance } from './support/chance.ts';
import { LogAudit, rowsOf } from './support/log-audit.ts';

const kills = Number(process.env['CHASKI_KILLS'] || 200);
/** What was told is compared with the whole log each time, so that must not grow for ever. */
const killsOfLog = 8;
const program = new URL('fixtures/log-writers.mjs', import.meta.url);

const logs = new Logs();
afterEach(logs.clear);

describe(`${kills} kills of a process that appends`, () => {
  const runs = Array.from({ length: Math.ceil(kills / killsOfLog) }, (_, i) => i);
  it.each(runs)('lose nothing that it was told, and double nothing: log %i', async (i) => {
    const chance = new Chance(`kaska kills ${i}`);
    const folder = await logs.folder();
    const [dir, book] = [`${folder}/log`, `${folder}/book`];
    const audit = new LogAudit(dir, (options) => logs.open(options), chance);
    for (let round = 0; round < killsOfLog; round += 1) {
      const child = new Child(program, { dir, book, run: `${i}.${round}` });
      // Some are killed while they open, some while they recover from the kill before.
      if (chance.next() < 0.7) await child.report('open');
      await delay(chance.integer(50, 2000));
      expect((await child.kill()).stderr).toBe('');
      const checked = round === killsOfLog - 1 || chance.next() < 0.7;
      if (!checked) continue;
      await audit.check(existsSync(book) ? rowsOf(book) : []);
      expect(audit.wrong).toEqual([]);
    }
    const told = existsSync(book) ? rowsOf(book).length : 0;
    console.log(
      `log ${i}: ${told} told, ${audit.read} read, opened in ${Math.ceil(audit.slowestMs)} ms at most`,
    );
    expect(told).toBeGreaterThan(0);
  });
});

describe('a process that stands still while it appends', () => {
  it('keeps its log, goes on, and keeps nobody from it once it is killed', async () => {
    const chance = new Chance('kaska stops');
    const folder = await logs.folder();
    const [dir, book] = [`${folder}/log`, `${folder}/book`];
    const child = new Child(program, { dir, book, run: 'stops' });
    const writes = async (): Promise<void> => {
      const before = existsSync(book) ? statSync(book).size : 0;
      await until(() => existsSync(book) && statSync(book).size > before, 'it appends');
    };
    await child.report('open');
    for (let round = 0; round < 5; round += 1) {
      await writes();
      child.process.kill('SIGSTOP');
      await delay(chance.integer(0, 50));
      const refusal = await rejection(Kaska.open({ dir }));
      expect(refusal.code).toBe('ERR_CHASKI_LOCKED');
      expect(refusal.message).toContain(String(child.process.pid));
      child.process.kill('SIGCONT');
    }
    await writes();
    child.process.kill('SIGSTOP');
    await child.kill();
    const audit = new LogAudit(dir, (options) => logs.open(options), chance);
    await audit.check(rowsOf(book));
    expect(audit.wrong).toEqual([]);
  });
});
