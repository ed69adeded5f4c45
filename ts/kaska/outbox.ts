// The way of records to native: one call for many of them, and a line for those that find no room.
import { appended } from '../binding/index.ts';
import type { ChaskiError } from '../errors.ts';
import { nextTick } from '../shared/timers.ts';
import { Part } from './append-result.ts';
import type { Shipment } from './append-result.ts';
import type { Load } from './load.ts';
import type { NativeLog } from './native-log.ts';
import type { Settling } from './settling.ts';

/** Records as native takes them. */
export interface Cargo {
  readonly bytes: Uint8Array;
  readonly used: number;
  /** One word each, if they are values alone at one time; else three. */
  readonly words: Uint32Array;
  readonly count: number;
  readonly full: boolean;
  /** Empty: they happen when they are handed over. */
  readonly times: Float64Array;
}

/** Where records go. */
export interface Destination {
  /** Native's number of the writer. */
  readonly writer: number;
  /** Partitions that records of one hand-over may go to: 1, or all of the topic. */
  readonly spread: number;
}

interface Waiting {
  readonly to: Destination;
  readonly cargo: Cargo;
  readonly sequence: number;
  readonly shipment: Shipment;
}

export interface OutboxHost {
  /** Who waits before he appends more need not any more. */
  onDrain(): void;
}

export class Outbox {
  readonly #log: NativeLog;
  readonly #settling: Settling;
  readonly #load: Load;
  readonly #host: OutboxHost;
  /** Found no room; in order. */
  #line: Waiting[] = [];
  #out: Float64Array = new Float64Array(appended.length);
  #idle: (() => void)[] = [];
  /** Wait for there to be less. */
  #callers: (() => void)[] = [];
  /** What was handed over in this turn is committed at its end. */
  #isUncommitted = false;
  #barred: ChaskiError | undefined = undefined;

  constructor(log: NativeLog, settling: Settling, load: Load, host: OutboxHost) {
    this.#log = log;
    this.#settling = settling;
    this.#load = load;
    this.#host = host;
  }

