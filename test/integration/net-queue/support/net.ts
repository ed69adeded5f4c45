// Servers, clients and processes of one test, all gone when it ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create, open, Protocol, Purpose } from 'chaski/net-queue';
import type { Communicator, OpenOptions, SecurityOptions } from 'chaski/net-queue';
import { afterEach } from 'vitest';

import { trust } from './certificates.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import { soon, until } from './waiting.ts';
import { RawPeer } from './wire.ts';
import type { World } from './worlds.ts';

export interface Pair<T> {
  readonly server: Communicator<T>;
  readonly client: Communicator<T>;
}

export class Net {
  readonly world: World;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #children: Child[] = [];
  #directory: string | undefined;
  #paths = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** A path for a socket file that nobody uses. */
  path(): string {
    this.#directory ??= mkdtempSync(join(tmpdir(), 'chaski-'));
    this.#paths += 1;
    return join(this.#directory, `${this.#paths}.sock`);
  }

  /** Options of a server of this world at a place of its own. */
  serverOptions<T>(options: OpenOptions<T> = {}): OpenOptions<T> {
    const { host, protocol, workers = 1 } = this.world;
    const place = protocol === Protocol.UNIX ? { path: this.path() } : { port: 0 };
    const own = { protocol, purpose: Purpose.SERVER, runOn: host, workers, ...quiet, ...place };
    return { ...own, ...this.#security(), ...options };
  }

  /** Options of a client that finds nobody: no server is at the first port of the machine, or at a path of its own. */
  lonelyOptions<T>(options: OpenOptions<T> = {}): OpenOptions<T> {
    const nowhere = this.world.protocol === Protocol.UNIX ? {} : { port: 1 };
    return { ...this.serverOptions<T>({ purpose: Purpose.CLIENT }), ...nowhere, ...options };
  }

  /** Options of a client that finds `server`. */
  clientOptions<T>(server: Communicator<T>, options: OpenOptions<T> = {}): OpenOptions<T> {
    const { host, protocol } = this.world;
    const place = server.address();
    const own = { protocol, purpose: Purpose.CLIENT, runOn: host, ...quiet, ...place };
    return { ...own, ...this.#security(), ...options };
  }

  async server<T = unknown>(options: OpenOptions<T> = {}): Promise<Communicator<T>> {
    return this.keep(await soon(open<T>(this.serverOptions(options)), 'opening a server'));
  }

  async client<T>(server: Communicator<T>, options: OpenOptions<T> = {}): Promise<Communicator<T>> {
    return this.keep(await soon(open<T>(this.clientOptions(server, options)), 'opening a client'));
  }

  /** A client that is not connected yet. */
  early<T>(options: OpenOptions<T>): Communicator<T> {
    return this.keep(create<T>({ ...this.#security(), ...options }));
  }

  /** A connection driven by hand. */
  raw(place: object, options: { reads?: boolean } = {}): RawPeer {
    return new RawPeer(place, { ...options, ...this.#security() });
  }

  #security(): { security?: SecurityOptions } {
    return this.world.secured ? { security: secured() } : {};
  }

  /** A server and a client that know of each other. */
  async pair<T = unknown>(
    options: { server?: OpenOptions<T>; client?: OpenOptions<T> } = {},
  ): Promise<Pair<T>> {
    const server = await this.server<T>(options.server);
    const client = await this.client<T>(server, options.client);
    await until(() => server.peers.has(client.id), 'the server hears of its client');
    return { server, client };
  }

  child(program: string | URL, setup: object = {}, options: ChildOptions = {}): Child {
    const child = new Child(program, { host: this.world.host, ...setup }, options);
    this.#children.push(child);
    return child;
  }

  keep<T>(communicator: Communicator<T>): Communicator<T> {
    this.#closers.push(() => communicator.close({ force: true }));
    return communicator;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#children.splice(0).map((child) => child.kill()));
    const closing = this.#closers.splice(0).map((close) => close());
    await soon(Promise.all(closing), 'closing by force after a test');
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
  }
}

/** A net for the tests of a `describe`, emptied after each of them. */
export function useNet(world: World): Net {
  const net = new Net(world);
  afterEach(async () => {
    await net.dispose();
  });
  return net;
}

let identity: SecurityOptions | undefined;

/** What both sides of a secured world are opened with. Text, so that other processes can be told. */
function secured(): SecurityOptions {
  if (identity === undefined) {
    const { ca, server } = trust();
    identity = { key: server.key, cert: server.cert, ca: ca.cert };
  }
  return identity;
}

/** No signs of life: they would wake what sleeps although it has work to do, and hide that. */
const quiet = { keepAliveMs: 0, sessionTimeoutMs: 0 };
