import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

import { open, Protocol } from 'chaski/net-queue';
import type { OpenOptions } from 'chaski/net-queue';
import { afterEach, describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { event, rejection, soon, take, until } from './support/waiting.ts';
import { chunks, control, data, field, Frame, header, hello } from './support/wire.ts';
import { plainWorlds } from './support/worlds.ts';

describe.each(plainWorlds)('a client and a server that misbehaves, $name', (world) => {
  const net = useNet(world);
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  /** A server that does `greet` with each connection; options of a client for it. */
  async function impostor(greet: (socket: Socket) => void): Promise<OpenOptions> {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('data', () => {
        greet(socket);
      });
    });
    servers.push(server);
    const unix = world.protocol === Protocol.UNIX;
    const path = net.path();
    server.listen(unix ? { path } : { port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const place = unix ? { path } : { port: (server.address() as { port: number }).port };
    return { protocol: world.protocol, runOn: world.host, ...place };
  }

  const answers: [string, () => Buffer, string][] = [
    ['answers with noise', () => Buffer.from('hello yourself'), 'PROTOCOL'],
    ['answers in the Python protocol', () => Buffer.alloc(24), 'PROTOCOL'],
    ['chooses a version that was not offered', () => hello({ low: 2, high: 2 }), 'UNSUPPORTED'],
    ['belongs to another cluster', () => hello({ cluster: Buffer.from('other') }), 'AUTH'],
    ['says a hello without an id', () => hello({ id: null }), 'PROTOCOL'],
    ['says a hello that is too long', () => hello({ length: 60_000 }), 'PROTOCOL'],
    [
      'refuses for a reason',
      () => hello({ id: null, more: field(7, Buffer.from('\u000aover capacity')) }),
      'AUTH',
    ],
    [
      'refuses for a reason that nobody knows',
      () => hello({ id: null, more: field(7, Buffer.of(250, 0xff)) }),
      'PROTOCOL',
    ],
    [
      'refuses without a reason',
      () => hello({ id: null, more: field(7, Buffer.alloc(0)) }),
      'PROTOCOL',
    ],
    ['sends messages instead of a hello', () => data(1, Buffer.from('x')), 'PROTOCOL'],
  ];

  it.each(answers)('gives up one that %s', async (_, answer, code) => {
    const options = await impostor((socket) => socket.write(answer()));
    const error = await rejection(open(options));
    expect(error.code).toBe(`ERR_CHASKI_${code}`);
  });

  it('gives up one that hangs up during the handshake', async () => {
    const options = await impostor((socket) => socket.end(hello().subarray(0, 20)));
    // It may be about to come back, so it is tried again until then.
    const error = await rejection(open({ ...options, connectTimeoutMs: 300 }));
    expect([error.code, error.retryable]).toEqual(['ERR_CHASKI_NOT_CONNECTED', true]);
  });

  it('shows the reason of a refusal', async () => {
    const refusal = hello({ id: null, more: field(7, Buffer.from('\u000aover capacity')) });
    const options = await impostor((socket) => socket.write(refusal));
    expect((await rejection(open(options))).message).toContain('over capacity');
  });

  it.each([
    [
      'announces 2^32-1 bytes',
      () => header({ length: 2 ** 32 - 1, count: 1, seq: 2 }),
      'TOO_LARGE',
    ],
    ['repeats a message', () => data(1, Buffer.from('again')), 'PROTOCOL'],
    ['acknowledges what was never put', () => control(Frame.ACK, 7), 'PROTOCOL'],
    ['sends noise', () => Buffer.alloc(100, 0xee), 'PROTOCOL'],
    ['gives up', () => control(Frame.ERROR, 7, Buffer.from('out of paper')), 'INTERNAL'],
  ] as const)(
    'leaves one that %s later on, with what it had sent before',
    async (_, bytes, code) => {
      const options = await impostor((socket) =>
        socket.write(Buffer.concat([hello(), data(1, Buffer.from('whole')), bytes()])),
      );
      const client = net.early(options);
      const lost = event(client, 'lost');
      const put = rejection(client.put('x'));
      const [message] = await take(client, 1);
      expect(Buffer.from(message!.data as Uint8Array).toString()).toBe('whole');
      expect((await lost)[1]?.code).toBe(`ERR_CHASKI_${code}`);
      expect((await put).code).toBe('ERR_CHASKI_CLOSED');
      const end = await rejection(client.get());
      expect([end.code, (end.cause as { code?: string }).code]).toEqual([
        'ERR_CHASKI_CLOSED',
        `ERR_CHASKI_${code}`,
      ]);
      await until(() => client.closed, 'it is closed');
    },
  );

  it('does not wait for ever for the good-bye of one that takes everything and says nothing', async () => {
    const options = await impostor((socket) => socket.write(hello()));
    const client = net.early(options);
    await client.ready();
    const put = rejection(client.put('x'));
    await soon(client.close({ timeoutMs: 200 }), 'the close');
    expect((await put).delivered).toBe('unknown');
  });

  it('believes an acknowledgement of a part, and rejects the rest when the server dies', async () => {
    let bytes = 0;
    const options = await impostor((socket) => {
      socket.on('data', ({ length }) => (bytes += length));
      // One that processes, so that it may acknowledge each message by itself.
      socket.write(hello({ ack: 1 }));
    });
    const client = net.early(options);
    await client.ready();
    bytes = 0;
    const puts = [1, 2, 3, 4].map((i) => client.put(i));
    await until(() => bytes >= 16 + 4 * (4 + 1), 'the messages');
    sockets[0]!.write(control(Frame.ACK, 2));
    await soon(Promise.all(puts.slice(0, 2)), 'the first two');
    sockets[0]!.destroy();
    const [three, four] = [await rejection(puts[2]!), await rejection(puts[3]!)];
    expect([three.delivered, four.delivered]).toEqual(['unknown', 'unknown']);
  });

  it('breaks the format of streams, and is left for that', async () => {
    const options = await impostor((socket) => {
      socket.write(Buffer.concat([hello(), chunks(1, [7, 0, Buffer.of(1)])]));
    });
    const client = net.early({ ...options, serializer: 'stream', sessionTimeoutMs: 30_000 });
    const ended = event(client, 'close');
    const reading = rejection(client.get());
    expect((await ended)[0]?.code).toBe('ERR_CHASKI_PROTOCOL');
    expect((await reading).cause).toMatchObject({ code: 'ERR_CHASKI_PROTOCOL' });
  });
});
