// What happens to messages that were delivered, with ack 'processed': each delivery is settled once, by ack or by nack. What is
// nacked waits here, in memory of its own, until it is delivered again. It counts against the bound of its peer, as what has
// arrived and was not taken does.
import { lengthMask } from '../binding/index.ts';
import type { NativeBinding, QueueHandle } from '../binding/index.ts';
import { lostMemory } from '../codec/index.ts';
import { clearTimeout, setImmediate, setTimeout } from '../shared/timers.ts';
import type { AckSender } from './ack-sender.ts';
import { Origin } from './origin.ts';
import type { Delivery, Settling } from './origin.ts';
import { ReceivedBatch } from './batch.ts';
import { Parked } from './parked.ts';
import type { Peer } from './peer.ts';

/** What native and the inbox are asked for. */
export interface RedeliveryHost {
  readonly native: NativeBinding;
  readonly handle: QueueHandle;
  readonly acks: AckSender;
  /** The most that is kept of all peers together that are gone. */
  readonly mostMessages: number;
  readonly mostBytes: number;
  /** There is something to be delivered again. */
  onDue(): void;
}

export class Redelivery<T> implements Settling {
  readonly #host: RedeliveryHost;
  /** To be delivered as soon as it is their turn. */
  #due: Parked<T> = new Parked();
  /** Due when the event loop has turned: a message that fails at once must not keep it. */
  #soon: ReceivedBatch<T>[] = [];
  readonly #waiting: Map<Peer, Waiting<T>> = new Map();
  /** What waits of peers that are gone. */
  #gone: Amount = { messages: 0, bytes: 0 };
  #ended = false;

  constructor(host: RedeliveryHost) {
    this.#host = host;
  }

  /** These messages are done, but for those whose delivery is settled already. */
  ack(peer: Peer, first: number, last: number, deliveries: number): void {
    const { acks } = this.#host;
    const { retries } = peer;
    if (retries === undefined) {
      acks.done(peer, first, last);
      return;
    }
    let from = first;
    for (let seq = first; seq <= last; seq += 1) {
      const latest = retries.get(seq);
      if (latest === undefined) continue;
      if (latest === deliveries) {
        retries.delete(seq);
      } else {
        if (seq > from) acks.done(peer, from, seq - 1);
        from = seq + 1;
      }
    }
    if (from <= last) acks.done(peer, from, last);
    if (retries.size === 0) peer.retries = undefined;
  }

  /** These messages are to be delivered again, in so many ms or later; how many of them will be. */
  nack(delivery: Delivery, delayMs: number): number {
    let count = 0;
    for (const [from, to] of unsettled(delivery)) {
      if (!this.#keep(delivery, from, to, delayMs)) break;
      count += to - from;
    }
    return count;
  }

  /** What of a batch is to be delivered again that was delivered, and not settled. In order. */
  again(batch: ReceivedBatch<T>): ReceivedBatch<T>[] {
    return unsettled(batch).map(([from, to]) => {
      mark(batch, from, to);
      return partOf<T>(batch, batch.origin, from, to);
    });
  }

  /** Messages whose turn it is to be delivered again: of one peer, or of any. */
  take(id: string | undefined): ReceivedBatch<T> | undefined {
    const batch = id === undefined ? this.#due.shift() : this.#due.takeFrom(id, Infinity);
    if (batch !== undefined) this.#release(batch.origin.peer, amountOf(batch));
    return batch;
  }

  /** Nothing is delivered again any more. */
  end(): void {
    this.#ended = true;
    for (const { delayed } of this.#waiting.values()) {
      for (const { timer } of delayed) clearTimeout(timer);
    }
    this.#waiting.clear();
    this.#soon = [];
    this.#due = new Parked();
  }

  /** Keeps the messages from `from` to before `to`; false when there is no place for them. */
  #keep(delivery: Delivery, from: number, to: number, delayMs: number): boolean {
    const { peer } = delivery.origin;
    if (this.#ended) return false;
    const own = ownMemory(delivery, from, to);
    const batch = partOf<T>(own, own.origin, 0, to - from);
    if (!this.#count(peer, amountOf(batch))) return false;
    mark(delivery, from, to);
    if (delayMs > 0 && peer.gone === undefined) this.#delay(peer, batch, delayMs);
    else this.#dueSoon(batch);
    return true;
  }

  #dueSoon(batch: ReceivedBatch<T>): void {
    if (this.#soon.push(batch) === 1) setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const soon = this.#soon;
    this.#soon = [];
    if (this.#ended) return;
    for (const batch of soon) this.#due.push(batch);
    this.#host.onDue();
  };

  #delay(peer: Peer, batch: ReceivedBatch<T>, delayMs: number): void {
    const { delayed } = this.#waitingOf(peer);
    const late: Delayed<T> = {
      batch,
      timer: setTimeout(() => {
        delayed.delete(late);
        this.#due.push(batch);
        this.#host.onDue();
      }, delayMs),
    };
    // The communicator keeps the process alive, if anything does.
    late.timer.unref();
    delayed.add(late);
  }

  /** Counts what is kept of `peer`; false when that would be too much. */
  #count(peer: Peer, { messages, bytes }: Amount): boolean {
    const { native, handle, mostMessages, mostBytes } = this.#host;
    const gone = this.#gone;
    if (peer.gone !== undefined) {
      if (gone.messages + messages > mostMessages || gone.bytes + bytes > mostBytes) return false;
      gone.messages += messages;
      gone.bytes += bytes;
    } else {
      native.queueHold(handle, peer.number, messages, bytes);
    }
    const { amount } = this.#waitingOf(peer);
    amount.messages += messages;
    amount.bytes += bytes;
    return true;
  }

  #release(peer: Peer, { messages, bytes }: Amount): void {
    const { native, handle } = this.#host;
    const waiting = this.#waitingOf(peer);
    const { amount } = waiting;
    amount.messages -= messages;
    amount.bytes -= bytes;
    if (peer.gone === undefined) {
      native.queueRelease(handle, peer.number, messages, bytes);
    } else {
      this.#gone.messages -= messages;
      this.#gone.bytes -= bytes;
    }
    if (amount.messages === 0) this.#waiting.delete(peer);
  }

