// Arrays and scalars of numpy, as numpy 1 and 2 pickle them, to typed arrays.
import type { ChaskiError } from '../../errors.ts';
import { failed } from '../failed.ts';
import type { Budget } from './budget.ts';
import { refused } from './budget.ts';
import { Global, Internal } from './globals.ts';
import type { Call, Decoder } from './globals.ts';
import { maxDimensions, NdArray, partsOf } from './values.ts';
import type { Dtype, NumericArray } from './values.ts';

/** How an element lies in memory. */
class ElementType extends Internal {
  readonly name: Dtype | 'float16';
  readonly bytes: number;
  readonly bigEndian: boolean;

  constructor(name: Dtype | 'float16', bytes: number, bigEndian: boolean) {
    super();
    this.name = name;
    this.bytes = bytes;
    this.bigEndian = bigEndian;
  }

  /** Of a code like `'<f4'`. */
  static of(code: unknown): ElementType {
    const text = typeof code === 'string' ? code : '';
    const order = /^[<>|=]/.test(text) ? text.slice(0, 1) : '=';
    const known = codes.get(text.replace(/^[<>|=]/, ''));
    if (known === undefined) throw otherType(text === '' ? typeof code : text);
    const [name, bytes] = known;
    return new ElementType(name, bytes, order === '>');
  }

  ordered(order: unknown): ElementType {
    if (typeof order !== 'string' || !/^[<>|=]$/.test(order)) {
      throw refused('the byte order of an array is none of <, >, | and =');
    }
    return new ElementType(this.name, this.bytes, order === '>');
  }
}

/** The code of `dtype` in what is written. */
export function codeOf(dtype: Dtype): string {
  for (const [code, [name]] of codes) if (name === dtype) return `<${code}`;
  throw new TypeError(`${dtype} is no dtype`);
}

const codes: ReadonlyMap<string, readonly [Dtype | 'float16', number]> = new Map([
  ['b1', ['bool', 1]],
  ['i1', ['int8', 1]],
  ['u1', ['uint8', 1]],
  ['i2', ['int16', 2]],
  ['u2', ['uint16', 2]],
  ['i4', ['int32', 4]],
  ['u4', ['uint32', 4]],
  ['i8', ['int64', 8]],
  ['u8', ['uint64', 8]],
  ['f2', ['float16', 2]],
  ['f4', ['float32', 4]],
  ['f8', ['float64', 8]],
  ['c8', ['complex64', 8]],
  ['c16', ['complex128', 16]],
] as const);

/** Decoders of the names that pickles of numpy hold; older names are looked up as these. */
export const numpyDecoders: readonly (readonly [string, Decoder])[] = [
  ['numpy.dtype', decodeDtype],
  ['numpy.ndarray', decodeArray],
  ['numpy._core.numeric._frombuffer', decodeFromBuffer],
  ['numpy._core.multiarray._reconstruct', decodeReconstructed],
  ['numpy._core.multiarray.scalar', decodeScalar],
];

/** numpy.dtype('f4', False, True), and (3, '<', None, None, None, -1, -1, 0) as its state. */
function decodeDtype({ args, state }: Call): ElementType {
  const type = ElementType.of(args[0]);
  if (state === undefined) return type;
  if (!Array.isArray(state)) throw refused('the state of a dtype is no tuple');
  if ((state[3] ?? null) !== null || (state[4] ?? null) !== null) throw otherType('structured');
  return type.ordered(state[1]);
}

/** numpy.ndarray(shape, dtype, buffer): what is written here. */
function decodeArray({ args, state, budget }: Call): unknown {
  if (args.length !== 3 || state !== undefined) {
    throw refused('numpy.ndarray has other arguments than a shape, a type and bytes');
  }
  const type = args[1] instanceof ElementType ? args[1] : ElementType.of(args[1]);
  return arrayOf(type, args[0], args[2], budget, undefined);
}

