// Where writers with a name begin. The first number of one is free, so what is behind a number that was refused must not be taken for it.
import { ChaskiError } from '../errors.ts';

/** The numbers that were refused to writers that have stored nothing yet, by writer and partition. */
export class Beginnings {
  readonly #refused: Map<string, number> = new Map();

  /** @throws ChaskiError `ERR_CHASKI_OUT_OF_ORDER` if a number before `sequence` was refused. */
  check(name: string, partition: number, sequence: number): void {
    const refused = this.#refused.get(`${partition} ${name}`);
    if (refused === undefined || sequence <= refused) return;
    throw new ChaskiError(
      'ERR_CHASKI_OUT_OF_ORDER',
      `Record ${sequence} of the writer '${name}' cannot be its first: record ${refused} was refused before. Append from that one on.`,
      { delivered: 'no' },
    );
  }

  /** `sequence` was refused: it, or one before it, must come first. */
  refuse(name: string, partition: number, sequence: number): void {
    const id = `${partition} ${name}`;
    this.#refused.set(id, Math.min(sequence, this.#refused.get(id) ?? sequence));
  }

  /** The writer has begun. */
  forget(name: string, partition: number): void {
    this.#refused.delete(`${partition} ${name}`);
  }
}
