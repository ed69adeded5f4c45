// A group of peers: their ids, and who of them is there.
import { randomUUID } from 'node:crypto';

import { isPlain } from '../shared/invalid.ts';
import { showAs } from '../shared/shown.ts';
import { groupClosed, invalid } from './failures.ts';
import { refuseWrong } from './options.ts';
import type { Packed } from '../shared/packed.ts';
import type { Members, PeerBook } from './peer-book.ts';
import type { Peer } from './peer.ts';
import type {
  Group,
  GroupPutOptions,
  GroupSendOptions,
  PutOptions,
  PutResult,
  Puttable,
  SendOptions,
} from './types.ts';

/** How a communicator puts. */
export interface Putting<T> {
  put(data: Puttable<T>, options: PutOptions): PutResult;
  putMany(messages: Iterable<Puttable<T>> | Packed, ...peers: string[]): PutResult;
  trySend(data: Puttable<T>, options: PutOptions): boolean;
  send(data: Puttable<T>, options: SendOptions): Promise<void>;
}

export class PeerGroup<T> implements Group<T>, Members {
  readonly id: string = randomUUID();
  readonly #book: PeerBook;
  readonly #putting: Putting<T>;
  readonly #ids: Set<string> = new Set();
  /** Who is there, as long as nobody comes or goes. */
  #present: readonly Peer[] = [];
  /** How many changes of the peers there had been then; less than 0: it is to be found out anew. */
  #seen = -1;

  static {
    showAs(this, 'Group', ({ id, peers }) => ({ id, peers }));
  }

  constructor(book: PeerBook, putting: Putting<T>, ids: readonly string[]) {
    this.#book = book;
    this.#putting = putting;
    this.#include(ids);
    book.groups.set(this.id, this);
  }

  get peers(): ReadonlySet<string> {
    return this.#ids;
  }

  get present(): readonly Peer[] {
    const book = this.#book;
    if (this.#seen !== book.changes) {
      this.#seen = book.changes;
      this.#present = [...this.#ids].flatMap((id) => book.stayingById(id) ?? []);
    }
    return this.#present;
  }

  add(...ids: string[]): this {
    if (this.#book.groups.get(this.id) !== this) throw groupClosed(this.id);
    this.#include(ids);
    return this;
  }

  delete(...ids: string[]): this {
    for (const id of ids) this.#ids.delete(id);
    this.#seen = -1;
    return this;
  }

  put(data: Puttable<T>, options?: GroupPutOptions): PutResult {
    return this.#putting.put(data, this.#toMembers(options));
  }

  putMany(messages: Iterable<Puttable<T>> | Packed): PutResult {
    return this.#putting.putMany(messages, this.id);
  }

  trySend(data: Puttable<T>, options?: GroupPutOptions): boolean {
    return this.#putting.trySend(data, this.#toMembers(options));
  }

  async send(data: Puttable<T>, options?: GroupSendOptions): Promise<void> {
    await this.#putting.send(data, this.#toMembers(options));
  }

  close(): void {
    this.#book.groups.delete(this.id);
    this.#ids.clear();
    this.#seen = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #include(ids: readonly string[]): void {
    for (const id of ids) {
      if (typeof id !== 'string') throw invalid('peer', id, 'the id of a peer, as text');
      if (this.#book.groups.has(id)) throw invalid('peer', id, 'the id of a peer, not of a group');
    }
    for (const id of ids) this.#ids.add(id);
    this.#seen = -1;
  }

  #toMembers<O extends GroupPutOptions>(options: O | undefined): O & { peers: string[] } {
    // Before it is copied: of what is no plain object nothing would be left.
    if (options !== undefined) {
      if (isPlain(options) && 'peers' in options) {
        throw invalid('options.peers', options.peers, 'left out: the group says to whom');
      }
      refuseWrong(options, groupNames);
    }
    return { ...(options as O), peers: [this.id] };
  }
}

const groupNames: readonly string[] = ['transfer', 'signal', 'timeoutMs'];