  #waitingOf(peer: Peer): Waiting<T> {
    let waiting = this.#waiting.get(peer);
    if (waiting === undefined) {
      waiting = { amount: { messages: 0, bytes: 0 }, delayed: new Set() };
      this.#waiting.set(peer, waiting);
      peer.onGone = (): void => {
        this.#hasten(peer);
      };
    }
    return waiting;
  }

  /** `peer` is gone: it has no bound of its own any more, and what it left waits no longer than it must. */
  #hasten(peer: Peer): void {
    const waiting = this.#waiting.get(peer);
    if (waiting === undefined) return;
    this.#gone.messages += waiting.amount.messages;
    this.#gone.bytes += waiting.amount.bytes;
    for (const { batch, timer } of waiting.delayed) {
      clearTimeout(timer);
      this.#dueSoon(batch);
    }
    waiting.delayed.clear();
  }
}

interface Amount {
  messages: number;
  bytes: number;
}

interface Delayed<T> {
  readonly batch: ReceivedBatch<T>;
  readonly timer: NodeJS.Timeout;
}

/** What waits of one peer. */
interface Waiting<T> {
  readonly amount: Amount;
  readonly delayed: Set<Delayed<T>>;
}

/** The messages of a delivery that were neither acknowledged nor taken back: from and to (excluded) of each row of them. */
function unsettled({ origin, seq, length, deliveries }: Delivery): [number, number][] {
  const { acks, retries } = origin.peer;
  const rows: [number, number][] = [];
  for (let i = 0; i < length; i += 1) {
    const latest = retries?.get(seq + i) ?? deliveries;
    if (latest !== deliveries || acks.has(seq + i)) continue;
    const row = rows.at(-1);
    if (row !== undefined && row[1] === i) row[1] = i + 1;
    else rows.push([i, i + 1]);
  }
  return rows;
}

/** From now on the next delivery of these messages is the one that counts. */
function mark({ origin, seq, deliveries }: Delivery, from: number, to: number): void {
  const { peer } = origin;
  peer.retries ??= new Map();
  for (let i = from; i < to; i += 1) peer.retries.set(seq + i, deliveries + 1);
}

/** A part of a delivery, to be delivered once more. */
function partOf<T>(delivery: Delivery, origin: Origin, from: number, to: number): ReceivedBatch<T> {
  const { index, start, seq, deliveries } = delivery;
  const place = start + 2 * from;
  return new ReceivedBatch<T>(origin, index, place, to - from, seq + from, deliveries + 1);
}

/** The same messages in memory that holds little else. Payloads of a delivery lie side by side. */
function ownMemory(delivery: Delivery, from: number, to: number): Delivery {
  const { origin, index, start, seq, deliveries } = delivery;
  const first = index[start + 2 * from] as number;
  const last = start + 2 * (to - 1);
  const length = (index[last] as number) + ((index[last + 1] as number) & lengthMask) - first;
  const { buffer, source } = origin;
  const own = buffer.byteLength <= 2 * length;
  let memory: Uint8Array;
  try {
    memory = own ? new Uint8Array(buffer) : new Uint8Array(buffer, first, length).slice();
  } catch {
    throw lostMemory();
  }
  const shift = own ? 0 : first - memory.byteOffset;
  const numbers = index.slice(start + 2 * from, last + 2);
  for (let i = 0; i < numbers.length; i += 2) numbers[i] = (numbers[i] as number) - shift;
  const place = new Origin(source, memory, copyNothing);
  return {
    origin: place,
    index: numbers,
    start: 0,
    length: to - from,
    seq: seq + from,
    deliveries,
  };
}

function amountOf(batch: ReceivedBatch<unknown>): Amount {
  return { messages: batch.length, bytes: batch.byteLength };
}

/** It has memory of its own already. */
const copyNothing = -1;
