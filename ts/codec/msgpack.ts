// Values to MessagePack: docs/values.md says what survives, and whatever else is refused. msgpackr, which reads them, wrote memory
// that it had never filled for some values, and others in such a way that nobody could read them.
import { types } from 'node:util';

import { ChaskiError } from '../errors.ts';
import { asBytes, isLost, lengthOf, lostMemory, unshared } from './bytes.ts';
import { failed } from './failed.ts';
import { checkMsgpack, maxDepth, maxValues } from './limits.ts';

/**
 * `value` as MessagePack, in memory that is never written again.
 *
 * @throws ChaskiError `ERR_CHASKI_CODEC` for what cannot be written, or cannot be read again; `ERR_CHASKI_INVALID_ARGUMENT` for
 * memory that was taken away; `ERR_CHASKI_TOO_LARGE` beyond what any message can hold. What code of the user (a getter, a
 * `toJSON()`) throws is the cause of an `ERR_CHASKI_CODEC`.
 */
export function writeMsgpack(value: unknown): Uint8Array {
  if (writing) return writeAside(value);
  if (value === undefined) throw refused('undefined alone is no value: put null');
  if (room - position < leastRoom) renew(slabBytes);
  start = position;
  writing = true;
  try {
    write(value, 0);
    const payload = new Uint8Array(target.buffer, start, position - start);
    // Every value takes a byte at least, so only a long payload can hold too many.
    if (payload.length > maxValues) {
      if (checkMsgpack(payload, 0, payload.length) !== undefined) throw tooMany();
    }
    return payload;
  } catch (error) {
    position = start;
    if (ChaskiError.is(error)) throw error;
    throw failed('encode', 'the value cannot be written as MessagePack', error);
  } finally {
    writing = false;
    if (target.length > slabBytes) renew(0);
  }
}

/** The memory that is written to: zeroed when it was made, so that nothing of this process is in it but payloads. */
let target: Buffer<ArrayBuffer> = Buffer.from(new ArrayBuffer(0));
let view: DataView = new DataView(target.buffer);
/** Where the payload begins, and where its next byte goes. */
let start = 0;
let position = 0;
/** Up to here a head (a token, a length, a number) fits. */
let room = 0;
/** Getters and toJSON() are code of the user, which may put another message meanwhile. */
let writing = false;

const slabBytes = 32 * 1024;
const leastRoom = 1024;
const headBytes = 16;
/** The longest payload that a word can describe. */
const longest = 0x1fff_ffff;

function renew(bytes: number): void {
  target = Buffer.from(new ArrayBuffer(bytes));
  view = new DataView(target.buffer);
  position = 0;
  room = bytes - headBytes;
}

/** Makes room for `bytes` and a head. */
function grow(bytes: number): void {
  const used = position - start;
  if (used + bytes > longest) {
    throw new ChaskiError(
      'ERR_CHASKI_TOO_LARGE',
      `The message is over the limit of ${longest} bytes. Split it.`,
      { delivered: 'no' },
    );
  }
  const old = target;
  const from = start;
  renew(Math.max(Math.min(2 * used, longest), used + bytes) + 2 * headBytes);
  old.copy(target, 0, from, from + used);
  start = 0;
  position = used;
}

/** Writes a message while another one is being written. */
function writeAside(value: unknown): Uint8Array {
  const saved = { target, view, start, position, room };
  writing = false;
  renew(slabBytes);
  try {
    return writeMsgpack(value);
  } finally {
    ({ target, view, start, position, room } = saved);
    writing = true;
  }
}

function write(value: unknown, depth: number): void {
  if (position > room) grow(headBytes);
  switch (typeof value) {
    case 'string':
      writeString(value);
      return;
    case 'number':
      writeNumber(value);
      return;
    case 'object':
      if (value === null) target[position++] = 0xc0;
      else if (Array.isArray(value)) writeArray(value, depth);
      else {
        const prototype: unknown = Object.getPrototypeOf(value);
        if (prototype === Object.prototype || prototype === null) writeFields(value, depth);
        else writeInstance(value, depth);
      }
      return;
    case 'boolean':
      target[position++] = value ? 0xc3 : 0xc2;
      return;
    case 'undefined':
      target[position++] = 0xc0;
      return;
    case 'bigint':
      writeBigint(value);
      return;
    case 'function':
    case 'symbol':
      throw refused(`a ${typeof value} cannot be sent`);
  }
}

