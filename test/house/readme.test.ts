// The README says what is so: its programs run, and its tables list every option, event and error, with the defaults.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Kaska } from 'chaski/kaska';
import * as nq from 'chaski/net-queue';
import type { Communicator } from 'chaski/net-queue';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';

import { errorCodes } from '../../ts/errors.ts';
import { parseOptions } from '../../ts/net-queue/options.ts';
import { codeOf, Markdown } from './markdown.ts';
import { root } from './root.ts';

const readme = new Markdown('README.md');

describe('the tables of the README', () => {
  test('list every option with its default', () => {
    const settings = parseOptions({}, undefined, undefined) as unknown as Record<
      string,
      string | number | null
    >;
    const defaults: Record<string, string | number | null | undefined> = {
      ...settings,
      'highWaterMark.bytes': settings['highWaterBytes'],
      'highWaterMark.messages': settings['highWaterMessages'],
      ack: parseOptions({}, undefined, undefined).ackProcessed ? 'processed' : 'received',
      serializer: 'auto',
    };
    const rows = readme.table('Options');
    const told = rows.map(([name = '', value = '']) => [codeOf(name), codeOf(value)] as const);
    const computed = ['id', 'path', 'idleTimeoutMs', 'secret', 'runOn'];
    const wrong = told.filter(
      ([name, value]) =>
        !computed.includes(name) &&
        value !==
          (typeof defaults[name] === 'string' ? `'${defaults[name]}'` : String(defaults[name])),
    );
    expect(wrong).toEqual([]);
    expect(settings['idleTimeoutMs']).toBe(2.5 * Number(settings['keepAliveMs']));

    const message = (() => {
      try {
        parseOptions({ wrong: 1 } as object, undefined, undefined);
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    })();
    const known = /There are (.*)\./.exec(message)?.[1]?.split(', ') ?? [];
    const seeds = ['netloc', 'connection', 'serialization'];
    for (const seed of seeds) expect(readme.section('Options')).toContain(`\`${seed}\``);
    const names = new Set(told.map(([name]) => name.split('.')[0]));
    expect(new Set(known.filter((name) => !seeds.includes(name)))).toEqual(names);
  });

  test('list every event', () => {
    const types = readFileSync(join(root, 'ts', 'net-queue', 'types.ts'), 'utf8');
    const [, body = ''] = /interface CommunicatorEvents \{(.*?)\n\}/s.exec(types) ?? [];
    const events = [...body.matchAll(/^ {2}(\w+): \[/gm)].map(([, name]) => name);
    expect(new Set(readme.table('Events').map(([cell = '']) => codeOf(cell)))).toEqual(
      new Set(events),
    );
  });

  test('list every error', () => {
    expect(readme.table('Errors').map(([cell = '']) => codeOf(cell))).toEqual([...errorCodes]);
  });
});

describe('what the README says of failures', () => {
  const outcome = async (call: () => unknown): Promise<string> => {
    let result: unknown;
    try {
      result = call();
    } catch (error) {
      return `thrown ${(error as nq.ChaskiError).code}`;
    }
    return await Promise.resolve(result).then(
      () => 'fulfilled',
      (error: nq.ChaskiError) => error.code,
    );
  };

  test('of a client that cannot open, everything that waits is told', async () => {
    const queue = nq.new({ port: 1, connectTimeoutMs: 100 });
    const iteration = queue[Symbol.asyncIterator]();
    const calls = [
      () => queue.ready(),
      () => queue.put('never'),
      () => queue.get(),
      () => iteration.next(),
    ];
    expect(await Promise.all(calls.map(outcome))).toEqual([
      'ERR_CHASKI_NOT_CONNECTED',
      'ERR_CHASKI_CLOSED',
      'ERR_CHASKI_CLOSED',
      'ERR_CHASKI_CLOSED',
    ]);
    await queue.close();
  });

  test('put() throws what is wrong with its arguments, and rejects with all else', async () => {
    const server = await nq.open({ purpose: 'server', port: 0 });
    const { port } = server.address() as { port: number };
    const client = await nq.open({ port, maxMessageBytes: 10 });
    expect(await outcome(() => client.put(() => 1))).toBe('thrown ERR_CHASKI_CODEC');
    expect(await outcome(() => client.put('x', 5 as never))).toBe(
      'thrown ERR_CHASKI_INVALID_ARGUMENT',
    );
    expect(await outcome(() => client.putMany(['x'], {} as never))).toBe(
      'thrown ERR_CHASKI_INVALID_ARGUMENT',
    );
    expect(await outcome(() => client.put(new Uint8Array(11)))).toBe('ERR_CHASKI_TOO_LARGE');
    expect(await outcome(() => client.put('x', 'nobody'))).toBe('ERR_CHASKI_NOT_CONNECTED');
    await client.close();
    expect(await outcome(() => client.put('x'))).toBe('ERR_CHASKI_CLOSED');
    await server.close();
  });
});

describe('the programs of the README', () => {
  const opened: Communicator[] = [];
  let printed: unknown[][] = [];
  const console = { log: (...values: unknown[]) => void printed.push(values) };

  afterEach(async () => {
    printed = [];
    await Promise.all(opened.splice(0).map((queue) => queue.close({ force: true })));
  });

  async function pair(): Promise<{ server: Communicator; client: Communicator }> {
    const server = await nq.open({ purpose: 'server', port: 0 });
    const { port } = server.address() as { port: number };
    const client = await nq.open({ port });
    opened.push(server, client);
    if (server.peers.size === 0) await once(server, 'ini');
    await server.put('hello'); // both know of each other then
    await client.get();
    return { server, client };
  }

  test('exchange greetings', async () => {
    const port = await freePort();
    const open = (protocol: nq.Protocol, purpose: nq.Purpose) =>
      nq.open(protocol, purpose, { port });
    const [server, client] = readme.programs('A first exchange', 'nq', 'console');
    const here = { ...nq, open };
    await Promise.all([server?.(here, console), client?.(here, console)]);
    expect(printed).toEqual([['Hello, Server!'], ['Hello, Client!']]);
  });

  test('keep a log', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'chaski-readme-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const [log] = readme.programs('A topic log', 'Kaska', 'console');
    await log?.({ open: () => Kaska.open({ dir }) }, console);
    expect(printed).toEqual([[0, '21.5']]);
  });

  test('receive', async () => {
    const [loop, get, subscribe, batches] = readme.programs('Receiving', 'queue', 'console');
    const { server, client } = await pair();
    await client.putMany(['a', 'last', 'b', 'c', 'd', 'last']);
    await loop?.(server, console);
    expect(printed).toEqual([
      [client.id, 1, 'a'],
      [client.id, 2, 'last'],
    ]);
    await get?.(server, console);
    await subscribe?.(server, console);
    printed = [];
    await batches?.(server, console);
    expect(printed.flat().every((view) => view instanceof Uint8Array)).toBe(true);
  });

  test('acknowledge what a handler failed with', async () => {
    const [subscribe] = readme.programs('Acknowledgements', 'queue', 'console', 'work');
    const server = await nq.open({ purpose: 'server', port: 0, ack: 'processed' });
    opened.push(server);
    const client = await nq.open({ port: (server.address() as { port: number }).port });
    opened.push(client);
    const failure = new Error('poison');
    await subscribe?.(server, console, (data: unknown) => {
      if (data === 'poison') throw failure;
    });
    await client.putMany(['a', 'poison', 'b']);
    expect(printed).toEqual(Array.from({ length: 5 }, () => [2, failure]));
  });

  test('put', async () => {
    const [put] = readme.programs('Putting', 'queue');
    const { server, client } = await pair();
    const received: unknown[] = [];
    server.subscribe((data) => received.push(data));
    await put?.(client);
    await client.close();
    await vi.waitUntil(() => received.length === 1 + 1 + 1 + 1 + 3 + 100 + 1 + 1);
    expect(received[0]).toEqual({ any: ['value', 1, null] });
    expect(received.slice(-2)).toEqual(['when there is room', 'now or never']);
  });

  test('put under back-pressure', async () => {
    const [loop] = readme.programs('Back-pressure', 'queue', 'records');
    const { server, client } = await pair();
    let received = 0;
    server.subscribe(() => (received += 1));
    await loop?.(
      client,
      Array.from({ length: 200_000 }, (_, i) => i),
    );
    await client.close();
    await vi.waitUntil(() => received >= 200_000);
    expect(received).toBe(200_000);
  });

  test('in examples/net-queue talk with each other', async () => {
    const port = await freePort();
    const [server, client] = await Promise.all([
      example('server.mjs', port),
      example('client.mjs', port),
    ]);
    expect(server).toMatchObject({
      code: 0,
      output: expect.stringContaining('got Hello, Server!'),
    });
    expect(client).toEqual({ code: 0, output: 'got Hello, Client!\n' });
  });

  test('in examples/net-queue have threads work on messages', async () => {
    const port = await freePort();
    const pool = example('pool.mjs', port);
    const client = await nq.open({ port });
    opened.push(client);
    await client.putMany(Array.from({ length: 10_000 }, (_, i) => i));
    await client.close();
    expect(await pool).toMatchObject({ code: 0, output: expect.stringContaining('done') });
  });
});

/** Runs a program of examples/net-queue. */
async function example(name: string, port: number): Promise<{ code: number; output: string }> {
  const path = join(root, 'examples', 'net-queue', name);
  const child = spawn(process.execPath, [path, String(port)], { timeout: 60_000 });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

test('the links of the README lead somewhere', () => {
  const { links } = readme;
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

/** A port that nobody uses. */
async function freePort(): Promise<number> {
  const queue = await nq.open({ purpose: 'server', port: 0 });
  const { port } = queue.address() as { port: number };
  await queue.close();
  return port;
}
