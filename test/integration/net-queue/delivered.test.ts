// What an acknowledgement promises, and `delivered` where there is none, at the edges.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, until } from './support/waiting.ts';
import { control, data, Frame, hello, RawPeer } from './support/wire.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.each(tcpWorlds)('delivery, $name', (world) => {
  const net = useNet(world);

  it('acknowledges a large message only when it has come whole', async () => {
    const server = await net.server<Uint8Array>();
    server.subscribe(() => {});
    const raw = new RawPeer(server.address()!);
    const acknowledged = (): number[] =>
      raw.frames.filter(({ type }) => type === Frame.ACK).map(({ seq }) => seq);
    const large = data(2, new Uint8Array(200_000));
    raw.write(hello(), data(1, new Uint8Array(10)), large.subarray(0, 100_000));
    await until(() => acknowledged().length > 0, 'an acknowledgement');
    expect(acknowledged()).toEqual([1]);
  });

  it("says 'unknown' of a message that the peer has", async () => {
    let peer: Socket | undefined;
    let received = 0;
    const listening = createServer((socket) => {
      peer = socket.on('error', () => {});
      socket.once('data', () => socket.write(hello()));
      socket.on('data', (bytes: Buffer) => (received += bytes.length));
    });
    await once(listening.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port } = listening.address() as AddressInfo;
      const options = { ...net.serverOptions<Uint8Array>(), purpose: 'client' as const, port };
      const client = net.early<Uint8Array>(options);
      await client.ready();
      const before = received;
      const first = client.put(new Uint8Array(1000));
      await until(() => received >= before + 1000, 'the first message');
      peer!.write(control(Frame.ACK, 1));
      await first;
      const second = client.put(new Uint8Array(1000));
      await until(() => received >= before + 2000, 'the second message');
      peer!.resetAndDestroy();
      // JavaScript is busy meanwhile, and learns of it by its next put.
      const end = performance.now() + 200;
      while (performance.now() < end);
      void client.put(new Uint8Array(10));
      expect((await rejection(second)).delivered).toBe('unknown');
    } finally {
      listening.close();
    }
  });

  it('ends a loop of puts when the peer is gone', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const data = new Uint8Array(1000);
    const loop = (async () => {
      for (;;) {
        if (client.needDrain) await client.writable();
        void client.put(data);
      }
    })();
    await server.getBatch();
    await server.close({ force: true });
    expect((await rejection(loop)).code).toBe('ERR_CHASKI_CLOSED');
    expect(client.needDrain).toBe(true);
  });
});
