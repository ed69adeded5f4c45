import { markAsUntransferable } from 'node:worker_threads';

import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, soon, take, turn, until } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

/** Sizes around those at which messages are treated in another way. */
const sizes = [0, 1, 32_767, 32_768, 32_769, 65_515, 65_516, 65_517, 131_072, 1 << 20, 5_000_001];

/** Newer than the types that this project is compiled with. */
type Resizable = new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
declare const WebAssembly: {
  Memory: new (options: { initial: number }) => { buffer: ArrayBuffer };
};

describe.each(worlds)('memory that is given away, $name', (world) => {
  const net = useNet(world);

  it('is detached at once, and arrives as it was, in order with other messages', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const results = sizes.flatMap((size) => {
      const given = pattern(size);
      const { buffer } = given;
      const result = client.put(given, { transfer: true });
      expect([given.byteLength, buffer.byteLength]).toEqual([0, 0]);
      return [result, client.put(pattern(100))];
    });
    const messages = await take(server, 2 * sizes.length);
    for (const [i, size] of sizes.entries()) {
      expectPattern(messages[2 * i]?.data, size);
      expectPattern(messages[2 * i + 1]?.data, 100);
    }
    await soon(Promise.all(results), 'all are acknowledged');
  });

  it('can be an ArrayBuffer, a view of another type, or a resizable buffer', async () => {
    const { server, client } = await net.pair();
    const buffer = pattern(100_000).buffer;
    const numbers = new Float64Array(pattern(80_000).buffer);
    const resizable = new (ArrayBuffer as Resizable)(50_000, { maxByteLength: 90_000 });
    new Uint8Array(resizable).set(pattern(50_000));
    for (const data of [buffer, numbers, resizable]) void client.put(data, { transfer: true });
    expect([buffer.byteLength, numbers.byteLength, resizable.byteLength]).toEqual([0, 0, 0]);
    const messages = await take(server, 3);
    for (const [i, size] of [100_000, 80_000, 50_000].entries()) {
      expectPattern(messages[i]?.data as Uint8Array, size);
    }
  });

  it('goes to several peers, to those that are named, and with send() and trySend()', async () => {
    const server = await net.server<Uint8Array>();
    const clients = [await net.client(server), await net.client(server)];
    await until(() => server.peers.size === 2, 'both clients');
    const [first] = clients;
    const given = Array.from({ length: 4 }, (_, i) => pattern(200_000 + i));
    const put = server.put(given[0]!, { transfer: true });
    await soon(server.send(given[1]!, { transfer: true }), 'send() is acknowledged');
    expect(server.trySend(given[2]!, { transfer: true })).toBe(true);
    void server.put(given[3]!, { transfer: true, peers: [first!.id] });
    expect(given.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0, 0]);
    expect(put.futures.size).toBe(2);
    for (const client of clients) {
      const messages = await take(client, client === first ? 4 : 3);
      for (const [i, { data }] of messages.entries()) expectPattern(data, 200_000 + i);
    }
    await soon(put, 'put() is acknowledged');
  });

  it('stays as it was while the peer takes nothing and garbage is collected', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { highWaterMark: { bytes: 1 << 20 } },
    });
    const count = 24;
    for (let i = 0; i < count; i += 1) void client.put(pattern(1_000_000 + i), { transfer: true });
    for (let i = 0; i < 10; i += 1) {
      globalThis.gc?.();
      // What takes the place of memory that was freed too early.
      pattern(1_000_000).fill(255);
      await turn();
    }
    for (let i = 0; i < count; i += 1) expectPattern((await server.get()).data, 1_000_000 + i);
    await soon(client.drain(), 'everything is acknowledged');
    expect(client.stats()['lentBytes']).toBe(0);
  });

  it('stays with its owner when the message is refused', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { ack: 'processed', maxMessageBytes: 200_000 },
      client: { highWaterMark: { messages: 1 }, onFull: 'error' },
    });
    const data = pattern(100_000);
    const long = pattern(200_001);
    expect((await rejection(client.put(long, { transfer: true }))).code).toBe(
      'ERR_CHASKI_TOO_LARGE',
    );
    expect(() => client.trySend(long, { transfer: true })).toThrow(/over the limit/u);
    void client.put(pattern(1));
    const full = await rejection(client.put(data, { transfer: true }));
    expect([full.code, full.delivered]).toEqual(['ERR_CHASKI_QUEUE_FULL', 'no']);
    expect(client.trySend(data, { transfer: true })).toBe(false);
    const late = client.send(data, { transfer: true, timeoutMs: 20 });
    expect((await rejection(late)).code).toBe('ERR_CHASKI_TIMEOUT');
    const stranger = client.put(data, { transfer: true, peers: [client.id] });
    expect((await rejection(stranger)).code).toBe('ERR_CHASKI_NOT_CONNECTED');
    expect((await rejection(client.put(data, { transfer: true, peers: [] }))).code).toBe(
      'ERR_CHASKI_NOT_CONNECTED',
    );
    await client.close({ force: true });
    expect((await rejection(client.put(data, { transfer: true }))).code).toBe('ERR_CHASKI_CLOSED');
    expectPattern(data, 100_000);
    expectPattern(long, 200_001);
    await server.close({ force: true });
  });

  it('is let go when the peer is killed in the middle of it', async () => {
    const server = await net.server();
    const child = net.child('client.mjs', { options: net.clientOptions(server) });
    await child.report('open');
    await until(() => server.peers.size === 1, 'the client');
    child.process.kill('SIGSTOP');
    const results = Array.from({ length: 30 }, () =>
      server.put(pattern(1 << 20), { transfer: true }),
    );
    expect(server.stats()['lentBytes']).toBeGreaterThan(0);
    await child.kill();
    const last = await rejection(results.at(-1)!);
    expect(last.code).toBe('ERR_CHASKI_CLOSED');
    await until(() => server.stats()['lentBytes'] === 0, 'nothing is lent any more');
  });
});

