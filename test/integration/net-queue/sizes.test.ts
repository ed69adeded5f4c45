import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { bytesOf, isBytesOf } from './support/payloads.ts';
import { event, rejection, soon, take, until } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

/** Where something changes: words, copies, slabs of this side, frames, slabs of the other side, buffers. */
const borders: Record<string, number[]> = {
  'the smallest': [0, 1, 2, 3, 4, 7, 8, 9],
  'copied byte by byte or not': [15, 16, 17],
  'gathered in a slab or put alone': around(32 * 1024),
  'one frame or a buffer of its own': [65_515, 65_516, 65_517, 65_518, 65_519, 65_520, 65_521],
  '64 KiB': [...around(64 * 1024), 65_537],
  'a slab of the receiver': [...around(128 * 1024), 128 * 1024 - 16, 128 * 1024 - 20],
  '256 KiB, as much as is made ready at a time': around(256 * 1024),
  '1 MiB, as much as is read at a time': [...around(1 << 20), (1 << 20) - 20],
  '8 MiB, the high-water mark': around(8 << 20),
  '20 MiB': [20 << 20],
};

describe.each(worlds)('sizes, $name', (world) => {
  const net = useNet(world);

  it.each(Object.entries(borders))(
    'around %s arrive whole, in both directions',
    async (_, sizes) => {
      const { server, client } = await net.pair<Uint8Array>({
        server: { highWaterMark: { bytes: 64 << 20 } },
        client: { highWaterMark: { bytes: 64 << 20 } },
      });
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        const puts = sizes.map((size, i) => from.put(bytesOf(i, size)));
        const messages = await take(to, sizes.length);
        await soon(Promise.all(puts), 'all puts');
        expect(messages.map(({ byteLength }) => byteLength)).toEqual(sizes);
        for (const [i, { bytes }] of messages.entries()) {
          expect(isBytesOf(i, sizes[i]!, bytes), `${sizes[i]} bytes`).toBe(true);
        }
      }
    },
  );

  it('over the high-water mark travel alone', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      server: { highWaterMark: { bytes: 1000 } },
      client: { highWaterMark: { bytes: 1000 } },
    });
    for (const size of [999, 1000, 1001, 100_000, 3 << 20]) {
      await client.writable();
      const put = client.put(bytesOf(size, size));
      const [message] = await take(server, 1);
      expect(isBytesOf(size, size, message!.bytes)).toBe(true);
      await soon(put, 'the put');
    }
  });

  it('up to maxMessageBytes are taken, and one byte more is refused, before and after the connection', async () => {
    for (const most of [1, 16, 65_516, 65_517, 100_000]) {
      const server = await net.server<Uint8Array>({ maxMessageBytes: most });
      const client = net.early<Uint8Array>(net.clientOptions(server, { maxMessageBytes: most }));
      const early = [client.put(bytesOf(1, most)), client.put(bytesOf(1, most + 1))] as const;
      expect((await rejection(early[1])).code).toBe('ERR_CHASKI_TOO_LARGE');
      await soon(early[0], 'a put of the limit');
      const late = [client.put(bytesOf(2, most)), client.put(bytesOf(2, most + 1))] as const;
      expect((await rejection(late[1])).code).toBe('ERR_CHASKI_TOO_LARGE');
      await soon(late[0], 'another one');
      const messages = await take(server, 2);
      expect(messages.map(({ bytes }, i) => isBytesOf(i + 1, most, bytes))).toEqual([true, true]);
    }
  });

  it('that a server refuses end the session of a client that could not know, with a reason', async () => {
    const server = await net.server<Uint8Array>({ maxMessageBytes: 1000 });
    for (const size of [1001, 100_000]) {
      const client = net.early<Uint8Array>(net.clientOptions(server));
      const lost = event(server, 'lost');
      const put = rejection(client.put(new Uint8Array(size)));
      const [, error] = await lost;
      expect(error?.code).toBe('ERR_CHASKI_TOO_LARGE');
      expect((await put).code).toBe('ERR_CHASKI_CLOSED');
      await until(() => client.closed, 'the client is closed');
      expect(server.tryGet()).toBeUndefined();
    }
    const client = await net.client(server);
    await soon(client.put(new Uint8Array(1000)), 'a put within the limit');
  });

  it('of every small number travel together in one turn', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const count = 3000;
    const put = client.putMany(Array.from({ length: count }, (_, i) => bytesOf(i, i)));
    const messages = await take(server, count);
    await soon(put, 'the put');
    const wrong = messages.filter(({ bytes }, i) => !isBytesOf(i, i, bytes));
    expect(wrong.map(({ seq }) => seq)).toEqual([]);
  });

  it('of nothing at all travel by the thousand', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const count = 100_000;
    const put = client.putMany({ data: new Uint8Array(0), lengths: new Uint32Array(count) });
    let seen = 0;
    for await (const batch of server.batches()) {
      seen += batch.length;
      expect(batch.byteLength).toBe(0);
      if (seen === count) break;
    }
    await soon(put, 'the put');
  });

  it('of packed messages may cross every frame border', async () => {
    const { server, client } = await net.pair<Uint8Array>({
      client: { highWaterMark: { bytes: 64 << 20 } },
    });
    const lengths = Uint32Array.from(
      { length: 400 },
      (_, i) => [65_000, 0, 520, 17, 131_072][i % 5]!,
    );
    const parts = Array.from(lengths, (length, i) => bytesOf(i, length));
    const put = client.putMany({ data: Buffer.concat(parts), lengths });
    const messages = await take(server, lengths.length);
    await soon(put, 'the put');
    expect(messages.every(({ bytes }, i) => isBytesOf(i, lengths[i]!, bytes))).toBe(true);
  });
});

function around(size: number): number[] {
  return [size - 1, size, size + 1];
}
