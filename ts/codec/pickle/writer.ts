// Values to pickles of protocol 5. They name nothing but classes of Python's own library and of numpy, and what the user has registered.
import { types } from 'node:util';

import { ChaskiError } from '../../errors.ts';
import { asBytes, isLost, lostMemory, plain } from '../bytes.ts';
import { failed } from '../failed.ts';
import { opaqueClass } from '../instances.ts';
import { maxDepth } from '../limits.ts';
import { Budget, Cost, keyCost, maxIntegerBytes } from './budget.ts';
import { writeInteger } from './integers.ts';
import { codeOf } from './numpy.ts';
import { Op } from './opcodes.ts';
import { Output } from './output.ts';
import { dtypeOf, FrozenSet, NdArray, Tuple, Uuid } from './values.ts';

/** An object as Python is to make it: `name(*args)`, and then its state. */
export interface Reduced {
  /** Of a class or function, with its module: `'package.module.Class'`. */
  readonly name: string;
  readonly args?: readonly unknown[] | undefined;
  /** What its `__setstate__` is given, or its `__dict__` is made of. */
  readonly state?: unknown;
}

/** What objects of a class become. */
export interface ClassEncoder {
  readonly type: abstract new (...args: never[]) => unknown;
  readonly encode: (value: never) => Reduced;
}

export class Writer {
  readonly #encoders: readonly ClassEncoder[];
  readonly #output: Output = new Output();
  /** What was written, by its number in the memo of the reader. */
  readonly #objects: Map<object, number> = new Map<object, number>();
  readonly #names: Map<string, number> = new Map<string, number>();
  readonly #globals: Map<string, number> = new Map<string, number>();
  /** Tuples and others that may be keys. */
  readonly #hashable: Set<object> = new Set<object>();
  #memoized: number = 0;
  #budget: Budget = new Budget('encode', 0);

  constructor(encoders: readonly ClassEncoder[]) {
    this.#encoders = encoders;
  }

