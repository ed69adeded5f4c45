// The serializer of net-queue for Python, as data only.
import { ChaskiError } from '../../errors.ts';
import { asBytes, isLost, lostMemory, plain } from '../bytes.ts';
import { failed } from '../failed.ts';
import { knownDecoders } from './decoders.ts';
import { Globals } from './globals.ts';
import type { Allow, Decoder } from './globals.ts';
import { readPickle } from './reader.ts';
import { Writer } from './writer.ts';
import type { ClassEncoder, Reduced } from './writer.ts';

/**
 * Makes a value of an object that Python pickled: of the arguments of its class (or of the function that makes it), of its
 * state (its `__dict__`, as a rule; undefined when it has none), and of what it holds as a list, or as a dict (then pairs of
 * key and value). Has to be pure: it may be called more than once for one object. What it is given belongs to it.
 */
export type PickleDecoder = (
  args: readonly unknown[],
  state: unknown,
  items: readonly unknown[],
) => unknown;

/** How Python is to make an object: `name(*args)`, then `__setstate__(state)` or its `__dict__`. */
export type PickledObject = Reduced;

/** What objects of a class of yours become in Python. */
export type PickleEncoder = ClassEncoder;

export interface PickleOptions {
  /**
   * Names of classes and functions that a pickle may hold, each a full name or a dotted prefix (`'uuid'` stands for
   * `'uuid.UUID'`); or a function that tells. Default: all that have a decoder. What has no decoder is refused in any case, so
   * allowing `'builtins'` gives nobody `eval`.
   */
  allow?: readonly string[] | ((name: string) => boolean);
  /** `allow`, as the first version of the Python package calls it. */
  restrict?: readonly string[];
  /** By full name, such as `'package.module.Class'`: what becomes of Python's objects. They go before those that are known. */
  decoders?: Readonly<Record<string, PickleDecoder>>;
  /** For classes of yours; the first that fits is taken. */
  encoders?: readonly PickleEncoder[];
}

/**
 * Python's pickle as data: reads the protocols 2 to 5, writes protocol 5. docs/values.md tells which values survive. Reading never
 * runs, imports or makes anything by its name: a name in a pickle stands for a registered decoder, or the pickle is refused.
 *
 * To be given as `serializer`; `encode()` and `decode()` (`dump()` and `load()`) work without a queue too.
 */
export class PickleSerializer {
  /** @internal */
  readonly core: PickleCore;
  /** `encode`, bound. */
  readonly dump: (value: unknown) => Uint8Array;
  /** `decode`, bound. */
  readonly load: (bytes: Uint8Array) => unknown;

  /** @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`. */
  constructor(options: PickleOptions = {}) {
    this.core = new PickleCore(checked(options));
    this.dump = (value) => this.encode(value);
    this.load = (bytes) => this.decode(bytes);
  }

  /**
   * The pickle of `value`, in memory of its own.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC`, `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  encode(value: unknown): Uint8Array {
    const pickle = this.core.write(value);
    // What is a Buffer lies in memory that is used again.
    return Buffer.isBuffer(pickle) ? new Uint8Array(pickle) : pickle;
  }

  /**
   * The value of a pickle. Bytes and arrays in it are views of `bytes` where they can be.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC`, `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  decode(bytes: Uint8Array): unknown {
    const memory = asBytes(bytes);
    if (memory === undefined) throw invalid('A pickle to decode must be a Uint8Array');
    if (isLost(memory)) throw lostMemory();
    const view = plain(memory);
    return this.core.read(view, 0, view.length);
  }
}

/** `new PickleSerializer(options)`. */
export function pickle(options?: PickleOptions): PickleSerializer {
  return new PickleSerializer(options);
}

/** Reads and writes, as a codec does it. */
export class PickleCore {
  readonly #globals: Globals;
  readonly #encoders: readonly ClassEncoder[];
  /** Kept for the next message; undefined while it writes. */
  #writer: Writer | undefined;

  constructor(options: PickleOptions) {
    const { allow, restrict, decoders = {}, encoders = [] } = options;
    const own = Object.entries(decoders).map(([name, decode]) => [name, adapted(decode)] as const);
    this.#globals = new Globals([...knownDecoders, ...own], allowing(allow ?? restrict));
    this.#encoders = encoders;
    this.#writer = undefined;
  }

  /** Valid until the next call, or (when that is no Buffer) for ever. */
  write(value: unknown): Uint8Array {
    // An encoder, a getter or a toJSON() of the user may put in the midst of this.
    const writer = this.#writer ?? new Writer(this.#encoders);
    this.#writer = undefined;
    try {
      return writer.write(value);
    } finally {
      this.#writer = writer;
    }
  }

  read(memory: Uint8Array, offset: number, length: number): unknown {
    return readPickle(memory, offset, length, this.#globals);
  }
}

function adapted(decode: PickleDecoder): Decoder {
  return ({ args, state, items, entries }) => {
    if (entries.length === 0) return decode(args, state, items);
    const pairs: unknown[] = [...items];
    for (let i = 0; i < entries.length; i += 2) pairs.push([entries[i], entries[i + 1]]);
    return decode(args, state, pairs);
  };
}

function allowing(allow: PickleOptions['allow']): Allow {
  if (allow === undefined) return () => true;
  if (typeof allow === 'function') {
    return (name) => {
      try {
        // A promise, for one, is no consent.
        const told: unknown = allow(name);
        return told === true;
      } catch (cause) {
        throw failed('decode', 'the function allow threw', cause);
      }
    };
  }
  const names = [...allow];
  return (name) => names.some((one) => name === one || name.startsWith(`${one}.`));
}

/** @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`. */
function checked(options: PickleOptions): PickleOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalid('The options of a PickleSerializer must be an object');
  }
  const { allow, restrict, decoders, encoders } = options;
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw invalid(`A PickleSerializer has no option ${key}: there are ${known.join(', ')}`);
    }
  }
  if (allow !== undefined && restrict !== undefined) {
    throw invalid('allow and restrict are the same: give one of them');
  }
  if (typeof allow !== 'function') checkNames(allow ?? restrict);
  if (decoders !== undefined) {
    const isRecord = typeof decoders === 'object' && decoders !== null;
    if (!isRecord || !Object.values(decoders).every((decode) => typeof decode === 'function')) {
      throw invalid('decoders must be an object of functions, by names of Python');
    }
  }
  if (encoders !== undefined) {
    const isList = Array.isArray(encoders);
    if (!isList || !encoders.every((one) => isFunction(one.type) && isFunction(one.encode))) {
      throw invalid('encoders must be a list of { type, encode }, a class and a function');
    }
  }
  return options;
}

const known = ['allow', 'restrict', 'decoders', 'encoders'];

function checkNames(names: unknown): void {
  if (names === undefined) return;
  if (Array.isArray(names) && names.every((name) => typeof name === 'string' && name !== ''))
    return;
  throw invalid('allow must be a list of names, or a function');
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

function invalid(reason: string): ChaskiError {
  return new ChaskiError('ERR_CHASKI_INVALID_ARGUMENT', `${reason}.`);
}
