// How a log in a folder is opened and killed by tests that compare it with a model.
import { existsSync, readFileSync } from 'node:fs';

import { child } from './child.ts';
import type { Logs } from './logs.ts';
import type { Ends } from './model.ts';

/** A log in a folder of its own. `after` says after how many acknowledgements of `most` a process is killed. */
export async function folderEnds(logs: Logs, after: (most: number) => number): Promise<Ends> {
  const folder = await logs.folder();
  const [dir, told] = [`${folder}/log`, `${folder}/told`];
  return {
    open: () => logs.open({ dir }),
    kill: async ({ topic, records }) => {
      const setup = { dir, told, topic, records, after: after(records.length) };
      await child('dying.mjs', setup).end();
      if (!existsSync(told)) return new Map();
      const lines = readFileSync(told, 'utf8').split('\n').slice(0, -1);
      return new Map(lines.map((line) => JSON.parse(line) as [number, number]));
    },
  };
}
