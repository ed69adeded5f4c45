// A bound that is misspelled or misplaced is told, instead of a wait without one.
import { inspect } from 'node:util';

import type { Communicator } from 'chaski/net-queue';
import { describe, expect, it, vi } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, soon, turn } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const wrong = 'ERR_CHASKI_INVALID_ARGUMENT';

type Waits = Record<
  'ready' | 'writable' | 'drain' | 'get' | 'getBatch' | 'send' | 'close',
  (options: unknown) => Promise<unknown>
>;

function waitsOf(queue: Communicator): Waits {
  return {
    ready: (options) => queue.ready(options as object),
    writable: (options) => queue.writable(options as object),
    drain: (options) => queue.drain(options as object),
    get: (options) => queue.get(options as object),
    getBatch: (options) => queue.getBatch(options as object),
    send: (options) => queue.send('x', options as object),
    close: (options) => queue.close(options as object),
  };
}

describe.each(tcpWorlds)('the options of waits, $name', (world) => {
  const net = useNet(world);

  it('are an object with names that exist and values that can be', async () => {
    const { client } = await net.pair();
    const waits = waitsOf(client);
    const bad = [
      50,
      null,
      'id',
      [],
      () => 1,
      { timeout: 50 },
      { timeoutMS: 20 },
      { timeoutMs: -1 },
    ];
    for (const [name, wait] of Object.entries(waits)) {
      for (const options of bad) {
        const { code } = await rejection(wait(options));
        expect([name, options, code]).toEqual([name, options, wrong]);
      }
      const { signal } = new AbortController();
      expect([name, (await rejection(wait(signal))).code]).toEqual([name, wrong]);
      if (name === 'close') continue;
      for (const signal of [{}, 5, null]) {
        expect([name, (await rejection(wait({ signal }))).code]).toEqual([name, wrong]);
      }
    }
    expect((await rejection(client.get({ peer: 5 as never }))).code).toBe(wrong);
    expect((await rejection(client.close({ force: 1 as never }))).code).toBe(wrong);
    const refused = expect.objectContaining({ code: wrong }) as Error;
    expect(() => client.batches(5 as never)).toThrow(refused);
    expect(() => client.batches({ autoAck: 'no' as never })).toThrow(refused);
    expect(() => client.subscribe(() => {}, 5 as never)).toThrow(refused);
    expect(() => client.subscribe(() => {}, { onError: 5 as never })).toThrow(refused);
    expect(() => client.tryGet({ peer: 'x' } as never)).toThrow(refused);
    expect(client.closed).toBe(false);
  });

  it('are told as they should be', async () => {
    const { client } = await net.pair();
    expect((await rejection(client.get(50 as never))).message).toContain('{ timeoutMs: 50 }');
    expect((await rejection(client.get('id' as never))).message).toContain("{ peer: 'id' }");
    expect((await rejection(client.close(50 as never))).message).toContain('{ timeoutMs: 50 }');
    expect(() => client.batches(5 as never)).toThrow('{ max: 5 }');
    const { signal } = new AbortController();
    expect((await rejection(client.get(signal as never))).message).toContain('{ signal }');
  });

  it('are read once', async () => {
    const { server, client } = await net.pair();
    let reads = 0;
    const changing = {
      get timeoutMs() {
        reads += 1;
        return reads === 1 ? 1 : undefined;
      },
    };
    expect((await rejection(client.get(changing as object))).code).toBe('ERR_CHASKI_TIMEOUT');
    expect(reads).toBe(1);
    let lists = 0;
    const peers = {
      get peers(): string[] {
        lists += 1;
        return lists === 1 ? [server.id] : (5 as never);
      },
    };
    await client.put('x', peers);
    expect(lists).toBe(1);
  });
});

describe.each(tcpWorlds)('a communicator, $name', (world) => {
  const net = useNet(world);

  it('works under fake timers', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    vi.useFakeTimers({
      toFake: ['setTimeout', 'setImmediate', 'setInterval', 'Date', 'performance'],
    });
    try {
      const got = new Promise((resolve) => server.subscribe(resolve));
      await client.put(7);
      expect(await got).toBe(7);
    } finally {
      vi.useRealTimers();
    }
  });

  it('shows who it is when it is printed', async () => {
    const { server, client } = await net.pair();
    const shown = inspect(server);
    for (const part of [
      'Communicator',
      server.id,
      client.id,
      "purpose: 'server'",
      "state: 'open'",
    ]) {
      expect(shown).toContain(part);
    }
    await server.close({ force: true });
    expect(inspect(server)).toContain("state: 'closed'");
  });

  it('says with the event close why it could not open', async () => {
    const server = await net.server();
    const second = net.early(net.serverOptions(server.address()));
    const [error] = await event(second, 'close');
    expect(error?.code).toBe('ERR_CHASKI_ADDRESS');
    const closed = event(server, 'close');
    await server.close();
    expect(await closed).toEqual([undefined]);
  });

  it('tells by a warning that close() ran out of time, and for whose sake', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const puts = [1, 2, 3].map((i) => client.put(i));
    (await server.get()).ack();
    await soon(puts[0]!, 'the first');
    const warned = event(client, 'warning');
    const put = rejection(puts[1]!);
    await client.close({ timeoutMs: 50 });
    const [error] = await warned;
    expect(error.code).toBe('ERR_CHASKI_TIMEOUT');
    expect(error.message).toContain(`${server.id} (2)`);
    expect((await put).delivered).toBe('unknown');
  });

  it('tells no such thing of a close in order, or by force', async () => {
    const { server, client } = await net.pair<number>({ server: { ack: 'processed' } });
    const warnings: unknown[] = [];
    for (const queue of [server, client]) queue.on('warning', (error) => warnings.push(error));
    void client.put(1);
    await client.close({ force: true });
    await server.close();
    await turn(3);
    expect(warnings).toEqual([]);
  });
});
