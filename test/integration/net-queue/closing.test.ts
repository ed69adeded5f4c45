import { ChaskiError, ResourceClosed } from 'chaski/net-queue';
import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, soon, turn, until, values } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

describe.each(worlds)('closing, $name', (world) => {
  const net = useNet(world);

  it('sends everything that was put before it is over', async () => {
    const { server, client } = await net.pair<number | Uint8Array>();
    const large = new Uint8Array(3 << 20).fill(5);
    const puts = [client.putMany(Array.from({ length: 20_000 }, (_, i) => i)), client.put(large)];
    const closing = client.close();
    const got = await values(server, 20_001);
    await soon(closing, 'the close');
    expect(puts.map(({ acked }) => acked)).toEqual([true, true]);
    await Promise.all(puts);
    expect(got.slice(0, 20_000)).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
    // Not toEqual(), which takes seconds for so many bytes.
    expect(Buffer.compare(got[20_000] as Uint8Array, large)).toBe(0);
    expect(client.closed).toBe(true);
  });

  it('waits until the peers have taken and acknowledged what was sent', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const put = client.put(1);
    let over = false;
    const closing = client.close().then(() => (over = true));
    const message = await server.get();
    await turn(20);
    expect(over).toBe(false);
    message.ack();
    await soon(closing, 'the close');
    expect(put.acked).toBe(true);
  });

  it('of a server takes leave of all its clients, whose iterations end without an error', async () => {
    const server = await net.server<string>();
    const clients = await Promise.all([1, 2, 3].map(() => net.client(server)));
    await until(() => server.peers.size === 3, 'three peers');
    void server.put('good bye');
    const reading = clients.map(async (client) => {
      const texts: string[] = [];
      for await (const { data } of client) texts.push(data);
      return texts;
    });
    await soon(server.close(), 'the close');
    expect(await soon(Promise.all(reading), 'the iterations end')).toEqual([
      ['good bye'],
      ['good bye'],
      ['good bye'],
    ]);
    await until(() => clients.every(({ closed }) => closed), 'the clients are closed as well');
    expect(server.peers.size).toBe(0);
  });

  it('lets both sides close at the same time, with messages under way in both directions', async () => {
    const { server, client } = await net.pair<number>();
    const up = client.putMany(Array.from({ length: 1000 }, (_, i) => i));
    const down = server.putMany(Array.from({ length: 1000 }, (_, i) => -i));
    await soon(Promise.all([client.close(), server.close()]), 'both closes');
    await Promise.all([up, down]);
    expect(await values(server, 1000)).toHaveLength(1000);
    expect(await values(client, 1000)).toHaveLength(1000);
  });

  it('by a client lets it have what is put until its leave is known, listeners of `fin` included', async () => {
    const { server, client } = await net.pair<string>();
    const puts: PromiseLike<void>[] = [];
    server.on('fin', (peer) => puts.push(server.put('last words', peer)));
    const fin = event(server, 'fin');
    const closing = client.close();
    puts.push(server.put('gathered'));
    await fin;
    await soon(Promise.all(puts), 'both are acknowledged');
    await soon(closing, 'the close');
    expect(await values(client, 2)).toEqual(['gathered', 'last words']);
  });

  it('by a client bars what is put to it later, and harms nothing that was put before', async () => {
    const server = await net.server<string>({ highWaterMark: { messages: 1 } });
    const leaving = await net.client<string>(server, { ack: 'processed' });
    const staying = await net.client<string>(server);
    await until(() => server.peers.size === 2, 'both clients');
    const before = server.put('before', leaving.id);
    const waiting = [
      rejection(server.send('waits', { peers: [leaving.id] })),
      rejection(server.writable({ peer: leaving.id })),
    ];
    const fin = event(server, 'fin');
    const closing = leaving.close();
    await soon(fin, 'fin');
    for (const late of [...waiting, rejection(server.put('late', leaving.id))]) {
      const error = await soon(late, 'a rejection');
      expect(error).toBeInstanceOf(ResourceClosed);
      expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'no']);
    }
    expect(server.trySend('late', leaving.id)).toBe(false);
    const all = server.put('to all');
    expect([...all.futures.keys()]).toEqual([staying.id]);
    await soon(all, 'the one that stays acknowledges');
    const message = await leaving.get();
    message.ack();
    await soon(before, 'the acknowledgement');
    await soon(closing, 'the close');
    expect(message.data).toBe('before');
    expect((await rejection(leaving.get())).code).toBe('ERR_CHASKI_CLOSED');
  });

  it('can be asked for any number of times, and every call waits for the same end', async () => {
    const { server, client } = await net.pair();
    let closes = 0;
    client.on('close', () => (closes += 1));
    await Promise.all([client.close(), client.close(), client[Symbol.asyncDispose]()]);
    await client.close();
    await client.close({ force: true });
    expect(closes).toBe(1);
    await server.close();
    await server.close();
  });

  it('ends after timeoutMs when a peer does not go; what it kept is rejected', async () => {
    const child = net.child('server.mjs', { options: net.serverOptions() });
    const { address } = await child.report('open');
    const client = net.early({
      ...net.serverOptions(),
      purpose: 'client',
      ...(address as object),
    });
    await client.ready();
    child.process.kill('SIGSTOP');
    // More than a process takes that stops a moment later, and what its socket holds.
    const puts = Array.from({ length: 480 }, () => client.put(new Uint8Array(64 * 1024)));
    const last = rejection(puts.at(-1)!);
    const start = performance.now();
    await soon(client.close({ timeoutMs: 300 }), 'the close');
    expect(performance.now() - start).toBeGreaterThan(250);
    const error = await last;
    expect(error).toBeInstanceOf(ChaskiError);
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'no']);
  });

  it('of a server is bounded by closeTimeoutMs too', async () => {
    const server = await net.server({ closeTimeoutMs: 300 });
    const child = net.child('client.mjs', { options: net.clientOptions(server) });
    await child.report('open');
    await until(() => server.peers.size === 1, 'the client');
    child.process.kill('SIGSTOP');
    const puts = Array.from({ length: 100 }, () => server.put(new Uint8Array(64 * 1024)));
    const last = rejection(puts.at(-1)!);
    await soon(server.close(), 'the close');
    expect((await last).code).toBe('ERR_CHASKI_CLOSED');
  });

  it('waits as long as it takes when asked to, whatever closeTimeoutMs says', async () => {
    const server = await net.server<number>({ ack: 'processed' });
    const patient = await net.client<number>(server, { closeTimeoutMs: 20 });
    const hasty = await net.client<number>(server, { closeTimeoutMs: 20 });
    const put = patient.put(1);
    void hasty.put(2);
    const message = await server.get({ peer: patient.id });
    const closing = patient.close({ timeoutMs: Infinity });
    await soon(hasty.close(), 'the close that is bounded');
    await turn(20);
    expect(patient.closed).toBe(false);
    message.ack();
    await soon(closing, 'the close');
    expect(put.acked).toBe(true);
  });

  it('by force waits for nothing, also when a patient close is under way', async () => {
    const { server, client } = await net.pair({ server: { ack: 'processed' } });
    const lost = event(server, 'lost');
    const put = rejection(client.put('never acknowledged'));
    const patient = client.close({ timeoutMs: Infinity });
    await turn(5);
    await client.close({ force: true });
    await soon(patient, 'the patient close');
    const error = await put;
    expect([error.code, error.delivered]).toEqual(['ERR_CHASKI_CLOSED', 'unknown']);
    const [, reason] = await lost;
    expect(reason?.code).toBe('ERR_CHASKI_CLOSED');
  });

  it('of a client that a server broke off makes its iteration throw', async () => {
    const { server, client } = await net.pair();
    await server.put('one');
    const reading = (async () => {
      let count = 0;
      try {
        for await (const message of client) count += String(message.data).length;
      } catch (error) {
        return [count, (error as ChaskiError).code];
      }
      return 'ended';
    })();
    await turn(20);
    await server.close({ force: true });
    expect(await soon(reading, 'the iteration ends')).toEqual([3, 'ERR_CHASKI_CLOSED']);
    await until(() => client.closed, 'the client is closed');
    expect((await rejection(client.get())).code).toBe('ERR_CHASKI_CLOSED');
  });

  it('refuses a wrong timeout, and then is not closed', async () => {
    const { server, client } = await net.pair();
    const error = await rejection(client.close({ timeoutMs: -1 }));
    expect(error.code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    await client.put('still open');
    expect(await values(server, 1)).toEqual(['still open']);
  });

  it('by the serializer of a trySend() is seen by it, and what was put before arrives', async () => {
    const { server, client } = await net.pair<string>({
      server: { serializer: text },
      client: {
        serializer: {
          ...text,
          encode: (value: unknown): Uint8Array => {
            if (value === 'close') void client.close();
            if (value === 'by force') void client.close({ force: true });
            return text.encode(value);
          },
        },
      },
    });
    const put = client.put('before');
    expect(client.trySend('close')).toBe(false);
    await soon(put, 'what was put before');
    expect(client.trySend('by force')).toBe(false);
    await soon(client.close(), 'the close');
    expect(await values(server, 1)).toEqual(['before']);
  });

  it('is done by `await using`', async () => {
    const server = await net.server();
    let inside: Communicator;
    {
      await using client = await net.client(server);
      inside = client;
      void client.put('in scope');
    }
    expect(inside.closed).toBe(true);
    expect(await values(server, 1)).toEqual(['in scope']);
  });

  it('keeps the last stats', async () => {
    const { server, client } = await net.pair();
    await client.put('x');
    await server.get();
    const before = server.stats();
    expect(Object.values(before).every((value) => typeof value === 'number')).toBe(true);
    await client.close();
    await server.close();
    expect(Object.keys(server.stats())).toEqual(Object.keys(before));
  });
});

const text = {
  encode: (value: unknown): Uint8Array => Buffer.from(String(value)),
  decode: (bytes: Uint8Array): string => Buffer.from(bytes).toString(),
};
