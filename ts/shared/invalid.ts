// What is said of a wrong argument.
import { ChaskiError } from '../errors.ts';

export function invalid(name: string, value: unknown, wanted: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `${name} is ${show(value)}; it must be ${wanted}.`,
  );
}

/** A value in a word or two, whatever it is. Never throws. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
