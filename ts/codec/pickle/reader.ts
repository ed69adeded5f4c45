// A pickle is a program for a machine with a stack and a memory of what was made ("memo"). This machine makes data of it and can do
// nothing else: names become what is registered for them (`globals`), and every opcode is checked before it takes memory
// (`budget`).
import type { ChaskiError } from '../../errors.ts';
import { maxDepth } from '../limits.ts';
import { Budget, Cost, keyCost, maxIntegerBytes, refused } from './budget.ts';
import { isDeeper } from './depth.ts';
import { isName } from './dict.ts';
import { Global, Internal } from './globals.ts';
import type { Globals } from './globals.ts';
import { readInteger } from './integers.ts';
import { Op, refusal } from './opcodes.ts';
import { Pending } from './pending.ts';
import { readText } from './text.ts';
import { asTuple, FrozenSet, Tuple } from './values.ts';

/**
 * The value of the pickle at [offset, offset + length) of `memory`. Bytes and arrays in it are views of `memory` where they can be.
 *
 * @throws ChaskiError `ERR_CHASKI_CODEC`.
 */
export function readPickle(
  memory: Uint8Array,
  offset: number,
  length: number,
  globals: Globals,
): unknown {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset + offset, length);
  const first = new Machine(bytes, globals, none);
  const value = first.run();
  // Some dicts that hold themselves turned out not to have text for all keys: now it is known which.
  return first.maps === undefined ? value : new Machine(bytes, globals, first.maps).run();
}

const none: ReadonlySet<number> = new Set();

/** What is known of a container, by its number: whether nothing more may be put in. */
const closed = 1;
/** Somebody else refers to it, from when it was open. */
const referenced = 2;
/** It is for decoders only. */
const internal = 4;

class Machine {
  /** Dicts that should have been a Map from the beginning. */
  maps: Set<number> | undefined = undefined;
  readonly #bytes: Buffer;
  readonly #globals: Globals;
  readonly #knownMaps: ReadonlySet<number>;
  readonly #budget: Budget;
  readonly #stack: unknown[] = [];
  /** Beside the stack: 0 for a plain value, the number of a container, or its negative for a reference to it. */
  readonly #ids: number[] = [];
  readonly #marks: number[] = [];
  readonly #memo: unknown[] = [];
  readonly #memoIds: number[] = [];
  /** By the number of a container: how deep it is, its flags, and where it lies in the memo. */
  readonly #levels: number[] = [0];
  readonly #flags: number[] = [0];
  readonly #memoOf: number[] = [-1];
  /** Below this index of the stack lies what belongs to others. */
  #floor: number = 0;
  /** Whether something may hold itself. */
  #circular: boolean = false;

  constructor(bytes: Buffer, globals: Globals, maps: ReadonlySet<number>) {
    this.#bytes = bytes;
    this.#globals = globals;
    this.#knownMaps = maps;
    this.#budget = new Budget('decode', bytes.length);
  }

