// Integers of any size, as the two's complement that pickles hold, the lowest byte first.

/** The integer at [start, end) of `bytes`: a number where it is exact, else a bigint. */
export function readInteger(bytes: Buffer, start: number, end: number): number | bigint {
  const length = end - start;
  if (length === 0) return 0;
  if (length <= 6) return bytes.readIntLE(start, length);
  const value =
    length === 8
      ? bytes.readBigInt64LE(start)
      : // A copy, since it is turned round.
        BigInt.asIntN(
          length * 8,
          BigInt(`0x${Buffer.from(bytes.subarray(start, end)).reverse().toString('hex')}`),
        );
  return value >= least && value <= most ? Number(value) : value;
}

/** The bytes of `value`. */
export function writeInteger(value: bigint): Buffer {
  // A bit for the sign, and all in whole bytes.
  const magnitude = value < 0n ? ~value : value;
  const digits = magnitude.toString(16).length;
  const length = (digits * 4 + 1 + 7) >> 3;
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0');
  const bytes = Buffer.from(hex, 'hex').reverse();
  // The first digit may have been small enough to leave the sign its bit.
  const last = bytes[length - 1] as number;
  const sign = (bytes[length - 2] ?? 0) & 0x80;
  const spare = length > 1 && ((last === 0 && sign === 0) || (last === 0xff && sign !== 0));
  return spare ? bytes.subarray(0, length - 1) : bytes;
}

const most = BigInt(Number.MAX_SAFE_INTEGER);
const least = BigInt(Number.MIN_SAFE_INTEGER);
