import type { Delivery } from './origin.ts';
import { needsProcessed } from './failures.ts';
import type { NackOptions } from './types.ts';
import { nackDelayMs } from './wait-options.ts';

/** Has messages delivered again; how many of them will be. */
export function nack(delivery: Delivery, options: NackOptions | undefined): number {
  const delayMs = nackDelayMs(options);
  const { settling } = delivery.origin;
  if (settling === undefined) throw needsProcessed();
  return settling.nack(delivery, delayMs);
}