function writeNumber(value: number): void {
  if (value >>> 0 === value) {
    if (value < 0x80) {
      if (value === 0 && Object.is(value, -0)) writeFloat(value);
      else target[position++] = value;
    } else if (value < 0x100) {
      target[position++] = 0xcc;
      target[position++] = value;
    } else if (value < 0x1_0000) {
      target[position++] = 0xcd;
      target[position++] = value >> 8;
      target[position++] = value;
    } else {
      target[position++] = 0xce;
      view.setUint32(position, value);
      position += 4;
    }
  } else if (value >> 0 === value) {
    if (value >= -0x20) {
      target[position++] = value;
    } else if (value >= -0x80) {
      target[position++] = 0xd0;
      target[position++] = value;
    } else if (value >= -0x8000) {
      target[position++] = 0xd1;
      target[position++] = value >> 8;
      target[position++] = value;
    } else {
      target[position++] = 0xd2;
      view.setInt32(position, value);
      position += 4;
    }
  } else {
    writeFloat(value);
  }
}

function writeFloat(value: number): void {
  target[position++] = 0xcb;
  view.setFloat64(position, value);
  position += 8;
}

/** Always as an integer of 64 bits, which no number is written as: so it comes back as a bigint. */
function writeBigint(value: bigint): void {
  if (BigInt.asIntN(64, value) === value) {
    target[position++] = 0xd3;
    view.setBigInt64(position, value);
  } else if (BigInt.asUintN(64, value) === value) {
    target[position++] = 0xcf;
    view.setBigUint64(position, value);
  } else {
    throw refused(`the bigint ${shortened(String(value))} has more than 64 bits`);
  }
  position += 8;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function writeString(text: string): void {
  const { length } = text;
  if (length >= longText) {
    writeLongString(text);
    return;
  }
  if (position + length * 3 > room) grow(length * 3 + headBytes);
  const head = position;
  let at = head + (length < 0x20 ? 1 : 2);
  for (let i = 0; i < length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) {
      writeWideString(text);
      return;
    }
    target[at++] = unit;
  }
  if (length < 0x20) {
    target[head] = 0xa0 | length;
  } else {
    target[head] = 0xd9;
    target[head + 1] = length;
  }
  position = at;
}

/** A short text that is not ASCII. Room was made. */
function writeWideString(text: string): void {
  const { length } = text;
  const head = position;
  let at = head + 2;
  for (let i = 0; i < length; i += 1) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      target[at++] = code;
      continue;
    }
    if (code < 0x800) {
      target[at++] = 0xc0 | (code >> 6);
      target[at++] = 0x80 | (code & 0x3f);
      continue;
    }
    if ((code & 0xf800) === 0xd800) {
      const low = text.charCodeAt(i + 1);
      if (code < 0xdc00 && (low & 0xfc00) === 0xdc00) {
        code = 0x1_0000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
        i += 1;
        target[at++] = 0xf0 | (code >> 18);
        target[at++] = 0x80 | ((code >> 12) & 0x3f);
        target[at++] = 0x80 | ((code >> 6) & 0x3f);
        target[at++] = 0x80 | (code & 0x3f);
        continue;
      }
      // Half of a pair is no character, and UTF-8 has no way to write it.
      code = 0xfffd;
    }
    target[at++] = 0xe0 | (code >> 12);
    target[at++] = 0x80 | ((code >> 6) & 0x3f);
    target[at++] = 0x80 | (code & 0x3f);
  }
  target[head] = 0xd9;
  target[head + 1] = at - head - 2;
  position = at;
}

function writeLongString(text: string): void {
  const { length } = text;
  const most = length < 0x1000 ? length * 3 : Buffer.byteLength(text);
  if (position + most > room) grow(most + headBytes);
  // The head is chosen for the most that it may have to tell, so the text need not be moved behind it.
  const head = position;
  const at = head + (most < 0x100 ? 2 : most < 0x1_0000 ? 3 : 5);
  const bytes = target.write(text, at);
  writeHead(0xd9, most, bytes);
  position = at + bytes;
}

/** A token of 8, 16 or 32 bits of length, whichever can tell `most`. */
function writeHead(token8: number, most: number, length: number): void {
  if (most < 0x100) {
    target[position++] = token8;
    target[position++] = length;
  } else if (most < 0x1_0000) {
    target[position++] = token8 + 1;
    target[position++] = length >> 8;
    target[position++] = length;
  } else {
    target[position++] = token8 + 2;
    view.setUint32(position, length);
    position += 4;
  }
}

