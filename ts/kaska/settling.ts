// What native has not acknowledged yet: tickets, and those who wait for them.
import { settledRow } from '../binding/index.ts';
import type { ChaskiError } from '../errors.ts';
import type { Hold } from './hold.ts';
import type { NativeLog } from './native-log.ts';

/** Waits for a ticket. */
export interface Ticketed {
  /** `base` is the offset of the first record where that was not known before, else −1. */
  settle(base: number, error: ChaskiError | undefined): void;
}

export class Settling {
  readonly #log: NativeLog;
  readonly #hold: Hold;
  /** By writer, then by ticket. */
  readonly #pending: Map<number, Map<number, Ticketed>> = new Map();
  readonly #rows: Float64Array = new Float64Array(rowsAtOnce * settledRow.length);
  #count = 0;
  #idle: (() => void)[] = [];

  constructor(log: NativeLog, hold: Hold) {
    this.#log = log;
    this.#hold = hold;
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  add(writer: number, ticket: number, waiting: Ticketed): void {
    let tickets = this.#pending.get(writer);
    if (tickets === undefined) {
      tickets = new Map();
      this.#pending.set(writer, tickets);
    }
    tickets.set(ticket, waiting);
    this.#count += 1;
  }

  /** Resolves when a ticket of a commit or a flush is done; 0: it was at once. */
  async done(ticket: number): Promise<void> {
    if (ticket === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#hold.begin();
      const settle = (_base: number, error?: Error): void => {
        this.#hold.end();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.add(0, ticket, { settle });
    });
  }

  /** Some are done. */
  read(): void {
    const rows = this.#rows;
    for (;;) {
      const n = this.#log.native.kaskaSettled(this.#log.handle, rows);
      for (let i = 0; i < n; i += 1) this.#settle(i * settledRow.length);
      if (n < rowsAtOnce) break;
    }
    this.#tellIdle();
  }

  /** Nobody will tell of those that wait still. */
  lose(error: ChaskiError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#count = 0;
    for (const tickets of all) for (const waiting of tickets.values()) waiting.settle(-1, error);
    this.#tellIdle();
  }

  /** Calls `then` once none waits. */
  whenIdle(then: () => void): void {
    if (this.#count === 0) then();
    else this.#idle.push(then);
  }

  #settle(at: number): void {
    const rows = this.#rows;
    const tickets = this.#pending.get(rows[at + settledRow.writer] as number);
    const code = rows[at + settledRow.code] as number;
    const base = rows[at + settledRow.base] as number;
    const error = code === 0 ? undefined : this.#log.loss(code);
    const last = rows[at + settledRow.last] as number;
    for (let ticket = rows[at + settledRow.first] as number; ticket <= last; ticket += 1) {
      const waiting = tickets?.get(ticket);
      if (waiting === undefined) continue;
      tickets?.delete(ticket);
      this.#count -= 1;
      waiting.settle(base, error);
    }
  }

  #tellIdle(): void {
    if (this.#count > 0 || this.#idle.length === 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const then of idle) then();
  }
}

const rowsAtOnce = 128;
