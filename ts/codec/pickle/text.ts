// Python's text: UTF-8 in which half of a surrogate pair is allowed ("surrogatepass").
import { refused } from './budget.ts';

/** The text at [start, end) of `bytes`. */
export function readText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length <= 12) {
    // Keys are short, and a call into Node costs more than they do.
    let text = '';
    let at = start;
    for (; at < end; at += 1) {
      const unit = bytes[at] as number;
      if (unit >= 0x80) break;
      text += String.fromCharCode(unit);
    }
    if (at === end) return text;
  }
  const text = bytes.toString('utf8', start, end);
  // Either it was there, or something could not be read.
  return text.includes('\ufffd') ? readSurrogates(bytes, start, end) : text;
}

/** The same, where every sequence is looked at. */
function readSurrogates(bytes: Buffer, start: number, end: number): string {
  const text: string[] = [];
  let sound = start;
  let at = start;
  while (at < end) {
    const lead = bytes[at] as number;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let code = length === 1 ? lead : lead & (0x7f >> length);
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || end - at < length) throw notUtf8();
    for (let i = 1; i < length; i += 1) {
      const next = bytes[at + i] as number;
      if ((next & 0xc0) !== 0x80) throw notUtf8();
      code = (code << 6) | (next & 0x3f);
    }
    if ((length === 3 && code < 0x800) || (length === 4 && (code < 0x1_0000 || code > 0x10_ffff))) {
      throw notUtf8();
    }
    if (code >= 0xd800 && code < 0xe000) {
      text.push(bytes.toString('utf8', sound, at), String.fromCharCode(code));
      sound = at + length;
    }
    at += length;
  }
  text.push(bytes.toString('utf8', sound, end));
  return text.join('');
}

function notUtf8() {
  return refused('a text in it is not UTF-8');
}

/** Writes `text` to `out` from `at` on, where three bytes for each of its units are free; returns its end. */
export function writeText(out: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length <= 24) {
    let i = 0;
    for (; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      out[at + i] = unit;
    }
    if (i === length) return at + length;
  }
  if ((text as string & { isWellFormed(): boolean }).isWellFormed()) {
    return at + out.write(text, at, 'utf8');
  }
  let end = at;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code >= 0xd800 && code < 0xe000) {
      out[end] = 0xe0 | (code >> 12);
      out[end + 1] = 0x80 | ((code >> 6) & 0x3f);
      out[end + 2] = 0x80 | (code & 0x3f);
      end += 3;
    } else {
      end += out.write(character, end, 'utf8');
    }
  }
  return end;
}
