// To whom, and of whom: what is no plain object is never taken for options that say nothing.
import type { Communicator, Message } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, turn, until } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const wrong = 'ERR_CHASKI_INVALID_ARGUMENT';

describe.each(tcpWorlds)('an address, $name', (world) => {
  const net = useNet(world);

  const three = async (): Promise<{
    server: Communicator;
    a: Communicator;
    b: Communicator;
    message: Message;
  }> => {
    const server = await net.server();
    const [a, b] = [await net.client(server), await net.client(server)];
    await until(() => server.peers.size === 2, 'both are there');
    await a.put('question');
    return { server, a, b, message: await server.get() };
  };

  const strangers = (a: Communicator, message: Message): Record<string, unknown> => ({
    'a Set': new Set([a.id]),
    'a Map': new Map(),
    'a Date': new Date(),
    'a message': message,
    'an instance': new (class Peer {})(),
    'an array': [],
    nothing: null,
  });

  it('that is no plain object goes to nobody', async () => {
    const { server, a, b, message } = await three();
    const group = server.group(a.id);
    for (const [name, value] of Object.entries(strangers(a, message))) {
      const to = value as never;
      const calls: (() => unknown)[] = [
        () => server.put('x', to),
        () => server.putMany(['x'], to),
        () => server.trySend('x', to),
        () => server.send('x', to),
        () => server.get(to),
        () => server.getBatch(to),
        () => server.tryGet(to),
        () => server.writable(to),
        () => server.drain(to),
        () => server.ready(to),
        () => server.batches(to),
        () => message.nack(to),
        () => group.put('x', to),
        () => group.trySend('x', to),
        () => group.send('x', to),
        () => group.add(to),
      ];
      for (const call of calls) {
        const { code } = await rejection((async () => call())());
        expect([name, call.toString(), code]).toEqual([name, call.toString(), wrong]);
      }
    }
    await turn(3);
    expect([a.tryGet(), b.tryGet()]).toEqual([undefined, undefined]);
  });

  it('that is wrong is named, with what to pass', async () => {
    const { server, a, message } = await three();
    expect(() => server.put('x', message as never)).toThrow(/Message; .*message\.peer/u);
    expect(() => server.put('x', new Set([a.id]) as never)).toThrow(/is a Set; .*\{ peers: /u);
    expect(() => server.put('x', server.group(a.id) as never)).toThrow(/group\.id/u);
    expect(() => server.putMany(['x'], message as never)).toThrow(/message\.peer/u);
    expect((await rejection(server.get(message as never))).message).toContain(
      '{ peer: message.peer }',
    );
  });

  it('may be any iterable of ids, but no text', async () => {
    const { server, a, b } = await three();
    await server.put(1, { peers: new Set([a.id]) });
    await server.send(2, { peers: server.peers });
    expect(server.trySend(3, { peers: new Map([[b.id, 0]]).keys() })).toBe(true);
    const got = async (queue: Communicator): Promise<unknown> => (await queue.get()).data;
    expect([await got(a), await got(a)]).toEqual([1, 2]);
    expect([await got(b), await got(b)]).toEqual([2, 3]);
    expect(() => server.put(4, { peers: a.id as never })).toThrow(/list of ids/u);
    // Nobody is not everyone.
    await server.put(5, { peers: [] }).catch(() => {});
    await turn(3);
    expect([a.tryGet(), b.tryGet()]).toEqual([undefined, undefined]);
  });

  it('that is undefined does not mean any or all', async () => {
    const { server } = await three();
    const peer = undefined as never;
    for (const call of [
      () => server.get({ peer }),
      () => server.getBatch({ peer }),
      () => server.writable({ peer }),
      () => server.tryGet(peer),
      () => server.put('x', peer),
    ]) {
      expect((await rejection((async () => call())())).code).toBe(wrong);
    }
  });
});
