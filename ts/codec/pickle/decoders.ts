// Decoders for what Python's own types are pickled as, beyond what has an opcode.
import { maxIntegerBytes, refused } from './budget.ts';
import type { Budget } from './budget.ts';
import { dictOf } from './dict.ts';
import { Internal } from './globals.ts';
import type { Call, Decoder } from './globals.ts';
import { numpyDecoders } from './numpy.ts';
import { FrozenSet, Uuid } from './values.ts';

class Zone extends Internal {
  readonly offsetMs: number;

  constructor(offsetMs: number) {
    super();
    this.offsetMs = offsetMs;
  }
}

/** By the present names of what they stand for. */
export const knownDecoders: readonly (readonly [string, Decoder])[] = [
  ['_codecs.encode', ({ args, budget }) => latin1(args[0], args[1], budget)],
  ['builtins.bytearray', decodeBytes],
  ['builtins.bytes', decodeBytes],
  ['builtins.frozenset', ({ args, budget }) => new FrozenSet(listOf(args[0], budget, 8))],
  ['builtins.set', ({ args, budget }) => new Set(listOf(args[0], budget, 8))],
  ['collections.OrderedDict', decodeOrdered],
  ['collections.deque', decodeDeque],
  ['datetime.date', ({ args }) => dateOf(bytesOf(args[0], 4), 0)],
  ['datetime.datetime', decodeDatetime],
  ['datetime.timedelta', ({ args }) => milliseconds(args)],
  ['datetime.timezone', decodeZone],
  ['decimal.Decimal', decodeDecimal],
  ['uuid.UUID', decodeUuid],
  ...numpyDecoders,
];

function decodeBytes({ args, budget }: Call): Uint8Array {
  if (args.length === 0) return new Uint8Array();
  if (args.length === 2) return latin1(args[0], args[1], budget);
  if (args.length === 1 && args[0] instanceof Uint8Array) return args[0];
  throw refused('bytes in it are made of something else than bytes');
}

/** Protocol 2 writes bytes as text, because Python 2 had no others. */
function latin1(text: unknown, encoding: unknown, budget: Budget): Uint8Array {
  if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1')) {
    throw refused('bytes in it are made of something else than Latin-1');
  }
  budget.bytes(text.length);
  const bytes = Buffer.from(text, 'latin1');
  // Whatever has no byte was made one of another character.
  if (bytes.toString('latin1') !== text) {
    throw refused('bytes in it are made of characters that are none');
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function decodeOrdered({ args, entries, budget }: Call): unknown {
  if (args.length > 0) throw refused('an OrderedDict is made of something else than its items');
  return dictOf(entries, budget);
}

function decodeDeque({ args, items, budget }: Call): unknown[] {
  return [...listOf(args[0], budget, 1), ...items];
}

/** The elements of the list that a set or a deque is made of: none, if there is no list. */
function listOf(list: unknown, budget: Budget, cost: number): readonly unknown[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw refused('a set or a deque is made of something else than a list');
  // The same list may be asked for often.
  budget.values(list.length + cost);
  return list;
}

function decodeUuid({ args, state }: Call): Uuid {
  if (args.length === 1 && typeof args[0] === 'string' && args[0].length < 64) {
    const hex = args[0].replaceAll(/[^\da-f]/gi, '');
    if (hex.length === 32) return new Uuid(Buffer.from(hex, 'hex'));
  }
  const value: unknown =
    typeof state === 'object' && state !== null && 'int' in state ? state.int : undefined;
  if (typeof value !== 'number' && typeof value !== 'bigint') throw noUuid();
  if (value < 0 || value >= 2n ** 128n) throw noUuid();
  return new Uuid(Buffer.from(BigInt(value).toString(16).padStart(32, '0'), 'hex'));
}

function noUuid() {
  return refused('a UUID in it has no number of 128 bits');
}

/** A datetime without a time zone is taken as UTC. */
function decodeDatetime({ args }: Call): Date {
  const bytes = bytesOf(args[0], 10);
  const zone = args[1];
  if (zone !== undefined && !(zone instanceof Zone)) throw noDate();
  const [, , , , hour, minute, second, high, middle, low] = bytes as unknown as number[];
  const microseconds = ((high as number) << 16) | ((middle as number) << 8) | (low as number);
  const time =
    ((hour as number) * 3600 + (minute as number) * 60 + (second as number)) * 1000 +
    Math.floor(microseconds / 1000);
  return dateOf(bytes, time - (zone?.offsetMs ?? 0));
}

/** Year (2 bytes), month and day, and so many milliseconds. */
function dateOf(bytes: Uint8Array, ms: number): Date {
  const [high, low, month, day] = bytes as unknown as [number, number, number, number];
  const date = new Date(0);
  // The highest bit of the month tells which of two equal times at the end of summer it is.
  date.setUTCFullYear((high << 8) | low, (month & 0x7f) - 1, day);
  const time = date.getTime() + ms;
  if (!((month & 0x7f) >= 1 && (month & 0x7f) <= 12 && day >= 1 && day <= 31)) throw noDate();
  return new Date(time);
}

function decodeZone({ args }: Call): Zone {
  // A timedelta is decoded by now.
  const [offsetMs] = args;
  if (typeof offsetMs !== 'number' || Math.abs(offsetMs) > 86_400_000) throw noDate();
  return new Zone(offsetMs);
}

function milliseconds(args: readonly unknown[]): number {
  const [days, seconds, microseconds] = [0, 1, 2].map((i) => args[i] ?? 0);
  if (
    typeof days !== 'number' ||
    typeof seconds !== 'number' ||
    typeof microseconds !== 'number' ||
    ![days, seconds, microseconds].every(Number.isSafeInteger)
  ) {
    throw noDate();
  }
  return (days * 86_400 + seconds) * 1000 + microseconds / 1000;
}

function bytesOf(value: unknown, length: number): Uint8Array {
  if (value instanceof Uint8Array && value.length === length) return value;
  throw noDate();
}

function noDate() {
  return refused('a date or a time in it is none');
}

function decodeDecimal({ args, budget }: Call): string {
  const [text] = args;
  if (typeof text === 'string') {
    // The same text may be asked for often, and is looked at each time.
    budget.bytes(text.length);
    if (text.length <= maxIntegerBytes && decimalForm.test(text)) return text;
  }
  throw refused('a Decimal in it is no number');
}

const decimalForm = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:E[+-]?\d+)?|Infinity|s?NaN\d*)$/i;
