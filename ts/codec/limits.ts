// Checks that hostile payloads meet before they are decoded: bounded depth, bounded number of values, no lengths beyond
// the payload, no extension but the timestamp. Decoders behind them cannot be made to recurse or allocate without bound.

/** Nested arrays and maps. */
export const maxDepth: number = 512;
/** Values in one message, keys included. */
export const maxValues: number = 1 << 24;

/** Why the msgpack value at [start, end) of `bytes` is refused, or undefined when it is one sound value. */
export function checkMsgpack(bytes: Uint8Array, start: number, end: number): string | undefined {
  // open[d] counts the values that level d still waits for.
  const open: number[] = [1];
  let depth = 0;
  let values = 0;
  let at = start;
  while (depth >= 0) {
    const waiting = open[depth] as number;
    if (waiting === 0) {
      depth -= 1;
      continue;
    }
    open[depth] = waiting - 1;
    if (at >= end) return 'it ends in the middle of a value';
    values += 1;
    if (values > maxValues) return `it holds more than ${maxValues} values`;
    const token = bytes[at] as number;
    at += 1;
    let children = 0;
    if (token < 0x80 || token >= 0xe0) continue;
    if (token < 0x90) children = (token & 0x0f) * 2;
    else if (token < 0xa0) children = token & 0x0f;
    else if (token < 0xc0) at += token & 0x1f;
    else {
      switch (token) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break;
        case 0xc4: // bin 8
        case 0xd9: // str 8
          if (end - at < 1) return truncated;
          at += 1 + (bytes[at] as number);
          break;
        case 0xc5: // bin 16
        case 0xda: // str 16
          if (end - at < 2) return truncated;
          at += 2 + u16(bytes, at);
          break;
        case 0xc6: // bin 32
        case 0xdb: // str 32
          if (end - at < 4) return truncated;
          at += 4 + u32(bytes, at);
          break;
        case 0xca: // float 32
        case 0xce: // uint 32
        case 0xd2: // int 32
          at += 4;
          break;
        case 0xcb: // float 64
        case 0xcf: // uint 64
        case 0xd3: // int 64
          at += 8;
          break;
        case 0xcc: // uint 8
        case 0xd0: // int 8
          at += 1;
          break;
        case 0xcd: // uint 16
        case 0xd1: // int 16
          at += 2;
          break;
        case 0xc7: // ext 8
          if (end - at < 2) return truncated;
          if (bytes[at] !== 12 || bytes[at + 1] !== timestamp) return extension;
          at += 14;
          break;
        case 0xd6: // fixext 4
          if (bytes[at] !== timestamp) return extension;
          at += 5;
          break;
        case 0xd7: // fixext 8
          if (bytes[at] !== timestamp) return extension;
          at += 9;
          break;
        case 0xdc: // array 16
          if (end - at < 2) return truncated;
          children = u16(bytes, at);
          at += 2;
          break;
        case 0xdd: // array 32
          if (end - at < 4) return truncated;
          children = u32(bytes, at);
          at += 4;
          break;
        case 0xde: // map 16
          if (end - at < 2) return truncated;
          children = u16(bytes, at) * 2;
          at += 2;
          break;
        case 0xdf: // map 32
          if (end - at < 4) return truncated;
          children = u32(bytes, at) * 2;
          at += 4;
          break;
        default:
          return extension;
      }
    }
    if (at > end) return truncated;
    if (children > 0) {
      // Every child takes a byte at least.
      if (children > end - at) return truncated;
      depth += 1;
      if (depth > maxDepth) return `it is nested deeper than ${maxDepth} levels`;
      open[depth] = children;
    }
  }
  return at === end ? undefined : `${end - at} bytes follow its value`;
}

/** Why the JSON text at [start, end) of `bytes` is refused before it is parsed. */
export function checkJson(bytes: Uint8Array, start: number, end: number): string | undefined {
  // A shorter text cannot be sound and deeper.
  if (end - start <= 2 * maxDepth) return undefined;
  let depth = 0;
  let values = 1;
  for (let at = start; at < end; at += 1) {
    switch (bytes[at] as number) {
      case 0x22: // "
        at += 1;
        while (at < end && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        values += 1;
        if (depth > maxDepth) return `it is nested deeper than ${maxDepth} levels`;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case 0x2c: // ,
        values += 1;
        break;
      default:
    }
    if (values > maxValues) return `it holds more than ${maxValues} values`;
  }
  return undefined;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) * 0x1_0000 + u16(bytes, at + 2)) >>> 0;
}

const timestamp = 0xff;
const truncated = 'a length in it reaches beyond its end';
const extension = 'it holds an extension type, and only timestamps are taken';
