// What native tells: what it means for the peers, the life of the communicator, and its listeners.
import type { NativeBinding, NativeEvent, QueueHandle } from '../binding/index.ts';
import { ChaskiError } from '../errors.ts';
import { nextTick } from '../shared/timers.ts';
import { tellLost, tellOpen } from './diagnostics.ts';
import { closed, fromNative, peerLeaving, renamed } from './failures.ts';
import type { Farewell } from './farewell.ts';
import type { Life } from '../shared/life.ts';
import { uuidBytes } from './options.ts';
import type { Settings } from './options.ts';
import type { PeerBook } from './peer-book.ts';
import { Peer } from './peer.ts';
import type { Sender } from './sender.ts';
import type { Address, CommunicatorEvents } from './types.ts';
import { Purpose } from './types.ts';

/** Tells listeners. Never throws. */
type Tell = <E extends keyof CommunicatorEvents>(
  event: E,
  ...values: CommunicatorEvents[E]
) => void;

/** The parts of a communicator that events act on. */
export interface EventTargets {
  readonly settings: Settings;
  readonly life: Life;
  readonly farewell: Farewell;
  readonly peers: PeerBook;
  readonly sender: Sender;
  /** Nothing of the peer that had this id will come any more. */
  readonly leave: (id: string, error: ChaskiError) => void;
  readonly tell: Tell;
}

/** What native tells, with what the peer was called before it: others may follow that change it. */
type Told = NativeEvent & { readonly was?: string };

export class NativeEvents {
  readonly #native: NativeBinding;
  readonly #handle: QueueHandle;
  readonly #targets: EventTargets;
  readonly #client: boolean;
  #address: Address | undefined = undefined;
  /** Events that were read; from `#next` on they are not told yet. */
  #events: Told[] = [];
  #next = 0;
  #telling = false;

  constructor(native: NativeBinding, handle: QueueHandle, targets: EventTargets) {
    this.#native = native;
    this.#handle = handle;
    this.#targets = targets;
    this.#client = targets.settings.purpose === Purpose.CLIENT;
  }

  /** Where the communicator listens, or what it is connected to, once that is known. */
  get address(): Address | undefined {
    return this.#address;
  }

  /** Takes native's events. Only what numbers mean is applied at once; the rest is told when the caller's work is done. */
  read(): void {
    const events = this.#native.queueEvents(this.#handle);
    const told = events.map((event): Told => {
      const was = this.#peerOf(event)?.id;
      if (event.kind === 'peer' || event.kind === 'back') this.#greet(event);
      else if (event.kind === 'dropped') {
        this.#peerOf(event)?.drop(event.first ?? 0, event.last ?? 0);
      } else if (event.kind === 'lost') {
        const peer = this.#peerOf(event);
        if (peer !== undefined) peer.lostBy ??= lossOf(event);
      }
      return was === undefined ? event : { ...event, was };
    });
    if (this.#next === this.#events.length && events.length > 0) nextTick(this.tell);
    for (const event of told) this.#add(event);
  }

  /** Tells what was read. */
  readonly tell = (): void => {
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (;;) {
        const event = this.#events[this.#next];
        if (event === undefined) break;
        this.#next += 1;
        this.#tell(event);
      }
      this.#events = [];
      this.#next = 0;
    } finally {
      this.#telling = false;
      // Only a defect throws here. It is reported, and takes no other event with it.
      if (this.#next < this.#events.length) nextTick(this.tell);
    }
  };

  /** The peer that native calls `number`; reads events first when it is new. */
  peer(number: number): Peer {
    const { peers } = this.#targets;
    const known = peers.byNumber(number);
    if (known !== undefined) return known;
    this.read();
    const peer = peers.byNumber(number);
    if (peer === undefined) {
      throw new ChaskiError(
        'ERR_CHASKI_INTERNAL',
        `The native part named the peer ${number}, which it never announced.`,
      );
    }
    return peer;
  }

  /** Drops of messages in a row are told as one. */
  #add(event: Told): void {
    const last = this.#events.at(-1);
    if (
      event.kind === 'dropped' &&
      last?.kind === 'dropped' &&
      last.peer === event.peer &&
      (last.last ?? 0) + 1 === event.first &&
      this.#next < this.#events.length
    ) {
      this.#events[this.#events.length - 1] = { ...last, last: event.last ?? 0 };
    } else {
      if (this.#next > 1024 && this.#next * 2 > this.#events.length) {
        this.#events = this.#events.slice(this.#next);
        this.#next = 0;
      }
      this.#events.push(event);
    }
  }