  run(): unknown {
    const bytes = this.#bytes;
    const end = bytes.length;
    // For floating numbers: several times as fast as the methods of a Buffer.
    let doubles: DataView | undefined;
    let at = this.#header();
    for (;;) {
      if (at >= end) throw cut();
      const op = bytes[at] as number;
      at += 1;
      switch (op) {
        case Op.STOP:
          if (at !== end) throw refused(`${end - at} bytes follow its end`);
          return this.#result();
        case Op.FRAME:
          if (end - at < 8 || length8(bytes, at) > end - at - 8) throw cut();
          at += 8;
          break;

        case Op.NONE:
          this.#push(null);
          break;
        case Op.NEWTRUE:
          this.#push(true);
          break;
        case Op.NEWFALSE:
          this.#push(false);
          break;
        case Op.BININT1:
          if (at >= end) throw cut();
          this.#push(bytes[at]);
          at += 1;
          break;
        case Op.BININT2:
          if (end - at < 2) throw cut();
          this.#push(bytes.readUInt16LE(at));
          at += 2;
          break;
        case Op.BININT:
          if (end - at < 4) throw cut();
          this.#push(bytes.readInt32LE(at));
          at += 4;
          break;
        case Op.BINFLOAT:
          if (end - at < 8) throw cut();
          doubles ??= new DataView(bytes.buffer, bytes.byteOffset, end);
          this.#push(doubles.getFloat64(at));
          at += 8;
          break;
        case Op.LONG1:
          if (at >= end) throw cut();
          at = this.#integer(at + 1, bytes[at] as number);
          break;
        case Op.LONG4:
          if (end - at < 4) throw cut();
          at = this.#integer(at + 4, bytes.readUInt32LE(at));
          break;

        case Op.SHORT_BINUNICODE:
          if (at >= end) throw cut();
          at = this.#text(at + 1, bytes[at] as number);
          break;
        case Op.BINUNICODE:
          if (end - at < 4) throw cut();
          at = this.#text(at + 4, bytes.readUInt32LE(at));
          break;
        case Op.BINUNICODE8:
          if (end - at < 8) throw cut();
          at = this.#text(at + 8, length8(bytes, at));
          break;
        case Op.SHORT_BINBYTES:
          if (at >= end) throw cut();
          at = this.#view(at + 1, bytes[at] as number);
          break;
        case Op.BINBYTES:
          if (end - at < 4) throw cut();
          at = this.#view(at + 4, bytes.readUInt32LE(at));
          break;
        case Op.BINBYTES8:
        case Op.BYTEARRAY8:
          if (end - at < 8) throw cut();
          at = this.#view(at + 8, length8(bytes, at));
          break;

        case Op.MARK:
          this.#budget.values(1);
          this.#marks.push(this.#stack.length);
          this.#floor = this.#stack.length;
          break;
        case Op.POP:
          if (this.#stack.length > this.#floor) this.#cut(this.#stack.length - 1);
          else this.#popMark();
          break;
        case Op.POP_MARK:
          this.#cut(this.#popMark());
          break;

        case Op.EMPTY_LIST:
          this.#begin([], Cost.LIST);
          break;
        case Op.EMPTY_DICT:
          if (this.#knownMaps.has(this.#levels.length)) this.#begin(new Map(), Cost.MAP);
          else this.#begin({}, Cost.DICT);
          break;
        case Op.EMPTY_SET:
          this.#begin(new Set(), Cost.MAP);
          break;
        case Op.EMPTY_TUPLE:
          this.#tuple(this.#stack.length);
          break;
        case Op.TUPLE1:
          this.#tuple(this.#below(1));
          break;
        case Op.TUPLE2:
          this.#tuple(this.#below(2));
          break;
        case Op.TUPLE3:
          this.#tuple(this.#below(3));
          break;
        case Op.TUPLE:
          this.#tuple(this.#popMark());
          break;
        case Op.FROZENSET:
          this.#frozenSet(this.#popMark());
          break;
        case Op.APPEND:
          this.#append(this.#below(1));
          break;
        case Op.APPENDS:
          this.#append(this.#popMark());
          break;
        case Op.SETITEM:
          this.#setItems(this.#below(2));
          break;
        case Op.SETITEMS:
          this.#setItems(this.#popMark());
          break;
        case Op.ADDITEMS:
          this.#addItems(this.#popMark());
          break;

        case Op.MEMOIZE:
          this.#put(this.#memo.length);
          break;
        case Op.BINPUT:
          if (at >= end) throw cut();
          this.#put(bytes[at] as number);
          at += 1;
          break;
        case Op.LONG_BINPUT:
          if (end - at < 4) throw cut();
          this.#put(bytes.readUInt32LE(at));
          at += 4;
          break;
        case Op.BINGET:
          if (at >= end) throw cut();
          this.#get(bytes[at] as number);
          at += 1;
          break;
        case Op.LONG_BINGET:
          if (end - at < 4) throw cut();
          this.#get(bytes.readUInt32LE(at));
          at += 4;
          break;

        case Op.GLOBAL:
          at = this.#globalOfLines(at);
          break;
        case Op.STACK_GLOBAL:
          this.#globalOfStack();
          break;
        case Op.REDUCE:
        case Op.NEWOBJ:
          this.#make(this.#below(2));
          break;
        case Op.NEWOBJ_EX:
          this.#dropKeywords();
          this.#make(this.#below(2));
          break;
        case Op.BUILD:
          this.#build(this.#below(1));
          break;

        default:
          throw refused(refusal(op));
      }
    }
  }

  #header(): number {
    const [proto, version] = this.#bytes;
    if (proto !== Op.PROTO || version === undefined) {
      throw refused('it does not begin as one of protocol 2 or later does');
    }
    if (version < 2 || version > 5) {
      throw refused(`it is of protocol ${version}, and 2 to 5 are read`);
    }
    return 2;
  }

  #result(): unknown {
    if (this.#marks.length > 0 || this.#stack.length !== 1) {
      throw refused('it ends with more or less than one value');
    }
    this.#take(0, 0);
    const [value] = this.#stack;
    if (this.#circular && isDeeper(value, maxDepth)) throw tooDeep();
    return value;
  }

  // Plain values.

  #push(value: unknown): void {
    this.#budget.values(1);
    this.#stack.push(value);
    this.#ids.push(0);
  }

