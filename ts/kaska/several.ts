// What is taken for many records.
import { checkPacked } from '../shared/packed.ts';
import type { Checked, Packed } from '../shared/packed.ts';
import { tooLarge } from './failures.ts';

export function isList(records: unknown): records is Iterable<never> {
  return (
    typeof records === 'object' &&
    records !== null &&
    Symbol.iterator in records &&
    // Its bytes are hardly meant to be records.
    !ArrayBuffer.isView(records)
  );
}

/** Packed values, none longer than a batch can hold. */
export function checkValues(packed: Packed, { maxBatchBytes }: { maxBatchBytes: number }): Checked {
  return checkPacked(packed, maxBatchBytes - 128, tooLarge);
}

export const severalRecords: string =
  'an array or another iterable object of records, or { data, lengths }; one record is for append()';
