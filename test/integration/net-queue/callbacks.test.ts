import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { numbered, numberIn } from './support/payloads.ts';
import { soon, turn, until } from './support/waiting.ts';
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

  it('never run while a put to several peers or one of packed bytes is under way, and each stays true', async () => {
    const server = await net.server<Uint8Array>({
      onFull: 'drop-oldest',
      highWaterMark: { messages: 8 },
    });
    const peers = [
      await net.client<Uint8Array>(server, { ack: 'processed' }),
      await net.client<Uint8Array>(server, { ack: 'processed' }),
    ];
    await until(() => server.peers.size === 2, 'two peers');
    let putting = false;
    let nested = 0;
    let dropped = 0;
    const guard = <R>(put: () => R): R => {
      putting = true;
      try {
        return put();
      } finally {
        putting = false;
      }
    };
    const said: Promise<readonly [number, boolean]>[] = [];
    /** Whether it was said to have arrived at the first peer. */
    const follow = (value: number, future: Promise<void>): void => {
      said.push(
        future.then(
          () => [value, true] as const,
          () => {
            if (putting) nested += 1;
            dropped += 1;
            if (dropped <= 20) one(1000 + dropped, peers[0]!.id);
            return [value, false] as const;
          },
        ),
      );
    };
    const one = (value: number, ...to: string[]): void => {
      const { futures } = guard(() => server.put(numbered(value), ...to));
      follow(value, futures.get(peers[0]!.id)!);
    };
    for (let i = 0; i < 100; i += 1) {
      if (i % 3 === 0) one(i, peers[0]!.id, peers[1]!.id);
      else if (i % 3 === 1) one(i, peers[0]!.id);
      else {
        const data = numbered(i);
        const packed = { data, lengths: data.length };
        follow(
          i,
          guard(() => server.putMany(packed, peers[0]!.id)),
        );
      }
      if (i % 10 === 0) await turn();
    }
    const arrived: number[] = [];
    peers[0]!.subscribe((bytes) => arrived.push(numberIn(bytes)));
    peers[1]!.subscribe(() => {});
    const fulfilled = (await soon(Promise.all(said), 'all puts settle'))
      .filter(([, yes]) => yes)
      .map(([value]) => value);
    expect(nested).toBe(0);
    expect(fulfilled.toSorted((a, b) => a - b)).toEqual(arrived.toSorted((a, b) => a - b));
  });
});
