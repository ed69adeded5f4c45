import { runInNewContext } from 'node:vm';

import { describe, expect, it } from 'vitest';

import { ChaskiError } from '../../../ts/errors.ts';
import { checkPacked } from '../../../ts/shared/packed.ts';

describe('packed messages', () => {
  it('are copied before they are checked when other threads can write to them, of whatever realm', () => {
    for (const memory of [
      new SharedArrayBuffer(8),
      runInNewContext('new SharedArrayBuffer(8)') as SharedArrayBuffer,
    ]) {
      const data = new Uint8Array(memory, 0, 4);
      const lengths = new Uint32Array(memory, 4, 1);
      data.fill(9);
      lengths[0] = 4;
      const checked = checkPacked({ data, lengths }, 1000, tooLong);
      data.fill(1);
      lengths[0] = 1;
      expect(checked).toEqual({
        data: new Uint8Array(4).fill(9),
        count: 1,
        words: Uint32Array.of(4),
      });
    }
  });

  it('are counted as they are, whatever the properties of their memory say', () => {
    const lengths = Uint32Array.of(2, 3);
    Object.defineProperty(lengths, 'byteLength', { value: NaN });
    const data = new Uint8Array(5);
    Object.defineProperty(data, 'length', { value: 500 });
    expect(checkPacked({ data, lengths }, 1000, tooLong)).toMatchObject({ count: 2 });
    expect(() => checkPacked({ data, lengths: 500 }, 1000, tooLong)).toThrow('the 5 bytes of data');
  });

  it('are refused when the memory of their lengths was taken away', () => {
    const lengths = Uint32Array.of(5);
    structuredClone(lengths, { transfer: [lengths.buffer] });
    expect(() => checkPacked({ data: new Uint8Array(5), lengths }, 1000, tooLong)).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
    );
  });
});

function tooLong(length: number, most: number): ChaskiError {
  return new ChaskiError('ERR_CHASKI_TOO_LARGE', `${length} is over ${most}.`);
}
