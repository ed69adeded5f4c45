// Sessions in bad luck: what users do while a connection is lost, and processes that get in each other's way.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';

import { open } from 'chaski/net-queue';
import type { Communicator, Message, OpenOptions } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { Cable } from './support/cable.ts';
import { useNet } from './support/net.ts';
import { rejection, soon, until, values } from './support/waiting.ts';
import { tcpWorlds, threadedWorlds } from './support/worlds.ts';

// A connection that was made while nothing passed is left soon.
const keeping = { sessionTimeoutMs: 30_000, keepAliveMs: 100, handshakeTimeoutMs: 1000 };

describe.each([...tcpWorlds, ...threadedWorlds])('a session in bad luck, $name', (world) => {
  const net = useNet(world);
  const cables: Cable[] = [];

  afterEach(() => {
    for (const cable of cables.splice(0)) cable.close();
  });

  async function connect(
    options: { server?: OpenOptions; client?: OpenOptions } = {},
  ): Promise<{ server: Communicator; client: Communicator; cable: Cable }> {
    const server = await net.server({ ...keeping, ...options.server });
    const { port } = server.address() as { port: number };
    const cable = await Cable.to(port);
    cables.push(cable);
    const client = await net.client(server, { ...keeping, port: cable.port, ...options.client });
    await until(() => server.peers.has(client.id), 'the server hears of its client');
    return { server, client, cable };
  }

  it('tells each loss and each return once, in turn, and takes puts in the listeners of both', async () => {
    const { server, client, cable } = await connect();
    const told: string[] = [];
    for (const name of ['ini', 'disconnect', 'reconnect', 'lost', 'fin'] as const) {
      client.on(name, () => {
        told.push(name);
        if (name === 'disconnect' || name === 'reconnect') client.put(`in ${name}`).catch(() => {});
      });
    }
    for (let i = 1; i <= 5; i += 1) {
      const back = [once(client, 'reconnect'), once(server, 'reconnect')];
      cable.cut();
      await soon(Promise.all(back), 'both are back');
      expect(client.isConnected()).toBe(true);
    }
    expect(told).toEqual(Array.from({ length: 5 }, () => ['disconnect', 'reconnect']).flat());
    expect(await values(server, 10)).toEqual(
      Array.from({ length: 5 }, () => ['in disconnect', 'in reconnect']).flat(),
    );
    await soon(client.close(), 'close');
    expect(told.slice(10)).not.toContain('disconnect');
    expect(told.filter((name) => name === 'lost')).toHaveLength(1);
  });

  it('answers every question while it is away', async () => {
    const { server, client, cable } = await connect({
      client: { highWaterMark: { messages: 10 } },
    });
    cable.pull();
    await soon(once(client, 'disconnect'), 'the client notices');
    await soon(client.ready(), 'it has been ready once');
    const puts = Array.from({ length: 10 }, (_, i) => client.put(i));
    expect(client.isConnected(server.id)).toBe(false);
    expect([...client.peers]).toEqual([server.id]);
    expect(client.trySend(10)).toBe(false);
    expect(client.stats()).toMatchObject({ peers: expect.any(Number) });
    await expect(client.drain({ timeoutMs: 30 })).rejects.toMatchObject({
      code: 'ERR_CHASKI_TIMEOUT',
    });
    await expect(client.writable({ timeoutMs: 30 })).rejects.toMatchObject({
      code: 'ERR_CHASKI_TIMEOUT',
    });
    const room = client.writable();
    const drained = client.drain();
    cable.plug();
    await soon(Promise.all([...puts, room, drained]), 'all goes on');
    expect(await values(server, 10)).toEqual(Array.from({ length: 10 }, (_, i) => i));
  });

  it('cancels, drops and gives memory away while it is away', async () => {
    const { server, client, cable } = await connect();
    cable.pull();
    await soon(once(client, 'disconnect'), 'the client notices');
    const first = client.put('first', {});
    const taken = client.put('taken back', {});
    const large = new Uint8Array(300_000).fill(7).buffer;
    const given = client.put(large, { transfer: true });
    expect(large.byteLength).toBe(0);
    expect(taken.cancel()).toBe(true);
    expect(await rejection(taken)).toMatchObject({ code: 'ERR_CHASKI_ABORTED', delivered: 'no' });
    client.configure(server.id, { onFull: 'drop-oldest', highWaterMark: { messages: 4 } });
    const late = Array.from({ length: 8 }, (_, i) => client.put(i));
    const outcomes = Promise.allSettled([first, given, ...late]);
    cable.plug();
    const settled = await soon(outcomes, 'all are settled');
    const kept = settled.filter(({ status }) => status === 'fulfilled').length;
    const dropped = settled.filter(
      (result) => result.status === 'rejected' && result.reason.delivered === 'no',
    ).length;
    expect(kept + dropped).toBe(10);
    expect(dropped).toBeGreaterThan(0);
    const got = await values(server, kept);
    expect(got.slice(-4)).toEqual([4, 5, 6, 7]);
    expect(server.tryGet()).toBeUndefined();
    // The numbers of what was dropped are missing, and the session goes on over the next connection all the same.
    cable.cut();
    await soon(client.put('afterwards'), 'it goes on');
    expect(await values(server, 1)).toEqual(['afterwards']);
  });

  it('delivers again what was nacked before the connection broke, and acknowledges what is done meanwhile', async () => {
    const { server, client, cable } = await connect({ server: { ack: 'processed' } });
    const puts = ['a', 'b', 'c'].map((value) => client.put(value));
    const [a, b, c] = [await server.get(), await server.get(), await server.get()];
    a.nack({ delayMs: 50 });
    cable.pull();
    await soon(
      Promise.all([once(client, 'disconnect'), once(server, 'disconnect')]),
      'both notice',
    );
    b.ack();
    c.ack();
    const again = await soon(server.get(), 'it is delivered again');
    expect([again.data, again.deliveries]).toEqual(['a', 2]);
    again.ack();
    cable.plug();
    await soon(Promise.all(puts), 'all are acknowledged');
    expect(server.tryGet()).toBeUndefined();
  });

  it('stays in its groups, with its mark', async () => {
    const { server, client, cable } = await connect();
    const group = server.group(client.id);
    server.configure(client.id, { onFull: 'error', highWaterMark: { messages: 2 } });
    cable.pull();
    await soon(once(server, 'disconnect'), 'the server notices');
    const puts = [group.put(1), group.put(2)];
    expect(await rejection(group.put(3))).toMatchObject({ code: 'ERR_CHASKI_QUEUE_FULL' });
    cable.plug();
    await soon(Promise.all(puts), 'both are delivered');
    expect(await values(client, 2)).toEqual([1, 2]);
  });

  it('ends at once when it is closed by force while it is away, on either side', async () => {
    for (const which of ['server', 'client'] as const) {
      const pair = await connect();
      pair.cable.pull();
      await soon(
        Promise.all([once(pair.client, 'disconnect'), once(pair.server, 'disconnect')]),
        'both notice',
      );
      const put = which === 'client' ? pair.client.put('never') : pair.server.put('never');
      const failed = rejection(put);
      const told: string[] = [];
      pair[which].on('lost', () => told.push('lost'));
      await soon(pair[which].close({ force: true }), 'close', 5000);
      expect(await failed).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
      expect(told).toEqual(['lost']);
    }
  });

  it('is given up by the other side at once when it is closed by force, on either side', async () => {
    for (const [closer, other] of [
      ['server', 'client'],
      ['client', 'server'],
    ] as const) {
      const pair = await connect();
      const told: string[] = [];
      for (const name of ['disconnect', 'lost'] as const)
        pair[other].on(name, () => told.push(name));
      const lost = once(pair[other], 'lost');
      await soon(pair[closer].close({ force: true }), 'close');
      const [, error] = (await soon(lost, 'the other side hears of it')) as [string, Error];
      expect(error).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
      expect(error.message).toContain('closed by force');
      expect(told).toEqual(['lost']);
      await until(() => pair.client.closed, 'the client has ended');
    }
  });

  it('ends without an error when it closes, and the connection breaks after the last acknowledgement', async () => {
    for (const [closer, other] of [
      ['server', 'client'],
      ['client', 'server'],
    ] as const) {
      const pair = await connect();
      await soon(pair[closer].put('from the closer'), 'it is acknowledged');
      await soon(pair[other].put('to the closer'), 'it is acknowledged');
      const ended = values(pair[closer], 1);
      pair.cable.pull();
      const lost = once(pair[closer], 'lost');
      const closing = pair[closer].close();
      pair.cable.cut();
      expect((await soon(lost, 'the end of the session'))[1]).toBeUndefined();
      await soon(closing, 'close');
      expect(await ended).toEqual(['to the closer']);
      expect(await rejection(pair[closer].get())).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    }
  });

  it('waits in close() no longer than it was told, while its client dials', async () => {
    const { client, cable } = await connect();
    cable.pull();
    await soon(once(client, 'disconnect'), 'the client notices');
    const failed = rejection(client.put('owed'));
    await soon(
      client.close({ timeoutMs: 200 }).catch(() => {}),
      'close',
      10_000,
    );
    expect(await failed).toMatchObject({ delivered: 'no' });
  });

  it('goes on although its server closes, until all is delivered', async () => {
    const { server, client, cable } = await connect();
    cable.pull();
    const put = server.put('last');
    const closing = server.close();
    // Others are turned away, and may find its successor later.
    const place = server.address() as object;
    const other = open({ ...net.clientOptions(server), ...place, connectTimeoutMs: 100 });
    expect((await rejection(other)).code).toBe('ERR_CHASKI_NOT_CONNECTED');
    const back = once(client, 'reconnect');
    cable.plug();
    cable.cut();
    await soon(back, 'the client is back');
    await soon(put, 'it is delivered');
    expect(await values(client, 1)).toEqual(['last']);
    await soon(closing, 'close');
    await until(() => client.closed, 'the client ends');
  });

  it('belongs to the newer of two processes, and the older one hears of it', async () => {
    const server = await net.server({ ...keeping });
    const older = await net.client(server, { ...keeping });
    const { session } = older;
    await soon(older.put('older'), 'it is delivered');
    const lost = once(older, 'lost');
    const newer = await net.client(server, { ...keeping, ...session });
    const [, error] = (await soon(lost, 'the older one hears of it')) as [
      string,
      { message: string },
    ];
    expect(error.message).toContain('newer process');
    await until(() => older.closed, 'the older one ends');
    await soon(newer.put('newer'), 'it is delivered');
    expect(await values(server, 2)).toEqual(['older', 'newer']);
    expect([...server.peers]).toEqual([session.id]);
    expect(newer.isConnected()).toBe(true);
  });

  it('goes on with one server process after the other', async () => {
    const options: OpenOptions = { ...keeping, id: randomUUID(), ack: 'processed' };
    const { server: first, client, cable } = await connect({ server: options });
    let server = first;
    client.subscribe(() => {});
    const puts: PromiseLike<void>[] = [];
    const got: [unknown, number][] = [];
    const next = async (): Promise<Message> => {
      const message = await soon(server.get(), 'the next message');
      got.push([message.data, message.deliveries]);
      return message;
    };
    for (let i = 0; i < 5; i += 1) {
      puts.push(client.put(`${i} done`), client.put(`${i} had`));
      if (i > 0) (await next()).ack();
      (await next()).ack();
      await soon(puts[2 * i] as PromiseLike<void>, 'it is acknowledged');
      await next();
      const back = Promise.all([once(client, 'disconnect'), once(client, 'reconnect')]);
      server = await net.server(options);
      cable.lead((server.address() as { port: number }).port);
      cable.cut();
      await soon(back, 'it goes on');
    }
    (await next()).ack();
    const each = [0, 1, 2, 3, 4].flatMap((i) => [
      [`${i} done`, 1],
      [`${i} had`, 1],
      [`${i} had`, 2],
    ]);
    expect(got).toEqual(each);
    await soon(Promise.all(puts), 'all are acknowledged');
    await soon(client.close(), 'close', 10_000);
    await soon(server.close(), 'close', 10_000);
  });
});
