// Values to MessagePack, by msgpackr, and back. docs/values.md says what survives. What is written is a copy that holds nothing but data:
// msgpackr takes lengths from properties, writes memory that it has not filled for views of anything but bytes, and writes some values so
// that nobody can read them.
import { types } from 'node:util';

import { Packr, Unpackr } from 'msgpackr';

import { ChaskiError } from '../errors.ts';
import { asBytes, isLost, lostMemory, plain, unshared } from './bytes.ts';
import { failed } from './failed.ts';
import { opaqueClass } from './instances.ts';
import { checkMsgpack, maxDepth, maxValues } from './limits.ts';

const settings = {
  useRecords: false,
  mapsAsObjects: true,
  moreTypes: false,
  structuredClone: false,
  bundleStrings: false,
  copyBuffers: false,
};
const packr: Packr = new Packr(settings);
const unpackr: Unpackr = new Unpackr(settings);

/**
 * `value` as MessagePack, in memory that is never written again.
 *
 * @throws ChaskiError `ERR_CHASKI_CODEC` for what cannot be written, or cannot be read again; `ERR_CHASKI_INVALID_ARGUMENT` for
 * memory that was taken away. What code of the user (a getter, a `toJSON()`) throws is the cause of an `ERR_CHASKI_CODEC`.
 */
export function writeMsgpack(value: unknown): Uint8Array {
  try {
    if (value === undefined) throw refused('undefined alone is no value: put null');
    return packr.pack(new Copy().of(value, 0));
  } catch (error) {
    if (ChaskiError.is(error)) throw error;
    throw failed('encode', 'the value cannot be written as MessagePack', error);
  }
}

/**
 * The value at [offset, offset + length) of `memory`.
 *
 * @throws ChaskiError `ERR_CHASKI_CODEC`.
 */
export function readMsgpack(memory: Uint8Array, offset: number, length: number): unknown {
  const end = offset + length;
  const reason = checkMsgpack(memory, offset, end);
  if (reason !== undefined) throw failed('decode', `the msgpack payload is not sound: ${reason}`);
  try {
    return unpackr.unpack(memory, { start: offset, end });
  } catch (cause) {
    throw failed('decode', 'the msgpack payload is not sound', cause);
  }
}

/** What a value is as data. Whatever belongs to the user is looked at once, so it cannot be something else when it is written. */
class Copy {
  #values = 1;

  of(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return wellFormed(value);
      case 'number':
      case 'boolean':
        return value;
      case 'undefined':
        return null;
      case 'bigint':
        return ofBigint(value);
      case 'object': {
        if (value === null) return null;
        if (Array.isArray(value)) return this.#ofArray(value, depth);
        const prototype: unknown = Object.getPrototypeOf(value);
        if (prototype === Object.prototype || prototype === null) {
          return this.#ofFields(value, depth);
        }
        return this.#ofInstance(value, depth);
      }
      case 'function':
      case 'symbol':
        throw refused(`a ${typeof value} cannot be sent`);
    }
  }

  #ofArray(list: readonly unknown[], depth: number): unknown[] {
    const { length } = list;
    if (length > 0) this.#count(length, depth);
    const copy: unknown[] = [];
    for (let i = 0; i < length; i += 1) {
      const value = list[i];
      copy.push(typeof value === 'number' ? value : this.of(value, depth + 1));
    }
    return copy;
  }

  /** Its own enumerable properties, but for those that are undefined. */
  #ofFields(value: object, depth: number): unknown {
    const copy: Record<string, unknown> = { ...value };
    const keys = Object.keys(copy);
    if (keys.length > 0) this.#count(2 * keys.length, depth);
    let simple = keys.length <= mostSimple;
    for (const key of keys) {
      const field = copy[key];
      if (field === undefined || key === 'constructor' || wellFormed(key) !== key) simple = false;
      if (typeof field === 'number' || field === undefined) continue;
      if (key === 'toJSON' && typeof field === 'function') {
        return this.#ofOther(value, (field as () => unknown).call(value), depth);
      }
      copy[key] = this.of(field, depth + 1);
    }
    return simple ? copy : asMap(copy, keys);
  }

  /** An object that is neither plain nor an array. */
  #ofInstance(value: object, depth: number): unknown {
    const bytes = asBytes(value);
    if (bytes !== undefined) return ofBytes(bytes);
    if (types.isDate(value)) return ofDate(value);
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') {
      return this.#ofOther(value, (toJSON as () => unknown).call(value), depth);
    }
    const name = opaqueClass(value);
    if (name !== undefined) {
      throw refused(
        `an object of the class ${name} cannot be sent. Put an array, a plain object or bytes made of it`,
      );
    }
    return this.#ofFields(value, depth);
  }

  /** What toJSON() of `value` returned. One level deeper, so that it cannot go on for ever. */
  #ofOther(value: object, other: unknown, depth: number): unknown {
    if (other === value) throw refused('a toJSON() returned its own object');
    this.#count(0, depth);
    return this.of(other, depth + 1);
  }

  /** So many values more, within one at `depth`. */
  #count(values: number, depth: number): void {
    if (depth >= maxDepth) {
      throw refused(`it is nested deeper than ${maxDepth} levels, or it holds itself`);
    }
    this.#values += values;
    if (this.#values > maxValues) throw refused(`it holds more than ${maxValues} values`);
  }
}

/** The most properties for which msgpackr can write the number of an object. */
const mostSimple = 0xffff;

/** As msgpackr writes objects of any size and with any names. */
function asMap(fields: Record<string, unknown>, keys: readonly string[]): Map<string, unknown> {
  const map = new Map<string, unknown>();
  for (const key of keys) if (fields[key] !== undefined) map.set(wellFormed(key), fields[key]);
  return map;
}

/** Half of a pair of units is no character, and UTF-8 has no way to write it: U+FFFD takes its place. */
function wellFormed(text: string): string {
  const known = text as string & { isWellFormed(): boolean; toWellFormed(): string };
  return known.isWellFormed() ? text : known.toWellFormed();
}

function ofBigint(value: bigint): bigint {
  if (BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value) return value;
  const text = String(value);
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  throw refused(`the bigint ${shown} has more than 64 bits`);
}

function ofBytes(bytes: Uint8Array): Uint8Array {
  if (isLost(bytes)) throw lostMemory();
  return unshared(plain(bytes));
}

function ofDate(date: Date): Date {
  const time = Date.prototype.getTime.call(date);
  if (Number.isNaN(time)) throw refused('the Date is invalid');
  return new Date(time);
}

function refused(reason: string): ChaskiError {
  return failed('encode', reason);
}
