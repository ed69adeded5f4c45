// serializer 'stream': messages that travel in chunks.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Stream } from 'chaski/net-queue';
import type { Communicator, IncomingStream, StreamSource } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { Cable } from './support/cable.ts';
import { useNet } from './support/net.ts';
import { rejection, soon, until } from './support/waiting.ts';
import { chunks, field, Frame, hello } from './support/wire.ts';
import { tcpWorlds, worlds } from './support/worlds.ts';

const serializer = 'stream' as const;
const options = { server: { serializer }, client: { serializer } };

async function next(queue: Communicator<IncomingStream>): Promise<IncomingStream> {
  return (await soon(queue.get(), 'a stream')).data;
}

const bytes = randomBytes(3_000_000);
const small = Uint8Array.of(1, 2, 3);

async function* slowly(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 500_000) {
    await new Promise(setImmediate);
    yield bytes.subarray(at, at + 500_000);
  }
}

describe.each(worlds)('a message in chunks, $name', (world) => {
  const net = useNet(world);

  it('arrives whole, whatever it was put as, in the order of the puts', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const sources: [StreamSource, Uint8Array][] = [
      [bytes, bytes],
      [small, small],
      [new Uint8Array(), new Uint8Array()],
      [new Stream([small, bytes, small]), Buffer.concat([small, bytes, small])],
      [slowly(), bytes],
      [Readable.from([bytes.subarray(0, 100), bytes.subarray(100)]), bytes],
      [new Blob([bytes]).stream() as ReadableStream<Uint8Array>, bytes],
      [
        Array.from(bytes.subarray(0, 10_000), (byte) => Uint8Array.of(byte)),
        bytes.subarray(0, 10_000),
      ],
      [[], new Uint8Array()],
      [bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 20), bytes.subarray(0, 20)],
    ];
    const results = sources.map(([source]) => client.put(source));
    const received: Promise<Uint8Array>[] = [];
    for (const _ of sources) received.push((await next(server)).bytes());
    const all = await soon(Promise.all(received), 'all streams');
    sources.forEach(([, expected], i) => {
      expect(Buffer.compare(all[i]!, expected), `source ${i}`).toBe(0);
    });
    await soon(Promise.all(results), 'the acknowledgements');
    expect(results.every(({ acked }) => acked)).toBe(true);
  });
});

/** Endless, and counted. */
class Spring implements AsyncIterable<Uint8Array> {
  given = 0;
  closed = false;
  readonly #chunk: Uint8Array;
  readonly #most: number;

  constructor(length: number = 100_000, most: number = Infinity) {
    this.#chunk = new Uint8Array(length);
    this.#most = most;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (; this.given < this.#most; this.given += this.#chunk.length) {
        yield this.#chunk;
      }
    } finally {
      this.closed = true;
    }
  }
}

async function lengthOf(stream: IncomingStream): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
}

