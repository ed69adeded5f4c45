// What Python has and JavaScript has not.
import { randomUUID } from 'node:crypto';

import { ChaskiError } from '../../errors.ts';

/** A Python tuple. An array in every respect; only the serializer 'pickle' makes a difference: a plain array is a list. */
export class Tuple<T = unknown> extends Array<T> {
  constructor(...items: T[]) {
    super();
    for (const item of items) this.push(item);
  }

  /** What `map()`, `filter()` and the like make of a tuple: a plain array. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

/** `items` itself, made a tuple: a good deal cheaper than to construct one, which V8 does at leisure. */
export function asTuple(items: unknown[]): Tuple {
  return Object.setPrototypeOf(items, Tuple.prototype) as Tuple;
}

/** A Python frozenset: a Set that may be a key of a dict or a member of a set in Python. */
export class FrozenSet<T = unknown> extends Set<T> {}

/** A Python `uuid.UUID`. */
export class Uuid {
  /** In lower case, with hyphens. */
  readonly text: string;

  /**
   * From its text form or its 16 bytes.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  constructor(value: string | Uint8Array) {
    if (typeof value === 'string' && uuidForm.test(value)) {
      this.text = value.toLowerCase();
    } else if (value instanceof Uint8Array && value.length === 16) {
      this.text = Buffer.from(value)
        .toString('hex')
        .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    } else {
      throw new ChaskiError(
        'ERR_CHASKI_INVALID_ARGUMENT',
        'A Uuid is made of its text form or of 16 bytes.',
      );
    }
  }

  /** A new random one (version 4). */
  static random(): Uuid {
    return new Uuid(randomUUID());
  }

  /** Its 16 bytes, in memory of their own. */
  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.from(this.text.replaceAll('-', ''), 'hex'));
  }

  equals(other: unknown): boolean {
    return other instanceof Uuid && other.text === this.text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

const uuidForm = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/** Memory of the numbers in an array of numpy. */
export type NumericArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** Type of an element, as numpy calls it. */
export type Dtype =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64'
  | 'complex64'
  | 'complex128';

/**
 * An array of numpy with its shape. `data` holds the elements row by row (the last index runs fastest); a complex one takes
 * two numbers, a `bool` is 0 or 1 in a Uint8Array.
 */
export class NdArray {
  readonly data: NumericArray;
  readonly shape: readonly number[];
  readonly dtype: Dtype;

  /**
   * Over `data`, not copied. By default with one dimension, and with the type that `data` has.
   *
   * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT` where the three do not fit together.
   */
  constructor(data: NumericArray, shape?: readonly number[], dtype?: Dtype) {
    const own = dtypeOf(data);
    if (own === undefined) throw invalid('data must be a typed array of numbers');
    this.data = data;
    this.dtype = dtype ?? own;
    if (this.dtype !== own && storage.get(this.dtype) !== own) {
      throw invalid(`an array of dtype ${this.dtype} does not lie in ${data.constructor.name}`);
    }
    const parts = partsOf(this.dtype);
    this.shape = Object.freeze([...(shape ?? [data.length / parts])]);
    if (this.shape.length > maxDimensions) {
      throw invalid(`an array has at most ${maxDimensions} dimensions`);
    }
    let elements = 1;
    for (const size of this.shape) {
      if (!Number.isSafeInteger(size) || size < 0) {
        throw invalid(`${String(size)} is no size of a dimension`);
      }
      elements *= size;
    }
    if (elements * parts !== data.length) {
      throw invalid(`the shape (${this.shape.join(', ')}) does not fit ${data.length} numbers`);
    }
  }
}

/** What numpy takes. */
export const maxDimensions: number = 64;

/** Numbers that one element takes. */
export function partsOf(dtype: string): number {
  return dtype.startsWith('complex') ? 2 : 1;
}

/** The type of the numbers in `data`; undefined for what is no typed array of numbers. */
export function dtypeOf(data: unknown): Dtype | undefined {
  return ArrayBuffer.isView(data) ? byClass.get(classOf.call(data) as string) : undefined;
}

const byClass: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['Int8Array', 'int8'],
  ['Uint8Array', 'uint8'],
  ['Uint8ClampedArray', 'uint8'],
  ['Int16Array', 'int16'],
  ['Uint16Array', 'uint16'],
  ['Int32Array', 'int32'],
  ['Uint32Array', 'uint32'],
  ['BigInt64Array', 'int64'],
  ['BigUint64Array', 'uint64'],
  ['Float32Array', 'float32'],
  ['Float64Array', 'float64'],
]);

/** Types that lie in the memory of another. */
const storage: ReadonlyMap<Dtype, Dtype> = new Map<Dtype, Dtype>([
  ['bool', 'uint8'],
  ['complex64', 'float32'],
  ['complex128', 'float64'],
]);

// oxlint-disable-next-line typescript/unbound-method -- it is bound to what is asked, at each call.
const classOf: () => unknown = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as () => unknown;

function invalid(reason: string): ChaskiError {
  return new ChaskiError('ERR_CHASKI_INVALID_ARGUMENT', `Not an NdArray: ${reason}.`);
}