function writeArray(list: readonly unknown[], depth: number): void {
  const { length } = list;
  if (length < 0x10) {
    if (length > 0 && depth >= maxDepth) throw tooDeep();
    target[position++] = 0x90 | length;
  } else {
    if (depth >= maxDepth) throw tooDeep();
    if (length > maxValues) throw tooMany();
    writeCount(0xdc, length);
  }
  for (let i = 0; i < length; i += 1) write(list[i], depth + 1);
}

function writeCount(token16: number, count: number): void {
  if (count < 0x1_0000) {
    target[position++] = token16;
    target[position++] = count >> 8;
    target[position++] = count;
  } else {
    target[position++] = token16 + 1;
    view.setUint32(position, count);
    position += 4;
  }
}

/** Its own enumerable properties, but for those that are undefined. */
function writeFields(value: object, depth: number): void {
  const keys = Object.keys(value);
  const { length } = keys;
  if (length > 0 && depth >= maxDepth) throw tooDeep();
  const head = position - start;
  if (length < 0x10) target[position++] = 0x80 | length;
  else writeCount(0xde, length);
  let count = 0;
  for (let i = 0; i < length; i += 1) {
    const key = keys[i] as string;
    const field = (value as Record<string, unknown>)[key];
    if (field === undefined) continue;
    if (typeof field === 'function' && key === 'toJSON') {
      position = start + head;
      writeOther(value, (field as () => unknown).call(value), depth);
      return;
    }
    writeString(key);
    write(field, depth + 1);
    count += 1;
  }
  if (count < length) {
    const end = position;
    position = start + head;
    if (length < 0x10) target[position] = 0x80 | count;
    else if (length < 0x1_0000) writeCount(0xde, count);
    else {
      target[position] = 0xdf;
      view.setUint32(position + 1, count);
    }
    position = end;
  }
}

/** An object that is neither plain nor an array. */
function writeInstance(value: object, depth: number): void {
  const bytes = asBytes(value);
  if (bytes !== undefined) {
    writeBytes(bytes);
    return;
  }
  if (types.isDate(value)) {
    writeDate(value);
    return;
  }
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') {
    writeOther(value, (toJSON as () => unknown).call(value), depth);
    return;
  }
  const tag: string = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag !== 'Object' || Symbol.iterator in value || Symbol.asyncIterator in value) {
    const name = tag === 'Object' ? nameOf(value) : tag;
    throw refused(
      `an object of the class ${name} cannot be sent. Put an array, a plain object or bytes made of it`,
    );
  }
  writeFields(value, depth);
}

function nameOf(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' ? constructor.name : '';
}

/** What toJSON() of `value` returned. One level deeper, so that it cannot go on for ever. */
function writeOther(value: object, other: unknown, depth: number): void {
  if (depth >= maxDepth) throw tooDeep();
  if (other === value) throw refused('a toJSON() returned its own object');
  write(other, depth + 1);
}

function writeBytes(bytes: Uint8Array): void {
  if (isLost(bytes)) throw lostMemory();
  const source = unshared(bytes);
  const length = lengthOf(source);
  if (position + length > room) grow(length + headBytes);
  writeHead(0xc4, length, length);
  target.set(source, position);
  position += length;
}

function writeDate(date: Date): void {
  const time = Date.prototype.getTime.call(date);
  if (Number.isNaN(time)) throw refused('the Date is invalid');
  const seconds = Math.floor(time / 1000);
  const nanoseconds = (time - seconds * 1000) * 1_000_000;
  if (seconds >= 0 && seconds <= 0xffff_ffff) {
    target[position] = nanoseconds === 0 ? 0xd6 : 0xd7;
    target[position + 1] = 0xff;
    position += 2;
    if (nanoseconds > 0) {
      // 30 bits of nanoseconds, 34 of seconds.
      view.setUint32(position, nanoseconds * 4);
      position += 4;
    }
    view.setUint32(position, seconds);
    position += 4;
    return;
  }
  target[position] = 0xc7;
  target[position + 1] = 12;
  target[position + 2] = 0xff;
  view.setUint32(position + 3, nanoseconds);
  view.setBigInt64(position + 7, BigInt(seconds));
  position += 15;
}

function tooDeep(): ChaskiError {
  return refused(`it is nested deeper than ${maxDepth} levels, or it holds itself`);
}

function tooMany(): ChaskiError {
  return refused(`it holds more than ${maxValues} values`);
}

function refused(reason: string): ChaskiError {
  return failed('encode', reason);
}

/** Shorter texts are written here, longer ones by a call of the runtime. */
const longText = 64;
