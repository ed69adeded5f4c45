// Messages between chaski and the Python package net-queue, in both roles.
import { describe, expect, it } from 'vitest';

import { soon, take } from '../integration/net-queue/support/waiting.ts';
import { interpreter, pattern, seen, versions } from './support/python.ts';
import type { Told } from './support/python.ts';
import { client, clientOf, python, server } from './support/worlds.ts';

const hello = Buffer.from('Hello, World!');
const mib = 1 << 20;
/** Around what is an id (16), a slab (65,516 and 131,072), what Python reads at a time (16 MiB), and beyond. */
const sizes = [0, 1, 15, 16, 17, 65_516, 65_517, 131_072, 16 * mib - 1, 16 * mib + 1, 20 * mib];

describe.skipIf(interpreter === undefined).each(versions)('net-queue %s of Python', (version) => {
  it('greets a server of chaski, which answers all and each, and leaves in order', async () => {
    const [queue, port] = await server();
    const clients = [
      await python(version, 'client', { port }),
      await python(version, 'client', { port }),
    ];
    const ids = clients.map(({ id }) => id);
    const fins: string[] = [];
    const lost: unknown[] = [];
    queue.on('fin', (peer) => fins.push(peer));
    queue.on('lost', (_, error) => lost.push(error));
    await Promise.all(clients.map(async (peer) => peer.put([{ hex: hello.toString('hex') }])));
    const greetings = await take(queue, 2);
    expect(greetings.map(({ peer }) => peer).sort()).toEqual([...ids].sort());
    for (const greeting of greetings) expect(Buffer.from(greeting.bytes)).toEqual(hello);
    await soon(queue.put(hello), 'the socket has taken it');
    for (const id of ids) await soon(queue.put(hello, id), 'the socket has taken it');
    const both = [seen(queue.id, hello), seen(queue.id, hello)];
    for (const peer of clients) expect(await peer.get(2)).toEqual(both);
    await Promise.all(clients.map(async (peer) => peer.close()));
    await soon(queue.close(), 'the end');
    expect(fins.sort()).toEqual([...ids].sort());
    expect(lost).toEqual([undefined, undefined]);
  });

  it('is greeted by clients of chaski, answers all and each, and is left in order', async () => {
    const peer = await python(version, 'server');
    const clients = [await clientOf(peer), await clientOf(peer)];
    const ids = clients.map(({ id }) => id);
    expect(clients.map(({ peers }) => [...peers])).toEqual([[peer.id], [peer.id]]);
    await Promise.all(clients.map(async (queue) => queue.put(hello)));
    const greetings = await peer.get(2);
    expect([...greetings].map((message) => message.peer).sort()).toEqual([...ids].sort());
    await peer.put([{ hex: hello.toString('hex') }]);
    await peer.put([{ hex: hello.toString('hex') }], ...ids);
    for (const queue of clients) {
      const messages = await take(queue, 2);
      expect(messages.map(({ bytes }) => Buffer.from(bytes))).toEqual([hello, hello]);
      expect(messages.map(({ seq }) => seq)).toEqual([1, 2]);
    }
    await Promise.all(clients.map(async (queue) => soon(queue.close(), 'the end of a client')));
    // It waits for all of its clients.
    await peer.close();
  });

  it('gets and puts messages of all sizes with a server of chaski', async () => {
    const [queue, port] = await server();
    const peer = await python(version, 'client', { port });
    const told: Told[] = sizes.map((size, seed) => ({ size, seed }));
    const putting = peer.put(told);
    for (const [seed, size] of sizes.entries()) {
      const [message] = await take(queue, 1);
      expect(seen('', message!.copy())).toEqual(seen('', pattern(size, seed)));
      void queue.put(pattern(size, seed), { transfer: true });
    }
    await putting;
    const expected = sizes.map((size, seed) => seen(queue.id, pattern(size, seed)));
    expect(await peer.get(sizes.length)).toEqual(expected);
    await peer.close();
    await soon(queue.close(), 'the end');
  });

  it('gets and puts messages of all sizes with a client of chaski', async () => {
    const peer = await python(version, 'server');
    const queue = await clientOf(peer, { highWaterMark: { bytes: 256 * mib } });
    const put = Promise.all(sizes.map(async (size, seed) => queue.put(pattern(size, seed))));
    const expected = sizes.map((size, seed) => seen(queue.id, pattern(size, seed)));
    expect(await peer.get(sizes.length)).toEqual(expected);
    await soon(put, 'the socket has taken them');
    const putting = peer.put(sizes.map((size, seed) => ({ size, seed })));
    for (const [seed, size] of sizes.entries()) {
      const [message] = await take(queue, 1);
      expect(seen('', message!.copy())).toEqual(seen('', pattern(size, seed)));
    }
    await putting;
    await soon(queue.close(), 'the end');
    await peer.close();
  });

  it('keeps the order of thousands of messages in both directions at once', async () => {
    const count = 5000;
    const [queue, port] = await server();
    const peer = await python(version, 'client', { port });
    const getting = peer.do('getNumbers', { count });
    const putting = peer.do('putNumbers', { count, size: 100 });
    // It is a peer once the first message is here.
    const [first] = await take(queue, 1);
    const results: PromiseLike<void>[] = [];
    for (let i = 0; i < count; i += 1) {
      const message = new Uint8Array(100);
      new DataView(message.buffer).setUint32(0, i);
      results.push(queue.put(message));
    }
    // What it says that it has sent comes, all of it; see the fixture.
    const sent = (await putting)['sent'] as number;
    expect(sent).toBeGreaterThan(count - 10);
    const messages = [first!, ...(await take(queue, sent - 1))];
    const numbers = messages.map(({ bytes }) => Buffer.from(bytes).readUInt32BE());
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(messages.map(({ seq }) => seq)).toEqual(numbers.map((_, i) => i + 1));
    await soon(Promise.all(results), 'the socket has taken them');
    expect((await getting)['counts']).toEqual({ [queue.id]: count });
    await peer.close();
    await soon(queue.close(), 'the end');
  });

  it('shares a port with peers of chaski', async () => {
    const [queue, port] = await server({ serializer: 'auto' });
    const peer = await python(version, 'client', { port });
    const native = await client(port, { serializer: 'auto' });
    await peer.put([{ hex: hello.toString('hex') }]);
    await native.put({ greeting: 'Hello' });
    const messages = await take(queue, 2);
    const of = (id: string): unknown => messages.find((message) => message.peer === id)?.data;
    expect(of(native.id)).toEqual({ greeting: 'Hello' });
    expect(Buffer.from(of(peer.id) as Uint8Array)).toEqual(hello);
    expect([...queue.peers].sort()).toEqual([native.id, peer.id].sort());
    await soon(queue.put(hello), 'both have it');
    expect(await peer.get()).toEqual([seen(queue.id, hello)]);
    const [heard] = await take(native, 1);
    expect(Buffer.from(heard!.bytes)).toEqual(hello);
    await peer.close();
    await native.close();
    await soon(queue.close(), 'the end');
  });
});
