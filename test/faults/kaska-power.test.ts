// F6: directories of topics through many lives on a disk in memory, which end by power cuts, kills, failed syncs and failed
// writes, some in the middle of opening. Each seed is eight lives or more; the short form of it is in crates/log/tests/store.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

import { root } from '../house/root.ts';
import { Chance } from './support/chance.ts';

const seeds = Number(process.env['CHASKI_SEEDS'] || 12_000);

it(`what was promised survives the deaths of ${seeds} directories, eight or more of each`, async () => {
  const first = new Chance('power').integer(0, 1e9);
  const { stdout } = await promisify(execFile)(
    'cargo',
    ['test', '--manifest-path', 'crates/log/Cargo.toml', '--test', 'store', 'lives'],
    {
      cwd: root,
      env: { ...process.env, CHASKI_SEED: String(first), CHASKI_SEEDS: String(seeds) },
      maxBuffer: 1 << 26,
    },
  );
  expect(stdout).toContain('1 passed');
}, 1_800_000);
