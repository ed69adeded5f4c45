// One reproduction for each known defect. They are expected to fail; one that passes has been mended: take its `fails` away.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { useNet } from '../integration/net-queue/support/net.ts';
import { rejection, until } from '../integration/net-queue/support/waiting.ts';
import { control, data, Frame, hello, RawPeer } from '../integration/net-queue/support/wire.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';

describe.each(tcpWorlds)('known defects, $name', (world) => {
  const net = useNet(world);

  it.fails('acknowledges a large message only when it has come whole', async () => {
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

  it.fails("says 'unknown' of a message that the peer has", async () => {
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
});
