// The peers of a communicator, by the number that native gave, and by id.
import type { ChaskiError } from '../errors.ts';
import { invalid, notConnected } from './failures.ts';
import type { Peer } from './peer.ts';

/** A group of peers, which has an id as they have. */
export interface Members {
  /** Those of them that can be put to, each once. */
  readonly present: readonly Peer[];
}

export class PeerBook {
  /** Groups, by id. */
  readonly groups: Map<string, Members> = new Map();
  /** How often somebody came or went. */
  changes: number = 0;
  readonly #byNumber: Map<number, Peer> = new Map();
  readonly #byId: Map<string, Peer> = new Map();
  readonly #live: Set<string> = new Set();
  readonly #server: Peer | undefined;
  #everyone: readonly Peer[] | undefined = undefined;
  /** The only one to whom a put without ids goes, if there is only one. */
  only: Peer | undefined;

  /** `server`: that of a client. It can be put to before it is connected. */
  constructor(server: Peer | undefined) {
    this.#server = server;
    this.only = server;
    if (server !== undefined) this.add(server);
  }

  /** Ids of the peers that are connected; it changes as they come and go. */
  get live(): ReadonlySet<string> {
    return this.#live;
  }

  /** The peers to which a put without ids goes: the server, or all that are connected and not about to leave. */
  get everyone(): readonly Peer[] {
    return this.#server?.target.peers ?? this.#staying;
  }

  /** All that native may still name. */
  get all(): readonly Peer[] {
    return [...this.#byNumber.values()];
  }

  byNumber(number: number): Peer | undefined {
    return this.#byNumber.get(number);
  }

  /** Also one that is lost, while it may have left messages to get. */
  byId(id: string): Peer | undefined {
    return this.#byId.get(id);
  }

  /** Also the server of a client, by an id that it had when it sent what may still be there. */
  senderById(id: string): Peer | undefined {
    const server = this.#server;
    return (
      this.#byId.get(id) ?? (server?.former.some((each) => each.id === id) ? server : undefined)
    );
  }

  /** A connected one. */
  liveById(id: string): Peer | undefined {
    const peer = this.#byId.get(id);
    return peer?.gone === undefined ? peer : undefined;
  }

  /** One that is connected and not about to leave. */
  stayingById(id: string): Peer | undefined {
    const peer = this.liveById(id);
    return peer?.barred === false ? peer : undefined;
  }

  /** The connected peers that `ids` name, themselves or by their group, each once; and those ids that name none. */
  resolve(ids: readonly unknown[]): [readonly Peer[], string[]] {
    const group = ids.length === 1 ? this.groups.get(ids[0] as string) : undefined;
    if (group !== undefined) return [group.present, []];
    const found = new Set<Peer>();
    const unknown: string[] = [];
    for (const id of new Set(ids)) {
      if (typeof id !== 'string')
        throw invalid('peer', id, 'the id of a peer, as text (of a message: message.peer)');
      const peer = this.liveById(id);
      if (peer !== undefined) {
        found.add(peer);
        continue;
      }
      const members = this.groups.get(id);
      if (members === undefined) unknown.push(id);
      else for (const member of members.present) found.add(member);
    }
    return [[...found], unknown];
  }

  /**
   * The peers that `ids` name.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_CONNECTED` when one is not connected, `_INVALID_ARGUMENT`.
   */
  named(ids: readonly string[]): readonly Peer[] {
    const [found, unknown] = this.resolve(ids);
    if (unknown.length > 0) throw notConnected(unknown[0]);
    return found;
  }

  add(peer: Peer): void {
    this.#byNumber.set(peer.number, peer);
  }

  /** The peer's handshake is done: it has an id, which the server of a client may have changed since the last one. */
  greet(peer: Peer, id: string): void {
    if (peer.id !== id && this.#byId.get(peer.id) === peer) {
      this.#byId.delete(peer.id);
      this.#live.delete(peer.id);
    }
    peer.id = id;
    this.#byId.set(id, peer);
    this.#live.add(id);
    this.#change();
  }

  /** It takes its leave: nothing more is put to it. */
  finish(peer: Peer, reason: ChaskiError): void {
    peer.bar(reason);
    this.#change();
  }

  /** Not connected any more. */
  lose(peer: Peer): void {
    if (this.#byId.get(peer.id) === peer) this.#live.delete(peer.id);
    this.#change();
  }

  /** Native has forgotten it. */
  forget(peer: Peer): void {
    this.#byNumber.delete(peer.number);
    if (this.#byId.get(peer.id) === peer) this.#byId.delete(peer.id);
    this.#change();
  }

  get #staying(): readonly Peer[] {
    this.#everyone ??= [...this.#byNumber.values()].filter(
      (peer) => !peer.barred && this.#byId.get(peer.id) === peer && this.#live.has(peer.id),
    );
    return this.#everyone;
  }

  #change(): void {
    this.#everyone = undefined;
    this.changes += 1;
    if (this.#server !== undefined) return;
    this.only = this.#live.size === 1 ? this.everyone[0] : undefined;
  }
}
