import { describe, expect, it } from 'vitest';

import { useNet } from '../integration/net-queue/support/net.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';

const mebibyte = 1 << 20;

describe.each(tcpWorlds)('a stream that is larger than memory should be, $name', (world) => {
  const net = useNet(world);

  it.each([100, 10_000, 3 * mebibyte])(
    'arrives whole, in chunks of %i bytes, and takes less than 96 MiB on either side',
    async (chunk) => {
      const program = new URL('fixtures/chunks.mjs', import.meta.url);
      // Of small chunks fewer, for the sake of time.
      const setup = { bytes: chunk < 1000 ? 30 * mebibyte : 300 * mebibyte, chunk };
      const server = { ...net.serverOptions(), serializer: 'stream' };
      const receiver = net.child(program, { ...setup, role: 'receive', options: server });
      const { address } = await receiver.report('open');
      const client = { ...server, purpose: 'client', ...(address as object) };
      const sender = net.child(program, { ...setup, role: 'send', options: client });
      const sent = await sender.report('done');
      const received = await receiver.report('done');
      expect(received['digest']).toBe(sent['digest']);
      expect((sent['growth'] as number) / mebibyte, 'the sender').toBeLessThan(96);
      expect((received['growth'] as number) / mebibyte, 'the receiver').toBeLessThan(96);
    },
  );
});
