// The peers of a communicator, by the number that native gave, and by id.
import type { Peer } from './peer.ts';

export class PeerBook {
  readonly #byNumber: Map<number, Peer> = new Map();
  readonly #byId: Map<string, Peer> = new Map();
  readonly #live: Set<string> = new Set();
  #everyone: readonly Peer[] | undefined = undefined;

  /** Ids of the peers that are connected; it changes as they come and go. */
  get live(): ReadonlySet<string> {
    return this.#live;
  }

  /** The peers that are connected. */
  get everyone(): readonly Peer[] {
    this.#everyone ??= [...this.#byNumber.values()].filter(
      (peer) => this.#byId.get(peer.id) === peer && this.#live.has(peer.id),
    );
    return this.#everyone;
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

  /** A connected one. */
  liveById(id: string): Peer | undefined {
    const peer = this.#byId.get(id);
    return peer?.gone === undefined ? peer : undefined;
  }

  add(peer: Peer): void {
    this.#byNumber.set(peer.number, peer);
  }

  /** The peer's handshake is done: it has an id. */
  greet(peer: Peer, id: string): void {
    peer.id = id;
    this.#byId.set(id, peer);
    this.#live.add(id);
    this.#everyone = undefined;
  }

  /** Not connected any more. */
  lose(peer: Peer): void {
    if (this.#byId.get(peer.id) === peer) this.#live.delete(peer.id);
    this.#everyone = undefined;
  }

  /** Native has forgotten it. */
  forget(peer: Peer): void {
    this.#byNumber.delete(peer.number);
    if (this.#byId.get(peer.id) === peer) this.#byId.delete(peer.id);
    this.#everyone = undefined;
  }
}