describe.each(tcpWorlds)('streams, $name', (world) => {
  const net = useNet(world);
  const mark = { highWaterMark: { bytes: 1 << 20 } };

  it('cannot be sent to another thread before it has come', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const put = client.put(bytes);
    const batch = await server.getBatch();
    expect(() => batch.toParcel()).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
    );
    expect((await batch.at(0).bytes()).length).toBe(bytes.length);
    await soon(put, 'it is acknowledged');
  });

  it('are pulled only while there is room, and go on when they are read', async () => {
    const { server, client } = await net.pair<IncomingStream>({
      server: { serializer, ...mark },
      client: { serializer, ...mark },
    });
    const spring = new Spring(100_000, 40_000_000);
    const result = client.put(spring);
    const stream = await next(server);
    const chunks = stream[Symbol.asyncIterator]();
    let read = (await chunks.next()).value!.length as number;
    await until(() => client.needDrain, 'the sender is full');
    // What the marks of both sides hold, what the socket does, and what was pulled ahead.
    expect(spring.given).toBeLessThan(20_000_000);
    for (;;) {
      const step = await soon(chunks.next(), 'a chunk');
      if (step.done === true) break;
      read += step.value.length;
    }
    expect(read).toBe(40_000_000);
    await soon(result, 'the end');
    expect(spring.closed).toBe(true);
  });

  it('of one peer go side by side, and are put together by whoever reads them', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const lengths: number[] = [];
    server.subscribe(async (stream) => {
      lengths.push(await lengthOf(stream));
    });
    const count = 1500;
    const results = Array.from({ length: count }, (_, i) =>
      client.put(i % 2 === 0 ? new Spring(1000, 20_000) : bytes.subarray(0, 90_000)),
    );
    await soon(Promise.all(results), 'all are acknowledged');
    await until(() => lengths.length === count, 'all are read');
    expect(lengths.filter((length) => length === 20_000)).toHaveLength(count / 2);
    expect(lengths.filter((length) => length === 90_000)).toHaveLength(count / 2);
  });

  it('tell their reader when the source fails, and the put why', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const cause = new Error('the disk');
    const result = client.put(
      (async function* (): AsyncGenerator<Uint8Array> {
        yield bytes;
        throw cause;
      })(),
    );
    const read = rejection(lengthOf(await next(server)));
    expect(await rejection(result)).toMatchObject({
      code: 'ERR_CHASKI_ABORTED',
      delivered: 'unknown',
      cause,
    });
    expect(await read).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
    await client.put(small);
    expect(await (await next(server)).bytes()).toEqual(small);
  });

  it('are refused for what is not bytes', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const wrong = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error;
    for (const data of ['text', 5, null, { a: 1 }]) {
      expect(() => client.put(data as unknown as Uint8Array)).toThrow(wrong);
    }
    expect(() => client.putMany([small])).toThrow(wrong);
    expect(() => client.put(small, { transfer: true })).toThrow(wrong);
    const { cause } = await rejection(client.put(['text'] as unknown as Uint8Array));
    expect(cause).toMatchObject({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });
    await client.put(small);
    expect(await (await next(server)).bytes()).toEqual(small);
  });

  it('that are cancelled by their reader let pass what is behind them', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const result = client.put(new Spring(100_000, 30_000_000));
    const second = client.put(small);
    for await (const chunk of await next(server)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(await (await next(server)).bytes()).toEqual(small);
    await soon(Promise.all([result, second]), 'both are acknowledged');
  });

  it('can be cancelled, aborted and given up by their sender, who closes the source', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const springs = [new Spring(), new Spring(), new Spring()] as const;
    const put = client.put(springs[0]);
    const read = rejection(lengthOf(await next(server)));
    expect(put.cancel()).toBe(false);
    expect(await rejection(put)).toMatchObject({
      code: 'ERR_CHASKI_ABORTED',
      delivered: 'unknown',
    });
    expect(await read).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });

    const controller = new AbortController();
    const sent = client.send(springs[1], { signal: controller.signal });
    const readToo = rejection(lengthOf(await next(server)));
    controller.abort();
    expect(await rejection(sent)).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
    expect(await readToo).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });

    const late = client.send(springs[2], { timeoutMs: 30 });
    const readLast = rejection(lengthOf(await next(server)));
    expect(await rejection(late)).toMatchObject({ code: 'ERR_CHASKI_TIMEOUT' });
    expect(await readLast).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
    await until(() => springs.every(({ closed }) => closed), 'the sources are closed');
    const { given } = springs[0];
    await client.put(small);
    expect(await (await next(server)).bytes()).toEqual(small);
    expect(springs[0].given).toBe(given);
  });

  it('end a Readable that waits for bytes when they are given up', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const source = new Readable({ read() {} });
    const put = client.put(source);
    await next(server);
    put.cancel();
    await until(() => source.destroyed, 'the source is destroyed');
    expect(await rejection(put)).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
  });

  it('reject, and close their source, when the peer is lost; its reader is told too', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const up = new Spring();
    const silent = new Readable({ read() {} });
    const results = [client.put(up), client.put(silent)];
    const stream = await next(server);
    await next(server);
    const down = new Spring();
    const back = server.put(down);
    const lost = rejection(lengthOf(await next(client)));
    const chunks = stream[Symbol.asyncIterator]();
    await chunks.next();
    void server.close({ force: true });
    for (const result of [...results, back]) {
      expect(await rejection(result)).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    }
    // Its sender may still tell that it gives up.
    expect(await lost).toMatchObject({ code: expect.stringMatching('_ABORTED|_CLOSED') as string });
    const readOn = (async (): Promise<void> => {
      for (let step = await chunks.next(); step.done !== true; step = await chunks.next());
    })();
    expect(await rejection(readOn)).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    await until(() => up.closed && down.closed && silent.destroyed, 'the sources are closed');
  });

  it('go to several peers, pulled once, at the pace of the slowest', async () => {
    const server = await net.server<IncomingStream>({ serializer, ...mark });
    const clients = [
      await net.client(server, { serializer, ...mark }),
      await net.client(server, { serializer, ...mark }),
    ] as const;
    await until(() => server.peers.size === 2, 'both are there');
    const spring = new Spring(100_000, 30_000_000);
    const result = server.put(spring);
    const quick = lengthOf(await next(clients[0]));
    const slow = await next(clients[1]);
    await until(() => server.needDrain, 'the slow one is full');
    expect(spring.given).toBeLessThan(20_000_000);
    expect(await soon(lengthOf(slow), 'the slow one')).toBe(30_000_000);
    expect(await soon(quick, 'the quick one')).toBe(30_000_000);
    await soon(result, 'the end');
    expect(result.futures.size).toBe(2);
  });

  it('go on to the others when one of several peers is lost', async () => {
    const server = await net.server<IncomingStream>({ serializer });
    const clients = [
      await net.client(server, { serializer }),
      await net.client(server, { serializer }),
    ] as const;
    await until(() => server.peers.size === 2, 'both are there');
    const result = server.put(new Spring(100_000, 30_000_000));
    const read = next(clients[0]).then(lengthOf);
    await next(clients[1]);
    await clients[1].close({ force: true });
    expect(await soon(read, 'the other')).toBe(30_000_000);
    await soon(result.futures.get(clients[0].id)!, 'its future');
    expect(await rejection(result.futures.get(clients[1].id)!)).toMatchObject({
      code: 'ERR_CHASKI_CLOSED',
    });
    expect(await rejection(result)).toMatchObject({ delivered: 'unknown' });
  });

  it('that were put are sent to their end by close(), and can be read after it', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const result = client.put(bytes.subarray(0, 500_000));
    const slow = client.put(slowly());
    const closing = client.close();
    expect(await rejection(client.put(small))).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    const first = await next(server);
    const second = (await next(server)).bytes();
    await soon(Promise.all([closing, result, slow]), 'the close of the client');
    await soon(server.close(), 'the close of the server');
    expect(Buffer.compare(await second, bytes)).toBe(0);
    expect(Buffer.compare(await first.bytes(), bytes.subarray(0, 500_000))).toBe(0);
  });

  it('are told to be cut off when close() has no more time', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const result = client.put(new Spring());
    const read = rejection(lengthOf(await next(server)));
    await soon(client.close({ timeoutMs: 50 }), 'the close');
    expect(await rejection(result)).toMatchObject({ code: 'ERR_CHASKI_CLOSED' });
    expect(await read).toMatchObject({
      code: expect.stringMatching('_ABORTED|_CLOSED') as string,
    });
  });

  it('can be read as bytes, Readable and web stream, once', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    for (let i = 0; i < 4; i += 1) void client.put(bytes);
    expect(Buffer.concat(await (await next(server)).toReadable().toArray()).equals(bytes)).toBe(
      true,
    );
    const web = new Response((await next(server)).toWeb());
    expect(Buffer.from(await web.arrayBuffer()).equals(bytes)).toBe(true);
    expect(await rejection((await next(server)).bytes(1_000_000))).toMatchObject({
      code: 'ERR_CHASKI_TOO_LARGE',
    });
    const stream = await next(server);
    await stream.bytes();
    expect(await rejection(stream.bytes())).toMatchObject({ code: 'ERR_CHASKI_BUSY' });
  });

  it('that are put at the same time can be read one after the other', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const count = 12;
    const results = Array.from({ length: count }, (_, i) => [
      client.put(i % 2 === 0 ? slowly() : bytes),
      client.put(small),
      client.put(new Spring(70_000, 7_000_000)),
    ]);
    let read = 0;
    for await (const { data } of server) {
      const length = [3_000_000, 3, 7_000_000][read % 3];
      expect(await soon(lengthOf(data), `stream ${read}`)).toBe(length);
      read += 1;
      if (read === 3 * count) break;
    }
    await soon(Promise.all(results.flat()), 'all are acknowledged');
  });

  it('that nobody reads warn whoever waits for another one of that peer', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const warned = new Promise<{ code: string }>((resolve) => {
      server.on('warning', resolve);
    });
    void client.put(new Spring(100_000, 5_000_000));
    void client.put(new Spring(100_000, 5_000_000));
    const first = await next(server);
    const second = lengthOf(await next(server));
    expect(await soon(warned, 'the warning')).toMatchObject({ code: 'ERR_CHASKI_BUSY' });
    first.cancel();
    expect(await soon(second, 'the second')).toBe(5_000_000);
  });

  it('are acknowledged as they are read, and when the program is done, with ack processed', async () => {
    const { server, client } = await net.pair<IncomingStream>({
      server: { serializer, ack: 'processed' },
      client: { serializer, ...mark },
    });
    const result = client.put(new Spring(100_000, 10_000_000));
    const message = await soon(server.get(), 'a stream');
    expect(() => message.nack()).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error,
    );
    expect(await soon(lengthOf(message.data), 'the reader')).toBe(10_000_000);
    const second = client.put(small);
    expect(await (await next(server)).bytes()).toEqual(small);
    expect(result.acked).toBe(false);
    message.ack();
    await soon(result, 'the first');
    expect(second.acked).toBe(false);
  });

  it('that an iteration has not begun to read when it ends are given to the next one', async () => {
    const { server, client } = await net.pair<IncomingStream>({
      server: { serializer, ack: 'processed' },
      client: { serializer },
    });
    const results = [client.put(small), client.put(bytes)];
    for await (const _ of server) break;
    for await (const { data } of server) {
      const all = await data.bytes();
      if (all.length === bytes.length) break;
      expect(all).toEqual(small);
    }
    await soon(results[0]!, 'the first is acknowledged');
  });

  it('go on when their connection is lost and there is another one', async () => {
    const keeping = { serializer, keepAliveMs: 100, sessionTimeoutMs: 30_000, ...mark };
    const server = await net.server<IncomingStream>(keeping);
    const { port } = server.address() as { port: number };
    const cable = await Cable.to(port);
    try {
      const client = await net.client(server, { ...keeping, port: cable.port });
      await until(() => server.peers.has(client.id), 'the server hears of its client');
      const up = client.put(slowly());
      const down = server.put(slowly(), client.id);
      let cuts = 0;
      const read = async (queue: Communicator<IncomingStream>): Promise<Buffer> => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of await next(queue)) {
          chunks.push(chunk);
          if (cuts < 4) {
            cuts += 1;
            cable.cut();
            await new Promise(setImmediate);
          }
        }
        return Buffer.concat(chunks);
      };
      const both = await soon(Promise.all([read(server), read(client)]), 'both directions');
      for (const all of both) expect(all.equals(bytes)).toBe(true);
      await soon(Promise.all([up, down]), 'the acknowledgements');
      expect(cable.connections).toBeGreaterThan(1);
    } finally {
      cable.close();
    }
  });

  it('that began before the process of their receiver are thrown away, and what follows is not', async () => {
    const keeping = { serializer, ack: 'processed', keepAliveMs: 100, sessionTimeoutMs: 30_000 };
    const server = await net.server<IncomingStream>({ ...keeping, ack: 'processed' } as object);
    const first = await net.client(server, { ...keeping } as object);
    await until(() => server.peers.has(first.id), 'the server hears of its client');
    const result = server.put(new Spring(100_000, 20_000_000), first.id);
    const chunks = (await next(first))[Symbol.asyncIterator]();
    for (let i = 0; i < 20; i += 1) await chunks.next();
    await new Promise(setImmediate);
    const { session } = first;
    const second = await net.client(server, { ...keeping, ...session } as object);
    const warned = new Promise<unknown>((resolve) => {
      second.on('warning', resolve);
    });
    const after = server.put(small, first.id);
    const message = await soon(second.get(), 'what follows');
    expect(await message.data.bytes()).toEqual(small);
    message.ack();
    expect(await soon(warned, 'the warning')).toMatchObject({ code: 'ERR_CHASKI_PROTOCOL' });
    await soon(Promise.all([result, after]), 'the acknowledgements');
  });

  it.each([
    ['ends with its connection', Buffer.alloc(0)],
    ['could go on', field(8, Buffer.alloc(28, 1))],
  ])('that breaks the format is the last one of its peer, whose session %s', async (_, more) => {
    const server = await net.server<IncomingStream>({ serializer, sessionTimeoutMs: 30_000 });
    const other = await net.client<IncomingStream>(server, { serializer });
    const warnings: Error[] = [];
    server.on('warning', (error) => warnings.push(error));
    const lost: [string, unknown][] = [];
    server.on('lost', (peer, error) => lost.push([peer, error]));
    const raw = net.raw(server.address()!);
    raw.write(hello({ more }), chunks(1, [1, 1, small]));
    const { peer, data } = await server.get();
    const put = server.put(small, peer);
    await until(() => raw.frames.some(({ type }) => type === Frame.DATA), 'the put has left');
    const read = rejection(data.bytes());
    raw.write(chunks(2, [9, 0, small], [10, 3, small]));
    await raw.hungUp('a chunk of a stream that never began');
    const broken = expect.objectContaining({ code: 'ERR_CHASKI_PROTOCOL' }) as unknown;
    const gone = { code: 'ERR_CHASKI_CLOSED', delivered: 'unknown', cause: broken };
    expect(await soon(rejection(put), 'the put')).toMatchObject(gone);
    expect(await soon(read, 'the reader')).toEqual(broken);
    expect(lost).toEqual([[peer, broken]]);
    expect(warnings).toEqual([]);
    expect([...server.peers]).toEqual([other.id]);
    await other.put(small);
    expect(await (await next(server)).bytes()).toEqual(small);
  });

  it('that nobody can read any more are cancelled', async () => {
    const { server, client } = await net.pair<IncomingStream>(options);
    const warned = new Promise<unknown>((resolve) => {
      server.on('warning', resolve);
    });
    const result = client.put(new Spring(100_000, 30_000_000));
    await dropOne(server);
    const collect = collector();
    await until(() => {
      collect();
      return result.acked;
    }, 'the rest is thrown away');
    expect(await soon(warned, 'the warning')).toMatchObject({ code: 'ERR_CHASKI_ABORTED' });
  });
});

/** Takes a message that nobody holds afterwards: a function that goes on could, in a register. */
function dropOne(queue: Communicator<IncomingStream>): Promise<void> {
  return queue.get().then(() => {});
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
