// Where the small messages of a turn are gathered, so that one call hands them to native.
import { kindShift } from '../binding/index.ts';
import type { Target } from './peer.ts';

/** Payloads one after the other, a word for each. All of them go to the same target. */
export class SendSlab {
  readonly bytes: Uint8Array = new Uint8Array(Buffer.allocUnsafeSlow(slabBytes).buffer);
  readonly words: Uint32Array = new Uint32Array(slabWords);
  used: number = 0;
  count: number = 0;
  target: Target | undefined = undefined;

  /** Whether a payload of so many bytes fits beside what is there. */
  fits(length: number): boolean {
    return this.used + length <= slabBytes && this.count < slabWords;
  }

  /** Copies a payload that fits. */
  add(payload: Uint8Array, length: number, kind: number): void {
    const at = this.used;
    if (length < 16) {
      const { bytes } = this;
      for (let i = 0; i < length; i += 1) bytes[at + i] = payload[i] as number;
    } else {
      this.bytes.set(payload, at);
    }
    this.words[this.count] = (kind << kindShift) | length;
    this.used = at + length;
    this.count += 1;
  }

  clear(): void {
    this.used = 0;
    this.count = 0;
    this.target = undefined;
  }
}

/** A longer payload goes to native directly, from the user's memory. */
export const longestCopied: number = 32 * 1024;

const slabBytes = 64 * 1024;
const slabWords = 8192;
