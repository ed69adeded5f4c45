// What is said of a wrong argument.
import { types } from 'node:util';

import { ChaskiError } from '../errors.ts';

export function invalid(name: string, value: unknown, wanted: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `${name} is ${show(value)}; it must be ${wanted}.`,
  );
}

/** The same of what may be a secret, if only written in another way: it is not shown. */
export function invalidSecret(name: string, value: unknown, wanted: string): ChaskiError {
  const told =
    typeof value === 'string'
      ? `a text of ${value.length} characters`
      : ArrayBuffer.isView(value)
        ? `${value.byteLength} bytes`
        : `of type ${typeof value}`;
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `${name} is ${told}; it must be ${wanted}.`,
  );
}

/**
 * Whether `value` is an object that was written down as options, of whatever realm: not an array, and no instance of a class, whose
 * properties mean something else. Never throws but for a revoked Proxy.
 */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype === Object.prototype ||
    prototype === null ||
    (!Array.isArray(value) && Object.getPrototypeOf(prototype) === null)
  );
}

/** Ms since 1970, whatever its owner has it say; NaN if it is invalid. */
export function timeOf(date: Date): number {
  return Date.prototype.getTime.call(date);
}

/** A value in a word or two, whatever it is. Never throws. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (types.isProxy(value)) return 'a Proxy';
  if (types.isDate(value) && Number.isNaN(timeOf(value))) return 'an invalid Date';
  const name = Array.isArray(value) ? 'array' : classOf(value);
  return `${/^(?!uint)[aeiou]/iu.test(name) ? 'an' : 'a'} ${name}`;
}

function classOf(value: object): string {
  try {
    if (isPlain(value)) return 'object';
    const { constructor } = value as { constructor: unknown };
    const name: unknown = typeof constructor === 'function' ? constructor.name : undefined;
    return typeof name === 'string' && /^\w{1,64}$/u.test(name) ? name : 'object';
  } catch {
    return 'object';
  }
}