  /**
   * The pickle of `value`, valid until the next one is written.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC`, `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  write(value: unknown): Uint8Array {
    try {
      if (value === undefined) throw refused('undefined alone is no value: put null');
      this.#budget = new Budget('encode', 0);
      this.#memoized = 0;
      this.#output.begin();
      this.#value(value, 0);
      return this.#output.end();
    } catch (error) {
      if (ChaskiError.is(error)) throw error;
      throw failed('encode', 'the value cannot be written as a pickle', error);
    } finally {
      this.#output.forget();
      // Often nothing had a place in the memo, and emptying an empty Map costs as much as the rest.
      for (const memo of [this.#objects, this.#names, this.#globals, this.#hashable]) {
        if (memo.size > 0) memo.clear();
      }
    }
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#budget.values(1);
        this.#output.text(value);
        break;
      case 'number':
        this.#budget.values(1);
        this.#number(value);
        break;
      case 'boolean':
        this.#budget.values(1);
        this.#output.byte(value ? Op.NEWTRUE : Op.NEWFALSE);
        break;
      case 'undefined':
        this.#budget.values(1);
        this.#output.byte(Op.NONE);
        break;
      case 'bigint':
        this.#budget.values(1);
        this.#bigint(value);
        break;
      case 'object':
        if (value === null) {
          this.#budget.values(1);
          this.#output.byte(Op.NONE);
        } else {
          this.#object(value, depth);
        }
        break;
      case 'function':
      case 'symbol':
        throw refused(`a ${typeof value} cannot be sent`);
    }
  }

  #number(value: number): void {
    const output = this.#output;
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      output.byte(Op.BINFLOAT);
      output.double(value);
    } else if (value >= 0 && value < 0x1_0000) {
      if (value < 0x100) {
        output.byte(Op.BININT1);
        output.byte(value);
      } else {
        output.byte(Op.BININT2);
        output.uint16(value);
      }
    } else if (value === (value | 0)) {
      output.byte(Op.BININT);
      output.int32(value);
    } else {
      this.#bigint(BigInt(value));
    }
  }

  #bigint(value: bigint): void {
    const bytes = writeInteger(value);
    if (bytes.length > maxIntegerBytes) {
      throw refused(`a bigint of ${bytes.length} bytes, and ${maxIntegerBytes} are taken`);
    }
    this.#budget.values(Cost.BIG);
    if (bytes.length < 256) {
      this.#output.byte(Op.LONG1);
      this.#output.byte(bytes.length);
    } else {
      this.#output.byte(Op.LONG4);
      this.#output.uint32(bytes.length);
    }
    this.#output.raw(bytes);
  }

  #object(value: object, depth: number): void {
    const known = this.#objects.get(value);
    if (known !== undefined) {
      this.#budget.values(1);
      this.#recall(known);
      return;
    }
    if (depth >= maxDepth) {
      throw refused(`it is nested deeper than ${maxDepth} levels, or it holds itself`);
    }
    for (const { type, encode } of this.#encoders) {
      if (value instanceof type) {
        this.#reduced(value, encode(value as never), depth);
        return;
      }
    }
    if (Array.isArray(value)) {
      if (value instanceof Tuple) this.#tuple(value, depth);
      else this.#list(value, depth);
      return;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) this.#fields(value, depth);
    else this.#instance(value, depth);
  }

  #list(list: readonly unknown[], depth: number): void {
    const { length } = list;
    this.#budget.values(Cost.LIST);
    this.#output.byte(Op.EMPTY_LIST);
    this.#memoize(list);
    if (length === 0) return;
    if (length > 1) this.#output.byte(Op.MARK);
    for (let i = 0; i < length; i += 1) this.#value(list[i], depth + 1);
    this.#output.byte(length > 1 ? Op.APPENDS : Op.APPEND);
  }

  #tuple(tuple: readonly unknown[], depth: number): void {
    this.#budget.values(Cost.TUPLE);
    const { length } = tuple;
    if (length === 0) {
      this.#output.byte(Op.EMPTY_TUPLE);
      return;
    }
    if (length > 3) this.#output.byte(Op.MARK);
    for (let i = 0; i < length; i += 1) this.#value(tuple[i], depth + 1);
    const known = this.#objects.get(tuple);
    if (known !== undefined) {
      // It holds a list that holds it: what was written within that is all of it.
      for (let i = 0; i < (length > 3 ? 1 : length); i += 1) {
        this.#output.byte(length > 3 ? Op.POP_MARK : Op.POP);
      }
      this.#recall(known);
      return;
    }
    this.#output.byte(tupleOps[length] ?? Op.TUPLE);
    this.#memoize(tuple);
  }

  /** Its own enumerable properties, but for those that are undefined. */
  #fields(value: object, depth: number): void {
    const fields = value as Record<string, unknown>;
    const keys = Object.keys(fields);
    if (Object.hasOwn(fields, 'toJSON')) {
      const { toJSON } = fields as { toJSON?: unknown };
      if (typeof toJSON === 'function') {
        this.#other(value, (toJSON as () => unknown).call(value), depth);
        return;
      }
    }
    this.#budget.values(Cost.DICT);
    this.#output.byte(Op.EMPTY_DICT);
    this.#memoize(value);
    if (keys.length === 0) return;
    this.#output.byte(Op.MARK);
    for (const key of keys) {
      const field = fields[key];
      if (field === undefined) continue;
      this.#name(key, value);
      this.#value(field, depth + 1);
    }
    this.#output.byte(Op.SETITEMS);
  }

  /** A key: often it comes again. */
  #name(key: string, dict: object): void {
    this.#budget.values(1 + keyCost(key, dict));
    const known = this.#names.get(key);
    if (known !== undefined) {
      this.#recall(known);
      return;
    }
    this.#output.text(key);
    this.#names.set(key, this.#memoized);
    this.#numbered();
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.#budget.values(Cost.DICT + Cost.MAP);
    this.#output.byte(Op.EMPTY_DICT);
    this.#memoize(map);
    // A copy, since its owner may change it meanwhile.
    const entries = [...Map.prototype.entries.call(map)];
    if (entries.length === 0) return;
    this.#output.byte(Op.MARK);
    for (const [key, value] of entries) {
      if (typeof key === 'string') {
        this.#name(key, map);
      } else {
        this.#checkHashable(key, 'the key of a Map', depth);
        this.#value(key, depth + 1);
      }
      this.#value(value, depth + 1);
    }
    this.#output.byte(Op.SETITEMS);
  }

  #set(set: ReadonlySet<unknown>, depth: number): void {
    this.#budget.values(Cost.MAP);
    const frozen = set instanceof FrozenSet;
    if (!frozen) {
      this.#output.byte(Op.EMPTY_SET);
      this.#memoize(set);
    }
    this.#output.byte(Op.MARK);
    // A copy, as above.
    const members: unknown[] = Array.from(Set.prototype.values.call(set));
    for (const value of members) {
      this.#checkHashable(value, 'a member of a Set', depth);
      this.#value(value, depth + 1);
    }
    this.#output.byte(frozen ? Op.FROZENSET : Op.ADDITEMS);
    if (frozen) this.#memoize(set);
  }

  #checkHashable(value: unknown, what: string, depth: number): void {
    if (typeof value !== 'object' || value === null || this.#hashable.has(value)) return;
    if (depth >= maxDepth) throw refused(`it is nested deeper than ${maxDepth} levels`);
    if (value instanceof Tuple) {
      for (const item of value) this.#checkHashable(item, what, depth + 1);
    } else if (!isHashable(value)) {
      throw refused(
        `${what} is ${Array.isArray(value) ? 'an array' : 'an object'}, which Python does not take there. A Tuple can be one`,
      );
    }
    this.#hashable.add(value);
  }

  /** An object that is neither plain nor an array. */
  #instance(value: object, depth: number): void {
    const dtype = dtypeOf(value);
    if (dtype !== undefined && !(value instanceof Uint8Array)) {
      this.#array(value, memoryOf(value), undefined, codeOf(dtype));
      return;
    }
    const bytes = asBytes(value);
    if (bytes !== undefined) this.#bytes(value, bytes);
    else if (types.isMap(value)) this.#map(value, depth);
    else if (types.isSet(value)) this.#set(value, depth);
    else if (types.isDate(value)) this.#date(value);
    else if (value instanceof Uuid) this.#uuid(value);
    else if (value instanceof NdArray) {
      this.#array(value, memoryOf(value.data), value.shape, codeOf(value.dtype));
    } else this.#foreign(value, depth);
  }

  #foreign(value: object, depth: number): void {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') {
      this.#other(value, (toJSON as () => unknown).call(value), depth);
      return;
    }
    const name = opaqueClass(value);
    if (name !== undefined) {
      throw refused(
        `an object of the class ${name} cannot be sent. Put an array, a plain object or bytes made of it, or register an encoder`,
      );
    }
    this.#fields(value, depth);
  }

  /** What toJSON() of `value` returned. One level deeper, so that it cannot go on for ever. */
  #other(value: object, other: unknown, depth: number): void {
    if (other === value) throw refused('a toJSON() returned its own object');
    this.#value(other, depth + 1);
  }

  #bytes(value: object, view: Uint8Array): void {
    if (isLost(view)) throw lostMemory();
    this.#budget.values(Cost.BYTES + 1);
    this.#output.bytes(plain(view));
    this.#memoize(value);
  }

  /** numpy.ndarray(shape, type, bytearray): no name that only some versions of numpy have. */
  #array(
    value: object,
    bytes: Uint8Array,
    shape: readonly number[] | undefined,
    code: string,
  ): void {
    const output = this.#output;
    this.#budget.values(Cost.OBJECT + 2 * Cost.BYTES);
    this.#global('numpy', 'ndarray');
    const elements = bytes.length / Number(code.slice(2));
    if (shape !== undefined && shape.reduce((product, size) => product * size, 1) !== elements) {
      throw refused('the memory of an NdArray has another size than its shape');
    }
    this.#sizes(shape ?? [elements]);
    output.text(code);
    output.byteArray(bytes);
    output.byte(Op.TUPLE3);
    output.byte(Op.REDUCE);
    this.#memoize(value);
  }

  #sizes(sizes: readonly number[]): void {
    const { length } = sizes;
    this.#budget.values(length + Cost.TUPLE);
    if (length > 3) this.#output.byte(Op.MARK);
    for (const size of sizes) this.#number(size);
    this.#output.byte(length === 0 ? Op.EMPTY_TUPLE : (tupleOps[length] ?? Op.TUPLE));
  }

  /** A uuid.UUID, as Python pickles it. */
  #uuid(value: Uuid): void {
    const output = this.#output;
    this.#budget.values(Cost.OBJECT + Cost.TUPLE + Cost.DICT + Cost.BIG);
    this.#global('uuid', 'UUID');
    output.byte(Op.EMPTY_TUPLE);
    output.byte(Op.NEWOBJ);
    this.#memoize(value);
    output.byte(Op.EMPTY_DICT);
    this.#name('int', value);
    this.#bigint(BigInt(`0x${value.toString().replaceAll('-', '')}`));
    output.byte(Op.SETITEM);
    output.byte(Op.BUILD);
  }

  /** A datetime.datetime with the zone UTC. */
  #date(date: Date): void {
    const output = this.#output;
    const time = Date.prototype.getTime.call(date);
    if (Number.isNaN(time)) throw refused('the Date is invalid');
    const utc = new Date(time);
    const year = utc.getUTCFullYear();
    if (year < 1 || year > 9999) {
      throw refused(`the Date is in the year ${year}, and Python knows the years 1 to 9999`);
    }
    this.#budget.values(Cost.OBJECT + Cost.BYTES + Cost.TUPLE);
    this.#global('datetime', 'datetime');
    const microseconds = utc.getUTCMilliseconds() * 1000;
    output.bytes(
      Uint8Array.of(
        year >> 8,
        year & 0xff,
        utc.getUTCMonth() + 1,
        utc.getUTCDate(),
        utc.getUTCHours(),
        utc.getUTCMinutes(),
        utc.getUTCSeconds(),
        microseconds >> 16,
        (microseconds >> 8) & 0xff,
        microseconds & 0xff,
      ),
    );
    this.#global('datetime', 'timezone');
    this.#global('datetime', 'timedelta');
    output.byte(Op.BININT1);
    output.byte(0);
    output.byte(Op.TUPLE1);
    output.byte(Op.REDUCE);
    output.byte(Op.TUPLE1);
    output.byte(Op.REDUCE);
    output.byte(Op.TUPLE2);
    output.byte(Op.REDUCE);
    this.#memoize(date);
    this.#budget.values(2 * (Cost.OBJECT + Cost.TUPLE));
  }

  #reduced(value: object, { name, args, state }: Reduced, depth: number): void {
    const dot = name.lastIndexOf('.');
    if (dot <= 0) throw refused(`an encoder returned the name '${name}', which has no module`);
    this.#budget.values(Cost.OBJECT);
    this.#global(name.slice(0, dot), name.slice(dot + 1));
    this.#tuple([...(args ?? [])], depth + 1);
    this.#output.byte(Op.REDUCE);
    this.#memoize(value);
    if (state === undefined) return;
    this.#value(state, depth + 1);
    this.#output.byte(Op.BUILD);
  }

  #global(module: string, name: string): void {
    this.#budget.values(Cost.LIST);
    const known = this.#globals.get(`${module} ${name}`);
    if (known !== undefined) {
      this.#recall(known);
      return;
    }
    this.#output.text(module);
    this.#output.text(name);
    this.#output.byte(Op.STACK_GLOBAL);
    this.#globals.set(`${module} ${name}`, this.#memoized);
    this.#numbered();
  }

  #memoize(value: object): void {
    this.#objects.set(value, this.#memoized);
    this.#numbered();
  }

  #numbered(): void {
    this.#budget.values(1);
    this.#output.byte(Op.MEMOIZE);
    this.#memoized += 1;
  }

  #recall(index: number): void {
    if (index < 256) {
      this.#output.byte(Op.BINGET);
      this.#output.byte(index);
    } else {
      this.#output.byte(Op.LONG_BINGET);
      this.#output.uint32(index);
    }
  }
}

const tupleOps: readonly (number | undefined)[] = [undefined, Op.TUPLE1, Op.TUPLE2, Op.TUPLE3];

/** The memory of a typed array. */
function memoryOf(value: object): Uint8Array {
  const bytes = asBytes(value) as Uint8Array;
  if (isLost(bytes)) throw lostMemory();
  return plain(bytes);
}

/** Python takes lists, dicts, sets and arrays neither as keys nor in sets. */
function isHashable(value: object): boolean {
  return !(
    Array.isArray(value) ||
    types.isMap(value) ||
    (types.isSet(value) && !(value instanceof FrozenSet)) ||
    value instanceof NdArray ||
    (dtypeOf(value) !== undefined && !(value instanceof Uint8Array)) ||
    Object.getPrototypeOf(value) === Object.prototype ||
    Object.getPrototypeOf(value) === null
  );
}

function refused(reason: string): ChaskiError {
  return failed('encode', reason);
}
