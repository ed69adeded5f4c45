// Puts of a communicator with serializer 'stream': each message is a stream, which goes in chunks as there is room for them.
import { chunkHead, lastStream, longestChunk } from '../codec/index.ts';
import type { ChaskiError } from '../errors.ts';
import { invalid, notConnected } from './failures.ts';
import { Outflow } from './outflow.ts';
import type { OutflowHost } from './outflow.ts';
import type { Peer } from './peer.ts';
import { RefusedResult } from './put-result.ts';
import type { PartResult } from './put-result.ts';
import type { Puts } from './puts.ts';
import { resultOf } from './sender.ts';
import type { Sender } from './sender.ts';
import { StreamLine } from './stream-line.ts';
import { sourceOf } from './stream-source.ts';
import type { Packed } from '../shared/packed.ts';
import type { PutResult } from './types.ts';

export class StreamSender implements Puts {
  readonly #sender: Sender;
  readonly #host: OutflowHost;
  readonly #lines: WeakMap<Peer, StreamLine> = new WeakMap();
  /** Of which not all is put. */
  readonly #sending: Set<Outflow> = new Set();
  readonly #unsettled: Set<Outflow> = new Set();
  #idle: (() => void)[] = [];
  #numbers = 0;
  #closed: (() => ChaskiError) | undefined = undefined;

  constructor(sender: Sender) {
    this.#sender = sender;
    this.#host = {
      sender,
      scratch: new Uint8Array(chunkHead + longestChunk),
      line: (peer) => {
        let line = this.#lines.get(peer);
        if (line === undefined) this.#lines.set(peer, (line = new StreamLine()));
        return line;
      },
      number: () => {
        this.#numbers = (this.#numbers % lastStream) + 1;
        return this.#numbers;
      },
      sent: (flow) => {
        this.#sending.delete(flow);
      },
      settled: (flow) => {
        this.#unsettled.delete(flow);
        this.#tellIdle();
      },
    };
  }

  put(peer: Peer, data: unknown): PutResult {
    return this.putEach([peer], [], data);
  }

  putEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult {
    const source = sourceOf(data);
    if (this.#closed !== undefined || peers.length + unknown.length === 0) {
      source.close();
      return new RefusedResult('', this.#closed ?? (() => notConnected(undefined)));
    }
    const flow = new Outflow(this.#host, source, peers);
    const parts: PartResult[] = [...flow.parts];
    const ids = peers.map(({ id }) => id);
    for (const id of unknown) {
      ids.push(id);
      parts.push(new RefusedResult(id, () => notConnected(id)));
    }
    if (peers.length === 0) source.close();
    else this.#start(flow);
    return resultOf(ids, parts);
  }

  giveEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult {
    // It refuses.
    return this.#sender.giveEach(peers, unknown, data);
  }

  tryPut(peers: readonly Peer[], data: unknown): boolean {
    if (this.#closed !== undefined || peers.length === 0) return false;
    if (!peers.every((peer) => peer.room.waiting === 0 && this.#sender.hasRoom(peer))) return false;
    void this.putEach(peers, [], data);
    return true;
  }

  tryGive(peers: readonly Peer[], data: unknown): boolean {
    return this.#sender.tryGive(peers, data);
  }

  putPacked(peers: readonly Peer[], packed: Packed): PutResult {
    return this.#sender.putPacked(peers, packed);
  }

  putAll(_peers: readonly Peer[], items: Iterable<unknown>): PutResult {
    throw invalid('messages', items, "put one by one with serializer 'stream', each a stream");
  }

  /** Resolves when nothing that was put is under way any more. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#tellIdle();
    });
  }

  /** Whether something of what was put is not put in whole. */
  get busy(): boolean {
    return this.#sending.size > 0;
  }

  /** Takes no more streams; those that were begun go on. */
  close(reason: () => ChaskiError): void {
    this.#closed ??= reason;
  }

  /** Ends what is under way, and tells who gets it. */
  abort(reason: ChaskiError): void {
    for (const flow of this.#sending) {
      for (const part of flow.parts) flow.stop(part, () => reason);
    }
  }

  #start(flow: Outflow): void {
    this.#unsettled.add(flow);
    this.#sending.add(flow);
    void flow.start();
  }

  #tellIdle(): void {
    if (this.#unsettled.size > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const tell of idle) tell();
  }
}
