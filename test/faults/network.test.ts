// A bad network between a client and its server: slow, in single bytes, cut, closed by half, or silent.
import type { Communicator } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { useNet } from '../integration/net-queue/support/net.ts';
import { soon, until } from '../integration/net-queue/support/waiting.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';
import { Chance } from './support/chance.ts';
import { Proxy } from './support/proxy.ts';
import type { Delivery } from './support/proxy.ts';
import { Arrivals, Putting } from './support/stream.ts';

const directions = ['to server', 'to client'] as const;
const whole: Delivery = { size: (left) => left, pauseMs: () => 0 };

describe.each(tcpWorlds)('a bad network, $name', (world) => {
  const net = useNet(world);
  const proxies: Proxy[] = [];

  afterEach(() => {
    for (const proxy of proxies.splice(0)) proxy.close();
  });

  /** A client that reaches `server` through the network. */
  async function through(server: Communicator<Uint8Array>, delivery: Delivery, options = {}) {
    const { port } = server.address() as { port: number };
    const proxy = await Proxy.open(port, delivery);
    proxies.push(proxy);
    return net.early<Uint8Array>({
      ...net.clientOptions<Uint8Array>(server, options),
      port: proxy.port,
    });
  }

  async function receiving(options = {}) {
    const server = await net.server<Uint8Array>(options);
    const arrivals = new Arrivals();
    server.subscribe((bytes, peer) => {
      arrivals.take(peer, bytes);
    });
    return { server, arrivals };
  }

  it('that delivers byte by byte delivers all the same', async () => {
    const { server, arrivals } = await receiving();
    const client = await through(server, { ...whole, size: () => 1 });
    const back = new Arrivals();
    client.subscribe((bytes, peer) => {
      back.take(peer, bytes);
    });
    const chance = new Chance(`bytes ${world.name}`);
    const putting = new Putting(client, chance, 200);
    await until(() => server.peers.has(client.id), 'the handshake', 20_000);
    const answering = new Putting(server, chance, 200);
    await soon(Promise.all([putting.done, answering.done]), 'all puts', 60_000);
    expect([putting.acknowledged, answering.acknowledged]).toEqual([199, 199]);
    await until(() => arrivals.of(client.id) === 200 && back.of(server.id) === 200, 'all messages');
    await soon(client.close(), 'the close');
    expect([...arrivals.wrong, ...back.wrong]).toEqual([]);
  });

  it('that is slow and irregular delivers all the same', async () => {
    const chance = new Chance(`slow ${world.name}`);
    const { server, arrivals } = await receiving({ highWaterMark: { bytes: 100_000 } });
    const client = await through(
      server,
      {
        size: (left) => chance.integer(1, chance.of([7, 100, 70_000, left])),
        pauseMs: () => (chance.next() < 0.05 ? chance.integer(1, 5) : 0),
      },
      { highWaterMark: { bytes: 100_000 } },
    );
    const putting = new Putting(client, chance, 5000);
    await soon(putting.done, 'all puts', 60_000);
    expect(putting).toMatchObject({ acknowledged: 4999, codes: new Set() });
    await until(() => arrivals.of(client.id) === 5000, 'all messages');
    await soon(client.close(), 'the close');
    expect(arrivals.wrong).toEqual([]);
  });

  it.each([
    ['reset', 15],
    ['end', 15],
    ['half-close', 15],
    ['silence', 4],
  ] as const)(
    'that ends in %s, at any byte, ends both sides and loses nothing that was acknowledged',
    async (how, rounds) => {
      const chance = new Chance(`${how} ${world.name}`);
      const impatient = { keepAliveMs: 100, idleTimeoutMs: 500, handshakeTimeoutMs: 1000 };
      const { server, arrivals } = await receiving(impatient);
      server.on('warning', () => {});
      for (let round = 0; round < rounds; round += 1) {
        const direction = chance.of(directions);
        // Also inside of the handshake, and of the acknowledgements, which take few bytes.
        const bytes = chance.integer(
          1,
          chance.of(direction === 'to server' ? [60, 10_000, 1_000_000] : [60, 3000]),
        );
        const stop = { direction, bytes, how };
        const client = await through(
          server,
          { ...whole, stop },
          { ...impatient, connectTimeoutMs: 2000 },
        );
        const putting = new Putting(client, chance);
        await until(() => client.closed, `the end of the client after ${bytes} bytes ${direction}`);
        await soon(putting.done, 'every put is settled');
        await until(() => !server.peers.has(client.id), 'the server lets it go');
        await until(() => arrivals.of(client.id) > putting.acknowledged, 'what was acknowledged');
        expect(arrivals.wrong).toEqual([]);
        const arrived = arrivals.of(client.id);
        expect(putting.undelivered.filter((number) => number < arrived)).toEqual([]);
      }
      const last = await net.client(server, impatient);
      await soon(new Putting(last, chance, 10).done, 'a put over a good network');
      await until(() => arrivals.of(last.id) === 10, 'its messages');
    },
  );
});
