import { once } from 'node:events';

import type { Kaska, KaskaEvents } from 'chaski/kaska';

import { soon } from '../../net-queue/support/waiting.ts';

/** The first value of the next event `name`. */
export async function eventOf<E extends keyof KaskaEvents>(
  kaska: Kaska,
  name: E,
): Promise<KaskaEvents[E][0]> {
  const values: unknown[] = await soon(once(kaska, name), `the event ${name}`);
  return values[0] as KaskaEvents[E][0];
}
