// A bad network: what passes between a client and its server goes through here, and is delivered as `Delivery` says.
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';

export type Direction = 'to server' | 'to client';

/** What the network does with bytes that came. */
export interface Delivery {
  /** How many of `left` bytes go next, in a packet of their own. */
  size(left: number): number;
  /** Milliseconds before the next packet; 0: at once. */
  pauseMs(): number;
  /** After so many bytes of a direction, `how` says what happens to the connection, and no byte more passes in that direction. */
  readonly stop?: {
    readonly direction: Direction;
    readonly bytes: number;
    readonly how: 'reset' | 'end' | 'half-close' | 'silence';
  };
}

export class Proxy {
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  readonly #delivery: Delivery;
  /** Bytes that passed. */
  readonly passed: Record<Direction, number> = { 'to server': 0, 'to client': 0 };

  /** Listens on a port of the loopback interface, for a server that listens on `port`. */
  static async open(port: number, delivery: Delivery): Promise<Proxy> {
    const proxy = new Proxy(port, delivery);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  constructor(port: number, delivery: Delivery) {
    this.#delivery = delivery;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          client.destroy();
          server.destroy();
        });
      }
      void this.#pass('to server', client, server);
      void this.#pass('to client', server, client);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #pass(direction: Direction, from: Socket, to: Socket): Promise<void> {
    const { stop } = this.#delivery;
    const most = stop?.direction === direction ? stop.bytes : Infinity;
    try {
      for await (const chunk of from) {
        const bytes = chunk as Buffer;
        for (let at = 0; at < bytes.length;) {
          const room = most - this.passed[direction];
          const size = Math.min(this.#delivery.size(bytes.length - at), bytes.length - at, room);
          if (size > 0 && !to.write(bytes.subarray(at, at + size))) await once(to, 'drain');
          at += size;
          this.passed[direction] += size;
          if (this.passed[direction] >= most) return this.#stop(from, to);
          const pauseMs = this.#delivery.pauseMs();
          // A turn of the loop between two writes makes two packets of them.
          if (pauseMs > 0) await delay(pauseMs);
          else await turn();
        }
      }
      to.end();
    } catch {
      from.destroy();
      to.destroy();
    }
  }

  #stop(from: Socket, to: Socket): void {
    switch (this.#delivery.stop?.how) {
      case 'reset':
        from.resetAndDestroy();
        to.resetAndDestroy();
        break;
      case 'end':
        from.end();
        to.end();
        break;
      case 'half-close':
        to.end();
        from.resume();
        break;
      case 'silence':
      case undefined:
        from.resume();
        break;
    }
  }
}
