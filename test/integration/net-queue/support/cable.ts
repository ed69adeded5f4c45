// What lies between a client and its server, to be cut, pulled out and plugged in again by a test.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export class Cable {
  readonly #listener: Server;
  readonly #pairs: Set<readonly [Socket, Socket]> = new Set();
  #port: number;
  #silent = false;
  /** Connections that were made through it. */
  connections = 0;

  /** Leads to `port` on this machine. */
  static async to(port: number): Promise<Cable> {
    const cable = new Cable(port);
    await once(cable.#listener.listen(0, '127.0.0.1'), 'listening');
    return cable;
  }

  constructor(port: number) {
    this.#port = port;
    this.#listener = createServer({ noDelay: true }, (near) => {
      this.#plug(near);
    });
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** New connections lead to another port. */
  lead(port: number): void {
    this.#port = port;
  }

  /** Every connection is reset; new ones can be made at once. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Both sides are told that the other one has hung up, or one of them only. */
  end(which: 'both' | 'near' | 'far'): void {
    for (const [near, far] of this.#pairs) {
      if (which !== 'far') near.end();
      if (which !== 'near') far.end();
    }
  }

  /** No byte passes any more, and nobody hears why. New connections are as silent. */
  pull(): void {
    this.#silent = true;
    for (const sockets of this.#pairs) for (const socket of sockets) socket.pause();
  }

  /** New connections pass again; the old ones stay dead. */
  plug(): void {
    this.#silent = false;
  }

  close(): void {
    this.#listener.close();
    this.cut();
  }

  #plug(near: Socket): void {
    this.connections += 1;
    const far = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('error', () => {});
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => {
        if (!this.#silent) from.resume();
      });
      from.on('close', () => {
        this.#pairs.delete(pair);
        if (from.errored === null) to.end();
        else to.resetAndDestroy();
      });
      if (this.#silent) from.pause();
    }
  }
}
