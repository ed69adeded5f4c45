import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { numbered, numberIn } from './support/payloads.ts';
import { soon, turn, until } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

const loops = worlds.filter(({ host }) => host === 'loop');
const patienceMs = 60_000;

describe.each(loops)('an event loop without time, $name', (world) => {
  const net = useNet(world);

  it('lends its reactor, gets it back when it is idle, and lends it again; each message arrives once', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const atRest = quietFor(server, 60);
    let next = 0;
    const wrong: number[] = [];
    server.subscribe((bytes) => {
      if (numberIn(bytes) !== next) wrong.push(numberIn(bytes));
      next += 1;
    });
    let count = 0;
    for (let loan = 0; loan < 3; loan += 1) {
      count = await soon(putUntilLent(client, count), 'a loan', patienceMs);
      await client.drain();
      // A thread that runs the reactor looks every 20 ms; at rest nobody does.
      await until(atRest, 'the reactor is given back and rests', patienceMs);
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
    const count = await soon(putUntilLent(client, 0), 'a loan', patienceMs);
    await client.close();
    await server.close();
    await reading;
    expect(got).toBe(count);
  });
});

/** Puts numbered messages, from `count` on, as many as there is room for, until the reactor is lent once more. */
async function putUntilLent(client: Communicator<Uint8Array>, count: number): Promise<number> {
  const { loans: before } = client.stats();
  while (client.stats()['loans'] === before) {
    for (let i = 0; i < 100; i += 1) {
      void client.put(numbered(count, 4096));
      count += 1;
    }
    await (client.needDrain ? client.writable() : turn());
  }
  return count;
}

/** Tells whether the reactor has not turned for so long. */
function quietFor(communicator: Communicator<Uint8Array>, ms: number): () => boolean {
  let [turns, since] = [0, 0];
  return () => {
    const now = communicator.stats()['turns'] ?? 0;
    if (now !== turns) [turns, since] = [now, performance.now()];
    return performance.now() - since > ms;
  };
}
