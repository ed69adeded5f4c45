import { describe, expect, it } from 'vitest';

import { useNet } from '../integration/net-queue/support/net.ts';
import { tcpWorlds } from '../integration/net-queue/support/worlds.ts';

const mebibyte = 1 << 20;
const exposed = { execArgv: ['--expose-gc'] };

describe.each(tcpWorlds)('memory while the consumer rests, $name', (world) => {
  const net = useNet(world);

  it.each([
    ['put', 64, false],
    ['put', 1024, false],
    ['put', 1024, true],
    ['put', 64 * 1024, false],
    ['put', 64 * 1024, true],
    ['put', mebibyte, true],
    ['trySend', 64, false],
    ['trySend', 1024, true],
    ['trySend', 64 * 1024, false],
    ['trySend', mebibyte, true],
  ] as const)(
    'grows by at most 64 MiB on either side: %s of %i bytes, turns of the loop in between: %s',
    async (how, length, turns) => {
      const receiver = net.child(
        new URL('fixtures/receiver.mjs', import.meta.url),
        { options: net.serverOptions(), consume: 'rest' },
        exposed,
      );
      const { address } = await receiver.report('open');
      const before = await memory();
      const options = { ...net.serverOptions(), purpose: 'client', ...(address as object) };
      const sender = net.child(
        new URL('fixtures/sender.mjs', import.meta.url),
        { options, length },
        exposed,
      );
      await sender.report('open');
      // Of small ones fewer, for the sake of time.
      const bytes = length < 1000 ? 512 * mebibyte : 2048 * mebibyte;
      sender.tell({ is: 'offer', bytes, how, turns });
      const { growth } = (await sender.report('offered')) as unknown as { growth: number };
      expect(growth / mebibyte, 'the sender').toBeLessThan(64);
      expect((await memory()) - before, 'the receiver').toBeLessThan(64 * mebibyte);

      async function memory(): Promise<number> {
        receiver.tell({ is: 'memory' });
        return (await receiver.report('memory'))['peak'] as number;
      }
    },
  );
});
