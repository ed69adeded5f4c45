// Dicts as JavaScript has them: a plain object where all keys are text, else a Map.
import { keyCost } from './budget.ts';
import type { Budget } from './budget.ts';

export type Dict = Record<string, unknown> | Map<unknown, unknown>;

/** Whether `key` can be one of a plain object: any text but the one that stands for its prototype. */
export function isName(key: unknown): key is string {
  return typeof key === 'string' && key !== '__proto__';
}

/** A dict of keys and values in turn. */
export function dictOf(entries: readonly unknown[], budget: Budget): Dict {
  const named: Record<string, unknown> = {};
  for (let i = 0; i < entries.length; i += 2) {
    const key = entries[i];
    if (!isName(key)) return mapOf(entries);
    budget.values(keyCost(key, named));
    named[key] = entries[i + 1];
  }
  return named;
}

function mapOf(entries: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (let i = 0; i < entries.length; i += 2) map.set(entries[i], entries[i + 1]);
  return map;
}