  #tell(event: Told): void {
    const { life, peers, sender, tell } = this.#targets;
    const peer = this.#peerOf(event);
    switch (event.kind) {
      case 'open':
        this.#address = addressOf(event);
        if (!this.#client) this.#open();
        break;
      case 'peer':
        if (peer === undefined) break;
        if (this.#client) this.#open();
        tell('ini', peer.id);
        break;
      case 'away':
        if (peer === undefined) break;
        peer.connected = false;
        tell('disconnect', event.was ?? peer.id, fromNative(event));
        break;
      case 'back':
        if (peer === undefined) break;
        peer.connected = true;
        this.#comeBack(event.was ?? '', event.id ?? '');
        break;
      case 'fin':
        if (peer === undefined) break;
        tell('fin', peer.id);
        // Who takes its leave waits for the others to do the same, with all that they had put by then.
        if (this.#client) {
          void life.close(this.#targets.settings.closeTimeoutMs, false);
        } else {
          peers.finish(peer, peerLeaving(peer.id));
          sender.finish(peer);
        }
        break;
      case 'lost':
        if (peer !== undefined) this.#lose(peer);
        break;
      case 'gone':
        if (peer === undefined) break;
        peers.forget(peer);
        peer.onForgotten?.();
        break;
      case 'dropped':
        if (peer === undefined) break;
        tell('dropped', peer.id, (event.last ?? 0) - (event.first ?? 0) + 1);
        break;
      case 'warning':
        tell('warning', fromNative(event));
        break;
      case 'failed':
        life.fail(fromNative(event));
        break;
      case 'closed':
        life.end();
        break;
    }
  }

  #open(): void {
    const { id, purpose } = this.#targets.settings;
    this.#targets.life.open(() => {
      tellOpen({ id, purpose, address: this.#address });
    });
  }

  #greet(event: NativeEvent): void {
    const { peers, sender, settings } = this.#targets;
    let peer = this.#peerOf(event);
    if (peer === undefined) {
      peer = new Peer(event.peer ?? 0, '', settings.maxMessageBytes);
      peers.add(peer);
      sender.add(peer);
    }
    peer.limit(Math.min(settings.maxMessageBytes, event.maxMessageBytes ?? Infinity));
    peer.acksFrames = event.ackProcessed === false;
    peer.share();
    if (event.kind === 'peer') {
      peer.connected = true;
      peer.begin(event.first ?? 1);
    }
    if (event.python === true) peer.ownId = uuidBytes(settings.id);
    const id = event.id ?? '';
    if (event.kind === 'back' && peer.id !== id) peer.rename(event.first ?? 1);
    peers.greet(peer, id);
  }

  /** A server that was started again may have another id: for its clients that is another peer. */
  #comeBack(was: string, id: string): void {
    const { leave, settings, tell } = this.#targets;
    if (was === id) {
      tell('reconnect', id);
      return;
    }
    const error = renamed(was, id);
    tellLost({ id: settings.id, purpose: settings.purpose, peer: was, error });
    leave(was, error);
    tell('lost', was, error);
    tell('ini', id);
  }

  #lose(peer: Peer): void {
    const { farewell, life, peers, sender, settings, tell } = this.#targets;
    const error = peer.lostBy;
    peer.connected = false;
    peers.lose(peer);
    sender.lose(peer, error ?? closed());
    farewell.lost(peer, error);
    const { id, purpose } = settings;
    tellLost({ id, purpose, peer: peer.id, error });
    // Without its server a client has nothing left to do.
    if (this.#client) life.abort(error);
    tell('lost', peer.id, error);
  }

  #peerOf(event: NativeEvent): Peer | undefined {
    return event.peer === undefined ? undefined : this.#targets.peers.byNumber(event.peer);
  }
}

/** Undefined when the peer left in order. */
function lossOf(event: NativeEvent): ChaskiError | undefined {
  return event.code === '' ? undefined : fromNative(event);
}

function addressOf({ host, port, path }: NativeEvent): Address {
  return path === undefined || path === '' ? { host: host ?? '', port: port ?? 0 } : { path };
}