describe('memory that cannot be given away', () => {
  const net = useNet(worlds[0]!);

  it('is refused, whatever its length, and nothing is put', async () => {
    const { server, client } = await net.pair();
    const marked = new ArrayBuffer(100_000);
    markAsUntransferable(marked);
    const detached = pattern(100_000);
    structuredClone(detached, { transfer: [detached.buffer] });
    const pooled = Buffer.from('small Buffers share one ArrayBuffer');
    const cases: [unknown, RegExp][] = [
      [new Uint8Array(new SharedArrayBuffer(100_000)), /SharedArrayBuffer/u],
      [new SharedArrayBuffer(100_000), /SharedArrayBuffer/u],
      [new WebAssembly.Memory({ initial: 2 }).buffer, /WebAssembly/u],
      [marked, /untransferable/u],
      [pooled, /35 of the \d+ bytes/u],
      [pooled.buffer, /untransferable/u],
      [pattern(100_000).subarray(1), /99999 of the 100000 bytes/u],
      [detached, /detached/u],
      ['text', /bytes with transfer/u],
      [{ bytes: pattern(1) }, /bytes with transfer/u],
      [undefined, /bytes with transfer/u],
    ];
    for (const [data, message] of cases) {
      expect(() => client.put(data, { transfer: true })).toThrow(message);
      expect(() => client.trySend(data, { transfer: true })).toThrow(message);
      const error = await rejection(client.send(data, { transfer: true }));
      expect(error.code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
      expect(error.message).toMatch(message);
    }
    expect(Buffer.from('the pool still works').toString()).toBe('the pool still works');
    await client.put('next');
    expect((await server.get()).data).toBe('next');
  });

  it('is any memory, where values have an encoding of their own', async () => {
    const { client } = await net.pair<Uint8Array>({ client: { serializer: 'msgpack' } });
    expect(() => client.put(pattern(1), { transfer: true })).toThrow(/serializer/u);
  });

  it('is refused with options that do not exist', async () => {
    const { client } = await net.pair();
    // @ts-expect-error -- it is peers.
    expect(() => client.put('x', { peer: client.id })).toThrow(/options\.peer/u);
    // @ts-expect-error -- true or false.
    expect(() => client.put('x', { transfer: 1 })).toThrow(/true or false/u);
    // @ts-expect-error -- a list.
    expect(() => client.put('x', { peers: client.id })).toThrow(/list of ids/u);
  });
});

function pattern(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) bytes[i] = (i * 31 + size) & 0xff;
  return bytes;
}

/** Not toEqual(), which takes seconds for so many bytes. */
function expectPattern(data: Uint8Array | undefined, size: number): void {
  expect(data?.byteLength).toBe(size);
  expect(Buffer.compare(data as Uint8Array, pattern(size))).toBe(0);
}
