// Options of users, checked and read: a value that cannot be is an error that names it, never a default.
import { invalid } from './invalid.ts';
import { longestTimeoutMs } from './wait.ts';

/** @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` for what `value` has and `names` has not. */
export function refuseUnknown(name: string, value: object, names: readonly string[]): void {
  // Not Object.keys(), which makes an array: this is done for each get() with options.
  for (const key in value) {
    if (!names.includes(key) && Object.hasOwn(value, key)) {
      throw invalid(
        `${name}.${key}`,
        (value as Record<string, unknown>)[key],
        `left out: there is no such option. There are ${names.join(', ')}`,
      );
    }
  }
}

export function object<O extends object>(name: string, value: O): O {
  if (typeof value === 'object' && value !== null) return value;
  throw invalid(name, value, 'an object');
}

export function text(name: string, value: unknown, fallback: string): string {
  if (value === undefined) return fallback;
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw invalid(name, value, 'a string that is not empty and has no NUL');
}

export function integer(
  name: string,
  value: unknown,
  fallback: number,
  least: number,
  most: number,
  unit?: 'bytes' | 'ms',
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  const number = unit === undefined ? 'an integer' : `a whole number of ${unit}`;
  throw invalid(name, value, `${number} from ${least} to ${most}`);
}

export function time(name: string, value: unknown, fallback: number): number {
  return integer(name, value, fallback, 0, longestTimeoutMs, 'ms');
}

/** The first of `values` is the default. */
export function oneOf<const V extends string>(
  name: string,
  value: string | undefined,
  values: readonly V[],
): V {
  const chosen = value === undefined ? values[0] : values.find((known) => known === value);
  if (chosen !== undefined) return chosen;
  const quoted = values.map((known) => `'${known}'`);
  throw invalid(name, value, `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`);
}

export function flag(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw invalid(name, value, 'true or false');
}
