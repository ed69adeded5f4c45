// docs/net-queue.md says what is so: its programs run, and its table lists the options of every method.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';

import * as nq from 'chaski/net-queue';
import type { Communicator, OpenOptions } from 'chaski/net-queue';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { codeOf, Markdown } from './markdown.ts';
import { root } from './root.ts';

const guide = new Markdown('docs/net-queue.md');
const opened: Communicator[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close({ force: true })));
});

async function pair(
  options: OpenOptions = {},
): Promise<{ server: Communicator; client: Communicator }> {
  const server = await nq.open({ purpose: 'server', port: 0, ...options });
  opened.push(server);
  const client = await another(server);
  return { server, client };
}

async function another(server: Communicator): Promise<Communicator> {
  const { port } = server.address() as { port: number };
  const came = once(server, 'ini');
  const client = await nq.open({ port });
  opened.push(client);
  await came;
  return client;
}

describe('the programs of docs/net-queue.md', () => {
  test('deal with messages that fail', async () => {
    const [loop, batches] = guide.programs('Messages that fail', 'queue', 'work', 'give', 'valid');
    const { server, client } = await pair({ ack: 'processed' });
    const calls: unknown[] = [];
    const given: unknown[] = [];
    const work = async (data: unknown): Promise<void> => {
      calls.push(data);
      if (data === 'bad' || (data === 'late' && calls.length < 4)) throw new Error('on purpose');
      await Promise.resolve();
    };
    const reading = loop!(server, work, { up: (data: unknown) => given.push(data) });
    await client.putMany(['good', 'bad', 'late', 'good']);
    expect(given).toEqual(['bad']);
    expect(calls.filter((data) => data === 'late')).toHaveLength(2);
    await client.close();
    await server.close();
    await reading;

    const second = await pair({ ack: 'processed' });
    const seen: unknown[] = [];
    const valid = (data: unknown): boolean => seen.push(data) > 3 || data !== 2;
    const batched = batches!(second.server, undefined, undefined, valid);
    await second.client.putMany([1, 2, 3]);
    expect(seen).toEqual([1, 2, 3, 2]);
    await second.client.close();
    await second.server.close();
    await batched;
  });

  test('release large messages', async () => {
    const [write] = guide.programs('Large messages', 'queue', 'file', 'release');
    const { server, client } = await pair();
    const written: [number, boolean][] = [];
    const file = {
      write(data: Uint8Array, done: () => boolean): void {
        const { length } = data;
        written.push([length, done() && data.length === 0]);
      },
    };
    await write!(server, file, nq.release);
    await client.putMany([new Uint8Array(100_000), new Uint8Array(100)]);
    expect(written).toEqual([
      [100_000, true],
      [100, false],
    ]);
  });

  test('take messages back', async () => {
    const [cancel] = guide.programs('Taking messages back', 'queue', 'console');
    const { server, client } = await pair();
    const printed: unknown[] = [];
    await cancel!(client, { log: (text: unknown) => printed.push(text) });
    expect(printed).toEqual(['nobody will get it']);
    await client.put('next');
    expect((await server.get()).data).toBe('next');
  });

  test('go on with the session of a process', async () => {
    const [, begin, goOn] = guide.programs('Sessions', 'queue', 'console', 'nq', 'port');
    const server = await nq.open({ purpose: 'server', port: 0 });
    opened.push(server);
    const { port } = server.address() as { port: number };
    const clients: Communicator[] = [];
    const opening = async (options: OpenOptions): Promise<Communicator> => {
      const client = await nq.open(options);
      clients.push(client);
      opened.push(client);
      return client;
    };
    await begin!(0, 0, { ...nq, open: opening }, port);
    const [first] = clients;
    const kept = first!.session;
    const replaced = once(first!, 'lost');
    vi.stubGlobal('kept', kept);
    await goOn!(0, 0, { ...nq, open: opening }, port);
    vi.unstubAllGlobals();
    const [, error] = (await replaced) as [string, Error];
    expect(error).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    expect(error.message).toContain('a newer process');
    expect(error.message).toContain('has the session now');
    expect(clients.map(({ id }) => id)).toEqual([kept.id, kept.id]);
  });

  test('put to groups', async () => {
    const [groups] = guide.programs('Groups', 'queue', 'other');
    const { server, client } = await pair();
    const second = await another(server);
    await groups!(server, second.id);
    for (const member of [client, second]) {
      expect([(await member.get()).data, (await member.get()).data]).toEqual([
        'to its members',
        'to its members, and to one more',
      ]);
    }
    expect(second.tryGet()).toBeUndefined();
  });

  test('spread work over threads and processes', async () => {
    const [many, post, worked, forked] = guide.programs(
      'Threads and processes',
      'nq',
      'queue',
      'worker',
      'posted',
      'parentPort',
      'work',
      'cluster',
    );
    const asked: unknown[] = [];
    const opening = async (
      protocol: nq.Protocol,
      purpose: nq.Purpose,
      options: object,
    ): Promise<void> => {
      asked.push(options);
      opened.push(await nq.open(protocol, purpose, options));
    };
    await many!({ ...nq, open: opening });
    expect(asked).toEqual([{ port: 0, workers: 4 }]);

    const { server, client } = await pair({ ack: 'processed' });
    const { port1: worker, port2: parentPort } = new MessageChannel();
    const posted: nq.Batch[] = [];
    worker.on('message', () => posted.shift()?.ack());
    const done: unknown[] = [];
    await worked!(nq, 0, 0, 0, parentPort, (data: unknown) => done.push(data));
    const posting = post!(nq, server, worker, posted);
    await client.putMany([1, 2, 3]);
    expect(done).toEqual([1, 2, 3]);
    await client.close();
    await server.close();
    await posting;
    worker.close();

    let forks = 0;
    await forked!(nq, 0, 0, 0, 0, 0, { isPrimary: true, fork: () => (forks += 1) });
    expect(forks).toBe(4);
  });

  test('set the mark of a peer', async () => {
    const [policy] = guide.programs("One peer's mark", 'queue');
    const { server } = await pair();
    await policy!(server);
    const configure = vi.spyOn(server, 'configure');
    const client = await another(server);
    expect(configure.mock.calls.map(([peer]) => peer)).toEqual([client.id]);
    expect(configure.mock.results.map(({ type }) => type)).toEqual(['return']);
  });
});

