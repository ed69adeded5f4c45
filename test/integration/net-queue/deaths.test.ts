import type { ChaskiError, Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import type { Child } from './support/child.ts';
import { useNet } from './support/net.ts';
import { numbered, numberIn } from './support/payloads.ts';
import { event, rejection, soon, take, until, values } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

describe.each(worlds)('death of a peer, $name', (world) => {
  const net = useNet(world);

  async function connected(child: Child): Promise<Communicator<Uint8Array>> {
    const { address } = await child.report('open');
    const client = net.early<Uint8Array>({
      ...net.serverOptions(),
      purpose: 'client',
      ...(address as object),
      highWaterMark: { bytes: 1 << 20 },
    });
    await client.ready();
    return client;
  }

  it('in mid-stream ends a client: what is pending is rejected, its iteration throws, it closes', async () => {
    const child = net.child('server.mjs', { options: net.serverOptions() });
    const client = await connected(child);
    const iteration = (async () => {
      for await (const { data } of client) expect(data).toBeUndefined();
    })();
    const failing = rejection(iteration);
    let accepted = 0;
    const streaming = (async () => {
      for (;;) {
        await client.send(numbered(accepted, 4096));
        accepted += 1;
      }
    })();
    const stopped = rejection(streaming);
    child.tell({ is: 'take', count: 1_000_000 });
    await until(() => accepted > 100, 'the stream runs');
    const lost = event(client, 'lost');
    const closed = event(client, 'close');
    await child.kill();
    const [, error] = await lost;
    expect(error?.code).toBe('ERR_CHASKI_CLOSED');
    expect((await stopped).code).toBe('ERR_CHASKI_CLOSED');
    expect((await failing).code).toBe('ERR_CHASKI_CLOSED');
    await closed;
    expect([client.closed, client.peers.size]).toEqual([true, 0]);
    await soon(client.drain(), 'nothing is left to settle');
  });

  it('in mid-stream leaves a server what had arrived, in order, and the other peers undisturbed', async () => {
    const server = await net.server<Uint8Array>();
    const options = net.clientOptions(server);
    const doomed = net.child('numbers.mjs', { options, count: 10_000_000, length: 64 });
    const other = net.child('numbers.mjs', { options, count: 100_000, length: 64 });
    const next = new Map<string, number>();
    const wrong: string[] = [];
    const reading = (async () => {
      for await (const batch of server.batches()) {
        let expected = next.get(batch.peer) ?? 0;
        for (let i = 0; i < batch.length; i += 1, expected += 1) {
          if (numberIn(batch.view(i)) !== expected) wrong.push(`${batch.peer} ${expected}`);
        }
        next.set(batch.peer, expected);
      }
    })();
    await until(() => [...next.values()].filter((n) => n > 10_000).length === 2, 'two streams');
    const { id } = (await doomed.report('open')) as unknown as { id: string };
    const lost = new Map<string, string | undefined>();
    server.on('lost', (peer, error) => lost.set(peer, error?.code));
    await doomed.kill();
    await until(() => lost.has(id), 'the peer is lost');
    expect(lost.get(id)).toBe('ERR_CHASKI_CLOSED');
    expect(await other.report('acknowledged')).toMatchObject({ count: 100_000 });
    expect((await other.end()).code).toBe(0);
    await server.close();
    await reading;
    expect(wrong).toEqual([]);
    const survivor = [...next.keys()].find((peer) => peer !== id)!;
    expect(next.get(survivor)).toBe(100_000);
  });

  it('of one receiver rejects what it was sent; the others get everything', async () => {
    const server = await net.server<Uint8Array>({ highWaterMark: { messages: 200 } });
    const doomed = net.child('client.mjs', { options: net.clientOptions(server) });
    const { id } = (await doomed.report('open')) as unknown as { id: string };
    const other = await net.client(server);
    await until(() => server.peers.size === 2, 'two peers');
    const seen: number[] = [];
    other.subscribe((bytes) => seen.push(numberIn(bytes)));
    const toOther: PromiseLike<void>[] = [];
    const toDoomed: PromiseLike<string>[] = [];
    doomed.tell({ is: 'take', count: 1_000_000 });
    let lost = false;
    server.once('lost', () => (lost = true));
    let after = 0;
    for (let i = 0; after < 500; i += 1) {
      if (i === 1000) void doomed.kill();
      const put = server.put(numbered(i, 2048));
      toDoomed.push(
        put.futures.get(id)?.then(
          () => 'arrived',
          (error: ChaskiError) => `${error.code} ${error.delivered}`,
        ) ?? Promise.resolve('gone'),
      );
      toOther.push(put.futures.get(other.id)!);
      // The whole rejects because of the one; each part is looked at above.
      put.catch(() => {});
      await server.writable({ peer: other.id });
      if (lost) after += 1;
    }
    await soon(Promise.all(toOther), 'all puts to the other one');
    await until(() => seen.length === toOther.length, 'all messages');
    expect(seen).toEqual(toOther.map((_, i) => i));
    const outcomes = await soon(Promise.all(toDoomed), 'all puts to the dead one');
    expect(outcomes[0]).toBe('arrived');
    expect(outcomes.at(-1)).toBe('gone');
    const failed = outcomes.filter((outcome) => outcome.startsWith('ERR'));
    for (const outcome of failed) {
      expect(outcome).toMatch(/^ERR_CHASKI_(CLOSED|QUEUE_FULL|NOT_CONNECTED) (no|unknown)$/);
    }
    expect(server.peers).toEqual(new Set([other.id]));
  });

  it.each([
    ['little', 500, 64],
    ['more than the sockets hold', 300, 60_000],
  ])('behind a full inbox is noticed at once, with %s sent', async (_, count, length) => {
    const server = await net.server<Uint8Array>({
      highWaterMark: { messages: 10 },
      keepAliveMs: 200,
    });
    const child = net.child('numbers.mjs', { options: net.clientOptions(server), count, length });
    await child.report('open');
    await until(() => (server.stats()['heldMessages'] ?? 0) >= 10, 'the inbox is full');
    const [id] = server.peers;
    const lost = event(server, 'lost');
    const before = server.put(Buffer.from('before'), id!);
    await child.kill();
    const after = rejection(server.put(Buffer.from('after'), id!));
    expect((await lost)[1]?.code).toBe('ERR_CHASKI_CLOSED');
    expect((await after).code).toMatch(/^ERR_CHASKI_(CLOSED|NOT_CONNECTED)$/);
    await soon(Promise.allSettled([before]), 'what was put while it lived');
    expect(server.peers.size).toBe(0);
    await soon(server.close(), 'a close has nobody to wait for');
    let next = 0;
    for (let got = server.tryGet(); got !== undefined; got = server.tryGet(), next += 1) {
      expect(numberIn(got.data)).toBe(next);
    }
    expect(next).toBeGreaterThanOrEqual(10);
  });

  it('in the middle of a message delivers nothing of that message', async () => {
    const server = await net.server({ highWaterMark: { messages: 2 } });
    const child = net.child('client.mjs', { options: net.clientOptions(server) });
    await child.report('open');
    child.tell({ is: 'push', text: 'whole' });
    await child.report('pushed');
    // The sockets hold a part of it only, and the process is stopped before it can write the rest.
    child.tell({ is: 'push', text: 'large', bytes: 200 << 20 });
    await child.report('pushed');
    await child.kill();
    expect(await values(server, 1)).toEqual(['whole']);
    await until(() => server.peers.size === 0, 'the peer is lost');
    expect((await rejection(server.get({ timeoutMs: 50 }))).code).toBe('ERR_CHASKI_TIMEOUT');
  });

  it('is noticed when its last bytes and its end come together', async () => {
    const child = net.child('server.mjs', { options: net.serverOptions() });
    const { address } = await child.report('open');
    const options = {
      ...net.serverOptions(),
      purpose: 'client',
      ...(address as object),
    };
    for (let round = 0; round < 5; round += 1) {
      const client = net.child('client.mjs', { options });
      const { id } = await client.report('open');
      await child.report('ini');
      // While the server is stopped, a message and the end of the connection gather in its socket.
      child.process.kill('SIGSTOP');
      client.tell({ is: 'push', text: `round ${round}` });
      await client.report('pushed');
      await client.kill();
      child.process.kill('SIGCONT');
      expect(await child.report('lost')).toMatchObject({ peer: id, code: 'ERR_CHASKI_CLOSED' });
      child.tell({ is: 'take', count: 1 });
      expect(await child.report('taken')).toMatchObject({ taken: [{ data: `round ${round}` }] });
    }
  });

  it('and its return under the same id are two sessions, numbered from 1 each', async () => {
    const server = await net.server();
    const id = '11111111-1111-4111-8111-111111111111';
    for (let life = 0; life < 3; life += 1) {
      const child = net.child('client.mjs', { options: net.clientOptions(server, { id }) });
      await child.report('open');
      child.tell({ is: 'put', data: life });
      await child.report('put');
      await child.kill();
      await until(() => server.peers.size === 0, 'the peer is lost');
    }
    const messages = await take(server, 3);
    expect(messages.map(({ peer, seq, data }) => [peer, seq, data])).toEqual([
      [id, 1, 0],
      [id, 1, 1],
      [id, 1, 2],
    ]);
  });
});