  /**
   * Hands records over, or has them wait for room. False if `cargo` must stay as it is until then: it belongs to the line. With
   * `borrowed` its bytes and words are the user's, and copied if they must wait.
   */
  send(
    to: Destination,
    cargo: Cargo,
    sequence: number,
    shipment: Shipment,
    borrowed: boolean,
  ): boolean {
    if (this.#barred !== undefined) {
      this.refuse(shipment, this.#barred);
      return true;
    }
    if (this.#line.length === 0 && this.#hand({ to, cargo, sequence, shipment })) {
      this.#tellRoom();
      return true;
    }
    // What is the user's may change as soon as this returns; what is ours may be mostly empty.
    const copied = borrowed || 2 * cargo.used < cargo.bytes.byteLength;
    const kept = copied ? trimmed(cargo) : cargo;
    this.#line.push({ to, cargo: kept, sequence, shipment });
    this.#load.raise();
    return copied;
  }

  /** There may be room. */
  resume(): void {
    const line = this.#line;
    let done = 0;
    while (done < line.length && this.#hand(line[done] as Waiting)) done += 1;
    if (done > 0) this.#line = line.slice(done);
    if (this.#line.length === 0) this.#tellIdle();
    this.#tellRoom();
  }

  /** Has nothing of a shipment stored. */
  refuse(shipment: Shipment, error: ChaskiError): void {
    shipment.fail(error);
    this.#tellRoom();
  }

  /** Calls `then` once all is handed over. */
  whenIdle(then: () => void): void {
    if (this.#line.length === 0) then();
    else this.#idle.push(then);
  }

  /** Resolves once all is handed over. */
  handedOver(): Promise<void> {
    return new Promise((resolve) => {
      this.whenIdle(resolve);
    });
  }

  /** Whether so many bytes can be appended without being more than the mark, or nothing can any more. */
  hasRoom(bytes: number): boolean {
    return this.#barred !== undefined || (this.#line.length === 0 && this.#load.fits(bytes));
  }

  /** Resolves when there may be more room. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      this.#callers.push(resolve);
    });
  }

  /** Nothing is taken any more. */
  bar(error: ChaskiError): void {
    this.#barred = error;
    this.#tellRoom();
  }

  /** What waits is not stored. */
  lose(error: ChaskiError): void {
    const line = this.#line;
    this.#line = [];
    for (const { shipment } of line) shipment.fail(error);
    this.#tellIdle();
    this.#tellRoom();
  }

  /** False if there was no room. */
  #hand({ to, cargo, sequence, shipment }: Waiting): boolean {
    const { count, full, times } = cargo;
    const rows = Math.min(count, to.spread);
    if (this.#out.length < rows * appended.length) {
      this.#out = new Float64Array(rows * appended.length);
    }
    const out = this.#out;
    const { native, handle } = this.#log;
    let places = nowhere;
    let n: number;
    if (!full && times.length === 0) {
      n = native.kaskaAppendValues(
        handle,
        to.writer,
        cargo.bytes,
        cargo.used,
        cargo.words,
        count,
        Date.now(),
        sequence,
        out,
      );
    } else {
      if (to.spread > 1) places = new Uint32Array(count);
      n = native.kaskaAppend(
        handle,
        to.writer,
        cargo.bytes,
        cargo.used,
        full ? cargo.words : widened(cargo),
        count,
        times.length === 0 ? Float64Array.of(Date.now()) : times.subarray(0, count),
        sequence,
        places,
        out,
      );
    }
    if (n < 0) {
      if (this.#log.codeName(n) === 'ERR_CHASKI_QUEUE_FULL') return false;
      shipment.fail(this.#log.failure(n, 'no'));
      return true;
    }
    if (!this.#isUncommitted) {
      this.#isUncommitted = true;
      nextTick(this.#commit);
    }
    this.#sent(to.writer, shipment, n, places);
    return true;
  }

  /** One sync for all of a turn. */
  readonly #commit = (): void => {
    this.#isUncommitted = false;
    this.#log.native.kaskaCommitTurn(this.#log.handle);
  };

  #sent(writer: number, shipment: Shipment, n: number, places: Uint32Array): void {
    const out = this.#out;
    const parts: Part[] = [];
    for (let at = 0; at < n * appended.length; at += appended.length) {
      parts.push(
        new Part(
          shipment,
          out[at + appended.partition] as number,
          out[at + appended.base] as number,
          out[at + appended.records] as number,
        ),
      );
    }
    shipment.sent(parts, n > 1 ? places : nowhere);
    for (let i = 0; i < n; i += 1) {
      const part = parts[i] as Part;
      const ticket = out[i * appended.length + appended.ticket] as number;
      const code = out[i * appended.length + appended.code] as number;
      if (code < 0) part.settle(-1, this.#log.failure(code, 'no'));
      else if (ticket === 0) part.settle(-1, undefined);
      else this.#settling.add(writer, ticket, part);
    }
  }

  /** Something has been handed over, or acknowledged. */
  #tellRoom(): void {
    const callers = this.#callers;
    this.#callers = [];
    for (const then of callers) then();
    if (this.#line.length === 0 && this.#load.relieve()) this.#host.onDrain();
  }

  #tellIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const then of idle) then();
  }
}

/** The same in memory of its own. */
function trimmed(cargo: Cargo): Cargo {
  const { bytes, used, words, count, times } = cargo;
  return {
    ...cargo,
    // Not slice(), which is no copy of a Buffer.
    bytes: new Uint8Array(bytes.subarray(0, used)),
    words: words.slice(0, wordsOf(cargo)),
    times: times.slice(0, count),
  };
}

/** What it holds while it is under way. */
export function weightOf(cargo: Cargo): number {
  const { used, times, count } = cargo;
  const { BYTES_PER_ELEMENT } = Float64Array;
  return (
    used +
    Uint32Array.BYTES_PER_ELEMENT * wordsOf(cargo) +
    BYTES_PER_ELEMENT * Math.min(times.length, count) +
    shipmentBytes
  );
}

function wordsOf({ full, count }: Cargo): number {
  return full ? 3 * count : count;
}

/** What a shipment holds beside the memory of its cargo. */
export const shipmentBytes: number = 256;
const nowhere = new Uint32Array(0);

/** The words of values alone, as those of records that have more. */
function widened({ words, count }: Cargo): Uint32Array {
  const wide = new Uint32Array(3 * count);
  for (let i = 0; i < count; i += 1) wide[3 * i + 1] = (words[i] as number) + 1;
  return wide;
}
