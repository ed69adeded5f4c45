import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { numberIn } from './support/payloads.ts';
import { soon, turn, until } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

const loops = worlds.filter(({ host }) => host === 'loop');
const patienceMs = 60_000;

describe.each(loops)('an event loop without time, $name', (world) => {
  const net = useNet(world);

  it('lends its reactor, gets it back when it is idle, and lends it again; each message arrives once', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    let next = 0;
    const wrong: number[] = [];
    server.subscribe((bytes) => {
      if (numberIn(bytes) !== next) wrong.push(numberIn(bytes));
      next += 1;
    });
    let count = 0;
    for (let loan = 0; loan < 3; loan += 1) {
      await givenBack(client);
      count = await soon(putUntilLent(client, count), 'a loan', patienceMs);
      await until(() => next >= count, 'all arrive', patienceMs);
    }
    expect(wrong).toEqual([]);
    expect(next).toBe(count);
  });

  it('closes in order while its reactor is lent', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    let got = 0;
    const reading = (async () => {
      for await (const { bytes } of server) got += numberIn(bytes) === got ? 1 : 0;
    })();
    await givenBack(client);
    const count = await soon(putUntilLent(client, 0), 'a loan', patienceMs);
    await client.close();
    await server.close();
    await reading;
    expect(got).toBe(count);
  });
});

/** Puts numbered messages, from `count` on, as many as there is room for, until the reactor is lent. */
async function putUntilLent(client: Communicator<Uint8Array>, count: number): Promise<number> {
  const { loans: before } = client.stats();
  // Long ones: for short ones JavaScript has more to do than the reactor.
  const bytes = Buffer.alloc(60_000);
  while (client.stats()['loans'] === before) {
    for (let i = 0; i < 20; i += 1) {
      bytes.writeDoubleLE(count);
      void client.put(bytes);
      count += 1;
    }
    // Never idle, whatever it waits for.
    do await turn();
    while (client.needDrain);
  }
  return count;
}

/** Waits until the reactor rests: a thread that has borrowed it looks every 20 ms. */
async function givenBack(communicator: Communicator<Uint8Array>): Promise<void> {
  let [turns, since] = [0, 0];
  const rests = (): boolean => {
    const now = communicator.stats()['turns'] ?? 0;
    if (now !== turns) [turns, since] = [now, performance.now()];
    return performance.now() - since > 60;
  };
  await until(rests, 'the reactor is given back and rests', patienceMs);
}