/** What an unknown option of a method is answered with. */
async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

test('the table lists the options of every method, and no other', async () => {
  const { server, client } = await pair({ ack: 'processed' });
  void client.put('a message');
  const message = await server.get();
  const wrong = { wrong: 1 } as object;
  const calls: Record<string, () => unknown> = {
    put: () => server.put(1, wrong),
    trySend: () => server.trySend(1, wrong),
    send: () => server.send(1, wrong),
    writable: () => server.writable(wrong),
    drain: () => server.drain(wrong),
    ready: () => server.ready(wrong),
    get: () => server.get(wrong),
    getBatch: () => server.getBatch(wrong),
    batches: () => server.batches(wrong),
    subscribe: () => server.subscribe(() => {}, wrong),
    subscribeBatches: () => server.subscribeBatches(() => {}, wrong),
    nack: () => message.nack(wrong),
    configure: () => {
      server.configure(client.id, wrong);
    },
    close: () => server.close(wrong),
  };
  const told = guide.table('Options of methods').map((row) => row.slice(0, 2).map(codeOf));
  expect(new Set(told.map(([method]) => method))).toEqual(new Set(Object.keys(calls)));
  for (const [method, call] of Object.entries(calls)) {
    const names = /There are (.*)\./.exec(await refusal(call))?.[1]?.split(', ') ?? [];
    const rows = told.filter(([name]) => name === method).map(([, option]) => option);
    expect([method, new Set(rows)]).toEqual([method, new Set(names)]);
  }
});

test('the bounds of times are those of the table', async () => {
  const { server, client } = await pair({ ack: 'processed' });
  void client.put('a message');
  const message = await server.get();
  const most = 2 ** 31 - 1;
  const calls: Record<string, (ms: number) => unknown> = {
    send: (timeoutMs) => client.send(1, { timeoutMs }),
    writable: (timeoutMs) => client.writable({ timeoutMs }),
    get: (timeoutMs) => client.get({ timeoutMs }),
    nack: (delayMs) => message.nack({ delayMs }),
  };
  for (const [method, call] of Object.entries(calls)) {
    for (const ms of [-1, most + 1, Number.NaN]) {
      expect([method, ms, await refusal(() => call(ms))]).toEqual([
        method,
        ms,
        expect.stringContaining(`from 0 to ${most}`),
      ]);
    }
  }
  const rows = guide
    .table('Options of methods')
    .filter(([, option = '']) => option.endsWith('Ms`'));
  expect(rows.filter(([, , , text = '']) => !text.includes('0 to 2^31-1'))).toEqual([]);
});

test('its links lead somewhere', () => {
  expect(guide.links.length).toBeGreaterThan(2);
  expect(guide.links.filter((path) => !existsSync(join(root, 'docs', path)))).toEqual([]);
});
