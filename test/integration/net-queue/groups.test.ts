// Groups of peers: who is a member and there gets what is put to the group, once.
import type { Communicator, Group, OpenOptions } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import type { Net } from './support/net.ts';
import { event, rejection, soon, until, values } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

const stranger = '00000000-0000-4000-8000-000000000000';

describe.each(worlds)('groups, $name', (world) => {
  const net = useNet(world);

  it('put to their members, and to nobody else', async () => {
    const { server, clients } = await crowd(net, 4);
    const [a, b, c, d] = clients;
    const group = server.group(a!.id, b!.id);
    expect([...group.peers]).toEqual([a!.id, b!.id]);
    const result = group.put('to the group');
    expect([...result.futures.keys()]).toEqual([a!.id, b!.id]);
    await soon(result, 'the put');
    await soon(group.putMany(['x', 'y']), 'several');
    await soon(group.send('waited', { timeoutMs: 60_000 }), 'a send');
    expect(group.trySend('at once')).toBe(true);
    await soon(group.put(new Uint8Array(100_000), { transfer: true }), 'a large one');
    await soon(server.put('to all'), 'a put to all');
    for (const member of [a!, b!]) {
      const got = await values(member, 7);
      expect(got.slice(0, 5)).toEqual(['to the group', 'x', 'y', 'waited', 'at once']);
      expect((got[5] as Uint8Array).length).toBe(100_000);
      expect(got[6]).toBe('to all');
    }
    for (const other of [c!, d!]) expect(await values(other, 1)).toEqual(['to all']);
  });

  it('have an id that stands for their members, and nobody gets a message twice', async () => {
    const { server, clients } = await crowd(net, 3);
    const [a, b, c] = clients;
    const one = server.group(a!.id, b!.id, a!.id);
    const two = server.group(b!.id, c!.id);
    const result = server.put('once', one.id, b!.id, two.id, one.id);
    expect([...result.futures.keys()].toSorted()).toEqual(clients.map(({ id }) => id).toSorted());
    await soon(result, 'the put');
    await soon(server.put('also', { peers: [two.id] }), 'with options');
    await soon(server.putMany(['many'], two.id, a!.id), 'many');
    expect(await values(a!, 2)).toEqual(['once', 'many']);
    expect(await values(b!, 3)).toEqual(['once', 'also', 'many']);
    expect(await values(c!, 3)).toEqual(['once', 'also', 'many']);
    const error = await rejection(server.put('partly', two.id, stranger));
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_NOT_CONNECTED', 'unknown']);
  });

  it('can change at any time', async () => {
    const { server, clients } = await crowd(net, 3);
    const [a, b, c] = clients;
    const group = server.group(a!.id);
    void group.put(1);
    group.add(b!.id, c!.id).delete(a!.id);
    void group.put(2);
    group.delete(b!.id, stranger);
    await soon(group.put(3), 'the last put');
    expect(await values(a!, 1)).toEqual([1]);
    expect(await values(b!, 1)).toEqual([2]);
    expect(await values(c!, 2)).toEqual([2, 3]);
    expect(a!.tryGet()).toBeUndefined();
    expect(b!.tryGet()).toBeUndefined();
  });

  it('keep those who left, and put to them when they are back', async () => {
    const { server, clients } = await crowd(net, 2);
    const [a, b] = clients;
    const group = server.group(a!.id, b!.id, stranger);
    const lost = event(server, 'lost');
    await a!.close();
    await lost;
    const result = group.put('who is there');
    expect([...result.futures.keys()]).toEqual([b!.id]);
    await soon(result, 'the put');
    expect(group.peers.has(a!.id)).toBe(true);
    const back = await net.client(server, { id: a!.id });
    await until(() => server.peers.has(back.id), 'it is back');
    await soon(group.put('both'), 'the put to both');
    expect(await values(back, 1)).toEqual(['both']);
    expect(await values(b!, 2)).toEqual(['who is there', 'both']);
  });

  it('of nobody who is there refuse what is put', async () => {
    const server = await net.server();
    for (const group of [server.group(), server.group(stranger)]) {
      const result = group.put('nobody');
      expect(result.futures.size).toBe(0);
      for (const promise of [result, group.putMany([1]), group.send(1)]) {
        expect(await rejection(promise)).toMatchObject({
          code: 'ERR_CHASKI_NOT_CONNECTED',
          delivered: 'no',
        });
      }
      expect(group.trySend('nobody')).toBe(false);
    }
  });

  it('mean nothing any more when they are closed', async () => {
    const { server, clients } = await crowd(net, 1);
    const group: Group = server.group(clients[0]!.id);
    group.close();
    group.close();
    expect([group.peers.size, server.peers.size]).toEqual([0, 1]);
    expect((await rejection(group.put(1))).code).toBe('ERR_CHASKI_NOT_CONNECTED');
    expect((await rejection(server.put(1, group.id))).code).toBe('ERR_CHASKI_NOT_CONNECTED');
    expect(() => group.add(clients[0]!.id)).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_CLOSED' }),
    );
  });

  it('refuse what is not the id of a peer', async () => {
    const { server, clients } = await crowd(net, 1);
    const other = server.group();
    const wrong = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });
    expect(() => server.group(undefined as unknown as string)).toThrow(wrong);
    expect(() => server.group(other.id)).toThrow(wrong);
    const group = server.group(clients[0]!.id);
    expect(() => group.add(5 as unknown as string)).toThrow(wrong);
    expect(() => group.put(1, { peers: [clients[0]!.id] } as object)).toThrow(wrong);
  });
});

async function crowd(
  net: Net,
  count: number,
  options: OpenOptions = {},
): Promise<{ server: Communicator; clients: Communicator[] }> {
  const server = await net.server(options);
  const clients: Communicator[] = [];
  for (let i = 0; i < count; i += 1) clients.push(await net.client(server));
  await until(() => server.peers.size === count, 'all are there');
  return { server, clients };
}
