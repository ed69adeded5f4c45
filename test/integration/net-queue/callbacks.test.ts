import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { until } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.each(tcpWorlds)('the callbacks of a put, $name', (world) => {
  const net = useNet(world);

  it('are never called in the middle of another put, so that they can put themselves', async () => {
    const { client } = await net.pair({
      server: { highWaterMark: { messages: 1 } },
      client: { onFull: 'drop-oldest', highWaterMark: { messages: 4 } },
    });
    let putting = 0;
    let nested = 0;
    let retries = 0;
    const put = (value: number): void => {
      putting += 1;
      client.put(value).then(undefined, () => {
        if (putting > 0) nested += 1;
        if (retries < 100) {
          retries += 1;
          put(value);
        }
      });
      putting -= 1;
    };
    for (let i = 0; i < 100; i += 1) put(i);
    await until(() => retries === 100, 'a hundred retries');
    expect(nested).toBe(0);
  });
});
