// Where the suite runs: on both hosts of the reactor, over both kinds of socket. CHASKI_HOST narrows it to one host.
import { Protocol } from 'chaski/net-queue';

type Host = 'thread' | 'loop';

export interface World {
  readonly name: string;
  readonly host: Host;
  readonly protocol: Protocol;
}

const forced = process.env['CHASKI_HOST'];

const hosts: readonly Host[] = (['thread', 'loop'] as const).filter(
  (host) => forced === undefined || forced === '' || forced === host,
);

export const worlds: readonly World[] = hosts.flatMap((host) =>
  [Protocol.TCP, Protocol.UNIX].map((protocol) => world(host, protocol)),
);

/** Where the kind of socket makes no difference to what is tested. */
export const tcpWorlds: readonly World[] = hosts.map((host) => world(host, Protocol.TCP));

function world(host: Host, protocol: Protocol): World {
  return { name: `${host} host, ${protocol}`, host, protocol };
}
