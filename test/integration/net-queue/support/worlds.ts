// Where the suite runs: on both hosts of the reactor, over both kinds of socket, and over TLS. CHASKI_HOST narrows it to one host.
import { Protocol } from 'chaski/net-queue';

type Host = 'thread' | 'loop';

export interface World {
  readonly name: string;
  readonly host: Host;
  readonly protocol: Protocol;
  /** Everything is sent over TLS. */
  readonly secured: boolean;
  /** Threads of a server. */
  readonly workers?: number;
}

const forced = process.env['CHASKI_HOST'];

const hosts: readonly Host[] = (['thread', 'loop'] as const).filter(
  (host) => forced === undefined || forced === '' || forced === host,
);

/** For tests that look at the bytes, or choose themselves whether there is TLS. */
export const plainWorlds: readonly World[] = hosts.flatMap((host) =>
  [Protocol.TCP, Protocol.UNIX].map((protocol) => world(host, protocol)),
);

/** TLS is the same over both kinds of socket, so it is tried on one. */
export const securedWorlds: readonly World[] = hosts.map((host) => world(host, Protocol.TCP, true));

export const worlds: readonly World[] = [...plainWorlds, ...securedWorlds];

/** Where the kind of socket makes no difference to what is tested. */
export const tcpWorlds: readonly World[] = hosts.map((host) => world(host, Protocol.TCP));

/** A server of several threads. They are the same over every kind of socket. */
export const threadedWorlds: readonly World[] = hosts
  .flatMap((host) =>
    host === 'thread' ? [world(host, Protocol.TCP), world(host, Protocol.TCP, true)] : [],
  )
  .map((single) => ({ ...single, name: `${single.name}, 4 workers`, workers: 4 }));

function world(host: Host, protocol: Protocol, secured: boolean = false): World {
  return { name: `${host} host, ${protocol}${secured ? ' and TLS' : ''}`, host, protocol, secured };
}
