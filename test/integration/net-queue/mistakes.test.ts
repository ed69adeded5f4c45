// Mistakes that can be told at once are, and what went wrong is told to somebody, once.
import { open } from 'chaski/net-queue';
import type { Communicator, OpenOptions } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, turn } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const wrong = 'ERR_CHASKI_INVALID_ARGUMENT';

it.each([
  ['a client at port 0', { port: 0 }, /port is 0; .*from 1 to 65535/u],
  ['a short secret', { secret: 'hunter2' }, /secret is a text of 7 characters;/u],
  ['few bytes', { secret: new Uint8Array(11) }, /secret is 11 bytes;/u],
])('%s is refused before anything is tried', async (_, options, expected) => {
  const error = await rejection(open(options));
  expect(error.code).toBe(wrong);
  expect(error.message).toMatch(expected);
});

it('what is said twice must be the same', async () => {
  const port = 1;
  for (const call of [
    () => open('tcp', 'client', { purpose: 'server', port: 0 } as never),
    () => open('tcp', 'server', { protocol: 'unix', path: '/tmp/x' } as never),
    () => open({ purpose: 'server', port: 0 } as never, 'client'),
    () => open({ port } as never, undefined, { host: 'localhost' }),
  ]) {
    expect((await rejection(call())).code).toBe(wrong);
  }
});

describe.each(tcpWorlds)('mistakes, $name', (world) => {
  const net = useNet(world);

  it('what cannot open is told by a warning when nobody waits for it', async () => {
    const first = await net.server();
    const second = net.early(net.serverOptions(first.address()));
    second.subscribe(() => {});
    const [warning] = await event(second, 'warning');
    expect(warning.code).toBe('ERR_CHASKI_ADDRESS');
    expect(warning.message).toMatch(/^The communicator could not open: .*ready\(\)/su);
  });

  it.each([
    ['ready()', (queue: Communicator) => rejection(queue.ready())],
    ['get()', (queue: Communicator) => rejection(queue.get())],
    ['the event close', (queue: Communicator) => event(queue, 'close')],
    [
      'a loop',
      async (queue: Communicator) => {
        for await (const _ of queue) throw new Error('a message of nobody');
      },
    ],
  ])('and not when %s tells it', async (_, hear) => {
    const first = await net.server();
    const second = net.early(net.serverOptions(first.address()));
    const warnings: unknown[] = [];
    second.on('warning', (error) => warnings.push(error));
    await hear(second).catch(() => {});
    await second.close();
    await turn(3);
    expect(warnings).toEqual([]);
  });

  it.each([
    ['put()', (queue: Communicator) => queue.put('x')],
    ['send()', (queue: Communicator) => queue.send('x')],
  ])('nor when a %s that is waited for tells it', async (_, put) => {
    const client = net.early(net.lonelyOptions({ connectTimeoutMs: 50 }));
    const warnings: unknown[] = [];
    client.on('warning', (error) => warnings.push(error));
    const { cause } = await rejection(put(client));
    expect(cause).toMatchObject({ code: 'ERR_CHASKI_NOT_CONNECTED' });
    await client.close();
    await turn(3);
    expect(warnings).toEqual([]);
  });

  it('an own id for a Python peer rejects its put, and only trySend() throws', async () => {
    const id = '00112233-4455-4677-8899-aabbccddeeff';
    const python = { id, secret: 'ab'.repeat(16), compat: 'python', connectTimeoutMs: Infinity };
    const client = net.early(net.lonelyOptions({ ...python, closeTimeoutMs: 0 } as OpenOptions));
    const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
    const refused = { code: wrong };
    expect(await rejection(client.put(bytes))).toMatchObject(refused);
    expect(await rejection(client.put(bytes, {}))).toMatchObject(refused);
    expect(() => client.trySend(bytes)).toThrow(expect.objectContaining(refused) as Error);
  });

  it('a close whose peer had given up before warns of no wait that was none', async () => {
    const { server, client } = await net.pair({ server: { ack: 'processed' } });
    const warnings: unknown[] = [];
    server.on('warning', (error) => warnings.push(error));
    client.on('warning', () => {});
    client.put('x').catch(() => {});
    await server.get();
    await client.close({ timeoutMs: 100 });
    await server.close();
    await turn(3);
    expect(warnings).toEqual([]);
  });
});