  #integer(start: number, length: number): number {
    if (length > maxIntegerBytes) {
      throw refused(`it has an integer of ${length} bytes, and ${maxIntegerBytes} are taken`);
    }
    const end = start + length;
    if (end > this.#bytes.length) throw cut();
    if (length > 6) this.#budget.values(Cost.BIG);
    this.#push(readInteger(this.#bytes, start, end));
    return end;
  }

  #text(start: number, length: number): number {
    const end = start + length;
    if (end > this.#bytes.length) throw cut();
    this.#push(readText(this.#bytes, start, end));
    return end;
  }

  #view(start: number, length: number): number {
    const end = start + length;
    const { buffer, byteOffset } = this.#bytes;
    if (end > this.#bytes.length) throw cut();
    this.#budget.values(Cost.BYTES);
    this.#push(new Uint8Array(buffer, byteOffset + start, length));
    return end;
  }

  // Containers.

  /** A container that others are put in. */
  #begin(container: unknown, cost: number): void {
    this.#enter(container, cost, 1, 0);
  }

  #enter(container: unknown, cost: number, level: number, flags: number): void {
    this.#budget.values(cost);
    this.#ids.push(this.#levels.length);
    this.#stack.push(container);
    this.#levels.push(level);
    this.#flags.push(flags);
    this.#memoOf.push(-1);
  }

  #tuple(from: number): void {
    const holdsInternals = this.#take(from, internal);
    const tuple = asTuple(this.#stack.slice(from));
    const level = this.#level(from);
    this.#cut(from);
    this.#enter(tuple, Cost.TUPLE, level, holdsInternals ? closed | internal : closed);
  }

  #frozenSet(from: number): void {
    const stack = this.#stack;
    this.#take(from, 0);
    const set = new FrozenSet();
    for (let i = from; i < stack.length; i += 1) set.add(stack[i]);
    const level = this.#level(from);
    this.#cut(from);
    this.#enter(set, Cost.MAP, level, closed);
  }

  #append(from: number): void {
    const stack = this.#stack;
    const into = this.#fill(from);
    const list = into instanceof Pending ? into.items : into;
    if (!Array.isArray(list)) throw refused('it appends to what is no list');
    for (let i = from; i < stack.length; i += 1) list.push(stack[i]);
    this.#cut(from);
  }

  #addItems(from: number): void {
    const stack = this.#stack;
    const set = this.#fill(from);
    if (!(set instanceof Set)) throw refused('it adds to what is no set');
    for (let i = from; i < stack.length; i += 1) set.add(stack[i]);
    this.#cut(from);
  }

  #setItems(from: number): void {
    const stack = this.#stack;
    const end = stack.length;
    if ((end - from) % 2 !== 0) throw refused('it sets a key without a value');
    let into = this.#fill(from);
    if (into instanceof Pending) {
      for (let i = from; i < end; i += 1) into.entries.push(stack[i]);
    } else if (Array.isArray(into) || into instanceof Set) {
      throw refused('it sets an item of what is no dict');
    } else {
      for (let i = from; i < end; i += 2) {
        const key = stack[i];
        if (!(into instanceof Map) && !isName(key)) into = this.#asMap(from - 1);
        if (into instanceof Map) {
          into.set(key, stack[i + 1]);
        } else {
          this.#budget.values(keyCost(key as string, into as object));
          (into as Record<string, unknown>)[key as string] = stack[i + 1];
        }
      }
    }
    this.#cut(from);
  }

  /** Makes a Map of the dict at `slot`, whose keys have all been text so far. */
  #asMap(slot: number): Map<unknown, unknown> {
    const id = this.#ids[slot] as number;
    const map = new Map<unknown, unknown>(Object.entries(this.#stack[slot] as object));
    this.#budget.values(Cost.MAP);
    this.#stack[slot] = map;
    const memoAt = this.#memoOf[id] as number;
    if (memoAt >= 0) this.#memo[memoAt] = map;
    if ((this.#flags[id] as number) & referenced) (this.maps ??= new Set()).add(id);
    return map;
  }

  /** The container under `from`, which is the one that was begun there: a complete one cannot be changed. */
  #open(from: number): unknown {
    const slot = from - 1;
    const id = this.#ids[slot];
    if (slot < this.#floor || id === undefined) throw underflow();
    if (id <= 0 || (this.#flags[id] as number) & closed) {
      throw refused('it changes what cannot be changed, or was complete');
    }
    return this.#stack[slot];
  }

  /** The container under `from`, which is going to hold what lies from there on: that is complete then. */
  #fill(from: number): unknown {
    const container = this.#open(from);
    this.#take(from, 0);
    this.#deepen(from);
    if (container instanceof Pending && container.done) throw holdsItself();
    return container;
  }

  /**
   * Makes what lies from `from` on complete, so that it can go into a container: nothing is put into it any more. Tells
   * whether anything of it is for decoders only, which has to be `allowed`.
   */
  #take(from: number, allowed: number): boolean {
    const stack = this.#stack;
    const ids = this.#ids;
    const flags = this.#flags;
    let found = 0;
    for (let i = from; i < ids.length; i += 1) {
      const id = ids[i] as number;
      if (id === 0) continue;
      const own = id < 0 ? -id : id;
      const value = stack[i];
      if (value instanceof Pending) {
        stack[i] = value.value();
        if (stack[i] instanceof Internal) flags[own] = (flags[own] as number) | internal;
      }
      if (id > 0) flags[own] = (flags[own] as number) | closed;
      found |= flags[own] as number;
    }
    const internals = found & internal;
    if (internals & ~allowed) {
      throw refused('it holds a class or a type of Python itself, which is no data');
    }
    return internals !== 0;
  }

  /** The level of what holds everything from `from` on. */
  #level(from: number): number {
    const ids = this.#ids;
    const levels = this.#levels;
    let deepest = 0;
    for (let i = from; i < ids.length; i += 1) {
      const id = ids[i] as number;
      if (id === 0) continue;
      const level = levels[id < 0 ? -id : id] as number;
      if (level > deepest) deepest = level;
    }
    if (deepest >= maxDepth) throw tooDeep();
    return deepest + 1;
  }

  /** The container under `from` is going to hold what lies from there on. */
  #deepen(from: number): void {
    const id = this.#ids[from - 1] as number;
    const level = this.#level(from);
    if (level > (this.#levels[id] as number)) this.#levels[id] = level;
  }

  // The stack and the memo.

  /** Index of the first of the topmost `count` values. */
  #below(count: number): number {
    const from = this.#stack.length - count;
    if (from < this.#floor) throw underflow();
    return from;
  }

  #popMark(): number {
    const from = this.#marks.pop();
    if (from === undefined) throw underflow();
    this.#floor = this.#marks.at(-1) ?? 0;
    return from;
  }

  #cut(length: number): void {
    const stack = this.#stack;
    const ids = this.#ids;
    if (stack.length - length > 8) {
      stack.length = length;
      ids.length = length;
      return;
    }
    // Setting the length costs as much as many of these.
    while (stack.length > length) {
      stack.pop();
      ids.pop();
    }
  }

  #put(index: number): void {
    const slot = this.#below(1);
    const memo = this.#memo;
    if (index > memo.length) throw refused('it numbers what it has made out of order');
    const id = this.#ids[slot] as number;
    memo[index] = this.#stack[slot];
    this.#memoIds[index] = id < 0 ? -id : id;
    if (id > 0) {
      if ((this.#memoOf[id] as number) >= 0)
        this.#flags[id] = (this.#flags[id] as number) | referenced;
      this.#memoOf[id] = index;
    }
    if (index === memo.length - 1) this.#budget.values(1);
  }

  #get(index: number): void {
    const memo = this.#memo;
    if (index >= memo.length) throw refused('it asks for what it has not made');
    let value = memo[index];
    const id = this.#memoIds[index] as number;
    if (id !== 0) {
      if (value instanceof Pending) {
        if (value.done) {
          value = value.value();
          memo[index] = value;
        }
      } else if (((this.#flags[id] as number) & closed) === 0) {
        this.#flags[id] = (this.#flags[id] as number) | referenced;
        this.#circular = true;
      }
    }
    this.#budget.values(1);
    this.#stack.push(value);
    // Not the negative zero, which is no small integer to V8.
    this.#ids.push(id === 0 ? 0 : -id);
  }

  // What has a name.

  #globalOfLines(start: number): number {
    const bytes = this.#bytes;
    const middle = lineEnd(bytes, start);
    const end = lineEnd(bytes, middle + 1);
    this.#global(readText(bytes, start, middle), readText(bytes, middle + 1, end));
    return end + 1;
  }

  #globalOfStack(): void {
    const from = this.#below(2);
    const [module, name] = [this.#stack[from], this.#stack[from + 1]];
    if (typeof module !== 'string' || typeof name !== 'string') {
      throw refused('it names something by what is no text');
    }
    this.#cut(from);
    this.#global(module, name);
  }

  #global(module: string, name: string): void {
    this.#enter(this.#globals.find(module, name), Cost.LIST, 0, closed | internal);
  }

  /** The keyword arguments on top of the stack, of which there must be none. */
  #dropKeywords(): void {
    const slot = this.#below(3) + 2;
    const keywords = this.#stack[slot];
    const isDict = typeof keywords === 'object' && keywords !== null;
    if (!isDict || Object.keys(keywords).length > 0 || keywords instanceof Map) {
      throw refused('it makes an object with keyword arguments');
    }
    this.#cut(slot);
  }

  /** Begins what the name at `from` makes of the arguments above it. */
  #make(from: number): void {
    const global = this.#stack[from];
    const args = this.#stack[from + 1];
    if (!(global instanceof Global)) throw refused('it calls what is no name');
    if (!(args instanceof Tuple)) throw refused('it calls something without a tuple of arguments');
    this.#take(from, internal);
    const level = this.#level(from + 1);
    this.#cut(from);
    this.#enter(new Pending(global, args, this.#budget), Cost.OBJECT, level, 0);
  }

  #build(from: number): void {
    const pending = this.#open(from);
    if (!(pending instanceof Pending)) throw refused('it sets the state of what has none');
    this.#take(from, internal);
    this.#deepen(from);
    if (pending.done) throw holdsItself();
    const slot = from - 1;
    const id = this.#ids[slot] as number;
    const value = pending.value(this.#stack[from]);
    this.#stack[slot] = value;
    this.#flags[id] = value instanceof Internal ? closed | internal : closed;
    this.#cut(from);
  }
}

function length8(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at);
}

/** Names are short: nothing longer is looked through. */
function lineEnd(bytes: Buffer, start: number): number {
  const found = bytes.subarray(start, start + 512).indexOf(0x0a);
  if (found < 0) throw refused('a name in it does not end');
  return start + found;
}

function cut(): ChaskiError {
  return refused('it ends in the middle, or a length in it reaches beyond its end');
}

function underflow(): ChaskiError {
  return refused('it takes what it has not made');
}

function holdsItself(): ChaskiError {
  return refused('an object in it that is no plain data holds itself');
}

function tooDeep(): ChaskiError {
  return refused(`it is nested deeper than ${maxDepth} levels`);
}