/** _frombuffer(bytes, dtype, shape, 'C', 'F' or 'K', axes). */
function decodeFromBuffer({ args, budget }: Call): unknown {
  const [bytes, type, shape, order, axes] = args;
  if (!(type instanceof ElementType)) throw otherType('unknown');
  if (order === 'K') return arrayOf(type, shape, bytes, budget, axesOf(axes));
  if (order === 'F') return arrayOf(type, shape, bytes, budget, 'F');
  if (order !== 'C' && order !== 'A') throw refused('the order of an array is none of C, F and K');
  return arrayOf(type, shape, bytes, budget, undefined);
}

/** _reconstruct(ndarray, (0,), b'b'), and (1, shape, dtype, isFortran, bytes) as its state. */
function decodeReconstructed({ args, state, budget }: Call): unknown {
  const [kind] = args;
  if (!(kind instanceof Global) || kind.name !== 'numpy.ndarray' || !Array.isArray(state)) {
    throw refused('an array of numpy has no state, or a class of its own');
  }
  const [, shape, type, fortran, bytes] = state.length === 5 ? state : [1, ...(state as unknown[])];
  if (!(type instanceof ElementType)) throw otherType('unknown');
  return arrayOf(type, shape, bytes, budget, fortran === true ? 'F' : undefined);
}

/** scalar(dtype, bytes). */
function decodeScalar({ args, budget }: Call): unknown {
  const [type, bytes] = args;
  if (!(type instanceof ElementType)) throw otherType('unknown');
  const array = arrayOf(type, [], bytes, budget, undefined) as NdArray;
  if (partsOf(type.name) > 1) return array;
  const value = array.data[0] as number | bigint;
  if (type.name === 'bool') return value !== 0;
  const number = Number(value);
  return Number.isSafeInteger(number) || typeof value === 'number' ? number : value;
}

/** How the axes lie in memory: as they are, the other way round, or as numpy moves them (`transpose`) to where they belong. */
type Order = undefined | 'F' | readonly number[];

function arrayOf(
  type: ElementType,
  shape: unknown,
  bytes: unknown,
  budget: Budget,
  order: Order,
): unknown {
  if (!(bytes instanceof Uint8Array)) {
    throw refused('the elements of an array of numpy are no bytes');
  }
  const stored = sizesOf(shape);
  if (count(stored) * type.bytes !== bytes.length) {
    throw refused(`${bytes.length} bytes are not what an array of its shape and type takes`);
  }
  const numbers = numbersOf(type, bytes, budget);
  const name = type.name === 'float16' ? 'float32' : type.name;
  const axes = order === 'F' ? undefined : order;
  if (axes !== undefined && axes.length !== stored.length) {
    throw refused('the axes of an array are not those of its shape');
  }
  const final = axes === undefined ? stored : axes.map((axis) => stored[axis] as number);
  const scattered = order !== undefined && stored.length > 1 && numbers.length > 0;
  const data = scattered
    ? gathered(numbers, final, strides(stored, order), partsOf(name), budget)
    : numbers;
  if (final.length === 1 && name !== 'bool' && partsOf(name) === 1) return data;
  return new NdArray(data, final, name);
}

function sizesOf(shape: unknown): number[] {
  const sizes: unknown[] = Array.isArray(shape) ? shape : [shape];
  if (
    sizes.length > maxDimensions ||
    !sizes.every((size) => typeof size === 'number' && Number.isSafeInteger(size) && size >= 0)
  ) {
    throw refused('the shape of an array is no tuple of sizes');
  }
  return [...(sizes as number[])];
}

function axesOf(axes: unknown): number[] {
  const list: readonly unknown[] = Array.isArray(axes) ? axes : [];
  const each = Array.from({ length: Math.min(list.length, maxDimensions + 1) }, (_, axis) => axis);
  // Compared as they are: what is no number is never made one, since that can take for ever.
  if (
    !Array.isArray(axes) ||
    list.length > maxDimensions ||
    !each.every((axis) => list.includes(axis))
  ) {
    throw refused('the axes of an array are not each there once');
  }
  return [...(list as number[])];
}

