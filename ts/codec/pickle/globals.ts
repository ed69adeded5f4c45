// Names that a pickle may hold, and what stands for each of them here. A name is looked up in a Map and nowhere else: nothing is
// imported, and nothing is called but a decoder that was registered under exactly that name.
import type { ChaskiError } from '../../errors.ts';
import { failed } from '../failed.ts';
import type { Budget } from './budget.ts';

/** What a pickle says of an object that is no plain data. */
export interface Call {
  /** Arguments of its class or function. */
  readonly args: readonly unknown[];
  /** What its `__setstate__` would be given; undefined when there is none. */
  readonly state: unknown;
  /** What would be appended to it. */
  readonly items: readonly unknown[];
  /** What would be set in it, keys and values in turn. */
  readonly entries: readonly unknown[];
  readonly budget: Budget;
}

/** Makes a value of what a pickle says of it. Has to be pure: it may be called twice for one object. */
export type Decoder = (call: Call) => unknown;

/** A value that means something to decoders only, and is refused where it would reach the user. */
export abstract class Internal {}

/** A class or function of Python that has a decoder. */
export class Global extends Internal {
  readonly name: string;
  readonly decode: Decoder;

  constructor(name: string, decode: Decoder) {
    super();
    this.name = name;
    this.decode = decode;
  }

  override toString(): string {
    return this.name;
  }
}

/** Whether a pickle may hold that name, if there is a decoder for it. */
export type Allow = (name: string) => boolean;

export class Globals {
  readonly #known: ReadonlyMap<string, Global>;
  readonly #allow: Allow;

  /** Of two decoders for one name, the later one counts. */
  constructor(known: Iterable<readonly [string, Decoder]>, allow: Allow) {
    const globals = new Map<string, Global>();
    for (const [name, decode] of known) globals.set(name, new Global(name, decode));
    this.#known = globals;
    this.#allow = allow;
  }

  /** @throws ChaskiError `ERR_CHASKI_CODEC` for a name that is not known, or not allowed. */
  find(module: string, qualname: string): Global {
    const name = `${module}.${qualname}`;
    const found = this.#known.get(name) ?? this.#known.get(presentName(name));
    if (found === undefined) throw unknown(name);
    if (!this.#allow(name) && (found.name === name || !this.#allow(found.name))) {
      throw forbidden(name);
    }
    return found;
  }
}

/** What Python 3 and numpy 2 call what had another name before. */
function presentName(name: string): string {
  if (name.startsWith('__builtin__.')) return name.replace('__builtin__', 'builtins');
  if (name.startsWith('numpy.core.')) return name.replace('numpy.core', 'numpy._core');
  return name;
}

function unknown(name: string): ChaskiError {
  return failed(
    'decode',
    `the pickle names ${shown(name)}, for which there is no decoder. Only data is decoded; to take this too, register one: ` +
      `pickle({ decoders: { ${shown(name)}: (args, state) => … } })`,
  );
}

function forbidden(name: string): ChaskiError {
  return failed(
    'decode',
    `the pickle names ${shown(name)}, which the option allow does not list. To take it: pickle({ allow: [${shown(name)}, …] })`,
  );
}

/** A name of the other side, for people. */
function shown(name: string): string {
  return `'${name.length > 80 ? `${name.slice(0, 80)}…` : name}'`.replaceAll(
    /[^\u0020-\u007e…]/g,
    '?',
  );
}
