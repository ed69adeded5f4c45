// What append() returns. It is a promise in all but cost: two fields until somebody looks.
import type { ChaskiError } from '../errors.ts';
import { ofTopic } from './failures.ts';
import type { Load } from './load.ts';
import type { Appended, AppendedPart, AppendResult } from './types.ts';

/** Records of one hand-over that went into one partition as one batch. */
export class Part implements AppendedPart {
  readonly partition: number;
  readonly count: number;
  /** −1: not known. */
  offset: number;
  /** 'pending', or why they were not stored, or undefined: acknowledged. */
  outcome: 'pending' | ChaskiError | undefined = 'pending';
  readonly #shipment: Shipment;

  constructor(shipment: Shipment, partition: number, offset: number, count: number) {
    this.#shipment = shipment;
    this.partition = partition;
    this.offset = offset;
    this.count = count;
  }

  /** They are acknowledged, or why not. `base` is the offset of the first, where that was not known before. */
  settle(base: number, error: ChaskiError | undefined): void {
    if (this.outcome !== 'pending') return;
    if (base >= 0) this.offset = base;
    this.outcome = error && this.#shipment.told(error);
    this.#shipment.settled(this);
  }
}

type Heard = (outcome: ChaskiError | undefined) => void;

/** Records that are handed to native together, and what becomes of them. */
export class Shipment {
  /** Empty until native has them. */
  parts: readonly Part[] = [];
  /** Which part each record is in; empty: there is one. */
  #places: Uint32Array = nowhere;
  /** Why none of it was stored. */
  #failure: ChaskiError | undefined = undefined;
  #waiting: { readonly place: number; readonly heard: Heard }[] = [];
  #left = 0;
  readonly #topic: string;
  readonly #load: Load;
  /** Its part of the load. */
  #weight = 0;
  #onSettled: (() => void) | undefined = undefined;

  constructor(topic: string, load: Load) {
    this.#topic = topic;
    this.#load = load;
  }

  /** It has so many bytes more. */
  carry(bytes: number): void {
    this.#weight += bytes;
    this.#load.add(bytes);
  }

  /** Native has them, in these parts. */
  sent(parts: readonly Part[], places: Uint32Array): void {
    this.parts = parts;
    this.#places = places;
    this.#left = parts.length;
  }

  /** None of them is stored. */
  fail(error: ChaskiError): void {
    this.#failure = this.told(error);
    this.#unload();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { heard } of waiting) heard(this.#failure);
    this.#onSettled?.();
  }

  /** @internal A part of it is. */
  settled(part: Part): void {
    this.#left -= 1;
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      for (const one of waiting) {
        if (this.#partOf(one.place) === part) one.heard(part.outcome as ChaskiError | undefined);
        else this.#waiting.push(one);
      }
    }
    if (this.#left > 0) return;
    this.#unload();
    this.#onSettled?.();
  }

  /** @internal `error`, as users are told of it. */
  told(error: ChaskiError): ChaskiError {
    return ofTopic(this.#topic, error);
  }

  /** What has become of the record at `place`. */
  outcome(place: number): 'pending' | ChaskiError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const part = this.#partOf(place);
    return part === undefined ? 'pending' : part.outcome;
  }

  /** Calls `heard` once the record at `place`, which is pending, is not any more. */
  when(place: number, heard: Heard): void {
    this.#waiting.push({ place, heard });
  }

  /** Where the record at `place` is. */
  at(place: number): Appended {
    const part = this.#partOf(place) as Part;
    return { partition: part.partition, offset: part.offset < 0 ? -1 : this.#offset(part, place) };
  }

  /** Resolves when all of it is acknowledged, and rejects with what was told first of those that are not. */
  async whole(): Promise<readonly Part[]> {
    if (this.#failure === undefined && (this.parts.length === 0 || this.#left > 0)) {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    for (const { outcome } of this.parts) if (outcome !== undefined) throw outcome as ChaskiError;
    return this.parts;
  }

  #unload(): void {
    this.#load.remove(this.#weight);
    this.#weight = 0;
  }

  #partOf(place: number): Part | undefined {
    return this.parts[this.#places.length === 0 ? 0 : (this.#places[place] as number)];
  }

  #offset(part: Part, place: number): number {
    const places = this.#places;
    if (places.length === 0) return part.offset + place;
    const own = places[place];
    let before = 0;
    for (let i = 0; i < place; i += 1) if (places[i] === own) before += 1;
    return part.offset + before;
  }
}

/** A record of a shipment. */
export class RecordResult implements AppendResult {
  readonly #shipment: Shipment;
  readonly #place: number;

  constructor(shipment: Shipment, place: number) {
    this.#shipment = shipment;
    this.#place = place;
  }

  get [Symbol.toStringTag](): string {
    return 'Promise';
  }

  get acked(): boolean {
    return this.#shipment.outcome(this.#place) === undefined;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise.
  then<A = Appended, B = never>(
    onFulfilled?: ((value: Appended) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#real().then(onFulfilled, onRejected);
  }

  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<Appended | B> {
    return this.#real().catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<Appended> {
    return this.#real().finally(onFinally);
  }

  #real(): Promise<Appended> {
    const shipment = this.#shipment;
    const place = this.#place;
    const outcome = shipment.outcome(place);
    if (outcome === undefined) return Promise.resolve(shipment.at(place));
    if (outcome !== 'pending') return Promise.reject<Appended>(outcome);
    return new Promise<Appended>((resolve, reject) => {
      shipment.when(place, (error) => {
        if (error === undefined) resolve(shipment.at(place));
        else reject(error);
      });
    });
  }
}

const nowhere = new Uint32Array(0);