function count(sizes: readonly number[]): number {
  // Otherwise infinity times nothing is not a number.
  return sizes.includes(0) ? 0 : sizes.reduce((product, size) => product * size, 1);
}

/** How far apart, in elements, the neighbours along each axis of the final array lie in memory. */
function strides(stored: readonly number[], order: Order): number[] {
  const steps: number[] = new Array<number>(stored.length).fill(1);
  if (order === 'F') {
    for (let i = 1; i < stored.length; i += 1) {
      steps[i] = (steps[i - 1] as number) * (stored[i - 1] as number);
    }
    return steps;
  }
  for (let i = stored.length - 2; i >= 0; i -= 1) {
    steps[i] = (steps[i + 1] as number) * (stored[i + 1] as number);
  }
  return (order ?? []).map((axis) => steps[axis] as number);
}

/** A copy of `numbers` in which the last index runs fastest. */
function gathered(
  numbers: NumericArray,
  shape: readonly number[],
  steps: readonly number[],
  parts: number,
  budget: Budget,
): NumericArray {
  budget.bytes(numbers.byteLength);
  const out = new (numbers.constructor as new (length: number) => NumericArray)(numbers.length);
  const last = shape.length - 1;
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < out.length; to += parts) {
    for (let part = 0; part < parts; part += 1) {
      out[to + part] = numbers[from * parts + part] as never;
    }
    for (let axis = last; axis >= 0; axis -= 1) {
      index[axis] = (index[axis] as number) + 1;
      from += steps[axis] as number;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= (shape[axis] as number) * (steps[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}

/** The numbers in `bytes`: where they lie, or in a copy where they lie crooked or the other way round. */
function numbersOf(type: ElementType, bytes: Uint8Array, budget: Budget): NumericArray {
  if (type.name === 'float16') return halves(type, bytes, budget);
  const Numbers = numberClasses[type.name];
  const each = Numbers.BYTES_PER_ELEMENT;
  const { length } = bytes;
  if (type.bigEndian && each > 1) {
    budget.bytes(length);
    const turned = Buffer.from(bytes.slice().buffer);
    if (each === 2) turned.swap16();
    else if (each === 4) turned.swap32();
    else turned.swap64();
    return new Numbers(turned.buffer, 0, length / each);
  }
  if (bytes.byteOffset % each === 0) {
    return new Numbers(bytes.buffer as ArrayBuffer, bytes.byteOffset, length / each);
  }
  budget.bytes(length);
  return new Numbers(bytes.slice().buffer, 0, length / each);
}

function halves(type: ElementType, bytes: Uint8Array, budget: Budget): Float32Array {
  budget.bytes(bytes.length * 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out = new Float32Array(bytes.length / 2);
  for (let i = 0; i < out.length; i += 1) {
    const bits = view.getUint16(i * 2, !type.bigEndian);
    const fraction = bits & 0x3ff;
    const exponent = (bits >> 10) & 0x1f;
    let value = 2 ** (exponent - 15) * (1 + fraction / 1024);
    if (exponent === 0) value = 2 ** -24 * fraction;
    if (exponent === 31) value = fraction === 0 ? Infinity : NaN;
    out[i] = bits & 0x8000 ? -value : value;
  }
  return out;
}

type NumberClass = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, length: number): NumericArray;
};

const numberClasses: Readonly<Record<Dtype, NumberClass>> = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  complex64: Float32Array,
  complex128: Float64Array,
};

function otherType(code: string): ChaskiError {
  const name = code.slice(0, 40).replaceAll(/[^\u0020-\u007e]/g, '?');
  return failed(
    'decode',
    `it holds an array of numpy of type '${name}', and only booleans, integers, and floating and complex numbers of up to 64 ` +
      'bits a part are taken. Send a list, or bytes (tobytes())',
  );
}
