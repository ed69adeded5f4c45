// How conversations with the Python package net-queue end, and what is refused: its defects must not become ours.
import { once } from 'node:events';
import { connect } from 'node:net';

import { ChaskiError } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { event, rejection, soon, take, until } from '../integration/net-queue/support/waiting.ts';
import { interpreter, seen, versions } from './support/python.ts';
import { clientOf, python, server } from './support/worlds.ts';

const hello = Buffer.from('Hello, World!');

function idBytes(id: string): Uint8Array {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

describe.skipIf(interpreter === undefined).each(versions)('net-queue %s of Python', (version) => {
  it('leaves a server of chaski fifty times without waiting for a word of it', async () => {
    const count = 50;
    const [queue, port] = await server();
    const lost: unknown[] = [];
    queue.on('lost', (_, error) => lost.push(error));
    const peer = await python(version, 'client', { port });
    const leaving = peer.do('putAndClose', { host: '127.0.0.1', port, count, size: 100 });
    const numbers = (await take(queue, count)).map(({ bytes }) =>
      Buffer.from(bytes).readUInt32BE(),
    );
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    await leaving;
    await until(() => lost.length === count, 'all have gone');
    expect(lost).toEqual(Array.from({ length: count }, () => undefined));
    expect(queue.peers.size).toBe(1);
  });

  it('is left by clients of chaski fifty times as soon as they have put, and can close then', async () => {
    const count = 50;
    const peer = await python(version, 'server');
    for (let i = 0; i < count; i += 1) {
      const queue = await clientOf(peer);
      const message = Buffer.alloc(100);
      void queue.put(message);
      await soon(queue.close(), 'the end of a client');
    }
    expect(await peer.get(count)).toHaveLength(count);
    await peer.close();
  });

  it('is lost when its process is killed, and so are the puts that nobody took', async () => {
    const [queue, port] = await server({ highWaterMark: { bytes: 1 << 26 } });
    const peer = await python(version, 'client', { port });
    await peer.put([{ size: 100 }]);
    await take(queue, 1);
    const lost = event(queue, 'lost');
    peer.process.kill('SIGSTOP');
    // More than the sockets hold between them.
    const put = queue.put(new Uint8Array(48 << 20));
    const refused = rejection(put);
    await peer.kill();
    const [id, error] = await lost;
    expect([id, error?.code]).toEqual([peer.id, 'ERR_CHASKI_CLOSED']);
    expect((await refused).code).toBe('ERR_CHASKI_CLOSED');
    expect((await refused).delivered).toBe('unknown');
    await soon(queue.close(), 'the end');
  });

  it('ends a client of chaski when its process is killed', async () => {
    const peer = await python(version, 'server');
    const queue = await clientOf(peer);
    const ended = event(queue, 'close');
    await peer.kill();
    expect((await ended)[0]?.code).toBe('ERR_CHASKI_CLOSED');
  });

  it('does not get its own leave as a message, and gets all that looks like it', async () => {
    const [queue, port] = await server();
    const peer = await python(version, 'client', { port });
    await peer.put([{ size: 1 }]);
    await take(queue, 1);
    const own = idBytes(queue.id);
    const message = /the id of this communicator/;
    await expect(queue.put(own)).rejects.toThrow(message);
    await expect(queue.put(own, { transfer: false })).rejects.toMatchObject({ delivered: 'no' });
    await expect(queue.putMany({ data: own, lengths: 16 })).rejects.toThrow(message);
    await expect(queue.putMany([hello, own])).rejects.toThrow(message);
    expect(() => queue.trySend(own)).toThrow(ChaskiError);
    const alike = [idBytes(peer.id), own.subarray(1), Buffer.concat([own, own])];
    for (const bytes of alike) await soon(queue.put(bytes), 'the socket has taken it');
    const expected = [hello, ...alike].map((bytes) => seen(queue.id, bytes));
    expect(await peer.get(expected.length)).toEqual(expected);
    await peer.close();
  });

  it('is not asked to take the leave of a client of chaski for a message either', async () => {
    const peer = await python(version, 'server');
    const queue = await clientOf(peer);
    const refused = rejection(queue.put(idBytes(queue.id)));
    expect((await refused).code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    await soon(queue.put(idBytes(peer.id)), 'the socket has taken it');
    expect(await peer.get()).toEqual([seen(queue.id, idBytes(peer.id))]);
    await soon(queue.close(), 'the end');
    await peer.close();
  });

  it('is turned away with an id that is taken, and can close', async () => {
    const [queue, port] = await server();
    const warnings: string[] = [];
    queue.on('warning', ({ code }) => warnings.push(code));
    const first = await python(version, 'client', { port });
    await first.put([{ size: 1 }]);
    for (const id of [first.id, queue.id]) {
      const thief = await python(version, 'client', { port, id });
      await until(() => warnings.length > 0, 'it is turned away');
      await thief.close();
      await thief.kill();
      expect(warnings.splice(0)).toEqual(['ERR_CHASKI_AUTH']);
    }
    await first.put([{ size: 2 }]);
    expect((await take(queue, 2)).map(({ byteLength }) => byteLength)).toEqual([1, 2]);
    await first.close();
    await soon(queue.close(), 'the end');
  });

  it('can close after a server of chaski that did not wait any longer', async () => {
    const [queue, port] = await server();
    const peer = await python(version, 'client', { port });
    await peer.put([{ size: 1 }]);
    await take(queue, 1);
    const warning = event(queue, 'warning');
    await soon(queue.close({ timeoutMs: 100 }), 'the end of the server');
    expect((await warning)[0].code).toBe('ERR_CHASKI_TIMEOUT');
    await peer.close();
  });
});

describe('a server of chaski and strangers that speak the Python protocol', () => {
  const ini = Buffer.concat([Buffer.from('0000000000000010', 'hex'), Buffer.alloc(16, 7)]);

  it.each([
    ['2^63', '8000000000000000'],
    ['1 TiB', '0000010000000000'],
    ['a byte too much', '0000000010000001'],
  ])('hangs up on one that announces a message of %s', async (_, length) => {
    const [queue, port] = await server();
    const before = process.memoryUsage().rss;
    const socket = connect(port, '127.0.0.1');
    const lost = event(queue, 'lost');
    socket.on('error', () => undefined);
    socket.write(Buffer.concat([ini, Buffer.from(length, 'hex')]));
    const [, error] = await lost;
    expect(error?.code).toBe('ERR_CHASKI_TOO_LARGE');
    socket.resume();
    await soon(once(socket, 'close'), 'the connection is closed');
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
  });

  it("takes none with compat: 'native'", async () => {
    const [queue, port] = await server({ compat: 'native' });
    const warning = event(queue, 'warning');
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(ini);
    expect((await warning)[0].code).toBe('ERR_CHASKI_PROTOCOL');
    socket.destroy();
  });
});
