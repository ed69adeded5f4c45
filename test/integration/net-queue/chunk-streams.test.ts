import { ChaskiError, Stream } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, values } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const codec = (code: string): Error => expect.objectContaining({ code }) as Error;
const chunks = [Uint8Array.of(1, 2), Float32Array.of(1.5), Uint8Array.of(3)];
const joined = new Uint8Array([1, 2, ...new Uint8Array(Float32Array.of(1.5).buffer), 3]);

describe.each(tcpWorlds)('a Stream, $name', (world) => {
  const net = useNet(world);

  it.each(['auto', 'bytes', 'msgpack'] as const)(
    'is a message of its bytes with serializer %s, however it is sent, and keeps them',
    async (serializer) => {
      const options = { serializer };
      const { server, client } = await net.pair({ server: options, client: options });
      const stream = new Stream(chunks);
      const [peer] = server.peers;
      const put = client.put(stream);
      expect(client.trySend(stream)).toBe(true);
      await Promise.all([
        put,
        client.send(stream),
        client.putMany([stream, new Stream()]),
        server.put(stream, peer!),
        server.put(stream),
      ]);
      expect(await values(server, 5)).toEqual([joined, joined, joined, joined, new Uint8Array()]);
      expect(await values(client, 2)).toEqual([joined, joined]);
      expect([stream.length, stream.byteLength]).toEqual([3, 7]);
    },
  );

  it('gives the bytes that it has when it is put', async () => {
    const { server, client } = await net.pair();
    const stream = Stream.fromBuffer(Uint8Array.of(1, 2));
    void client.put(stream);
    stream.write(Uint8Array.of(3));
    void client.put(stream);
    stream.clear();
    stream.write(new Uint8Array(200_000).fill(4));
    stream.write(Uint8Array.of(5));
    await client.put(stream);
    expect(await values(server, 2)).toEqual([Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3)]);
    const [large] = (await values(server, 1)) as [Uint8Array];
    expect([large.length, large.at(0), large.at(-1)]).toEqual([200_001, 4, 5]);
  });

  it('put as many messages gives one for each chunk', async () => {
    const { server, client } = await net.pair();
    await client.putMany(new Stream([Uint8Array.of(1), Uint8Array.of(2, 3)]));
    expect(await values(server, 2)).toEqual([Uint8Array.of(1), Uint8Array.of(2, 3)]);
  });

  it('goes as it is to a serializer of the user', async () => {
    const serializer = {
      encode: (value: Stream): Uint8Array => Uint8Array.of(value.length),
      decode: (bytes: Uint8Array): Stream => Stream.fromBuffer(bytes),
    };
    const { server, client } = await net.pair({ server: { serializer }, client: { serializer } });
    await client.put(new Stream(chunks));
    const [{ data }] = [await server.get({ timeoutMs: 5000 })];
    expect(data.toView()).toEqual(Uint8Array.of(3));
  });

  it('is refused by serializer json, which has no way to write bytes', async () => {
    const { client } = await net.pair({ client: { serializer: 'json' } });
    const stream = new Stream(chunks);
    expect(() => client.put(stream)).toThrow(codec('ERR_CHASKI_CODEC'));
    expect(() => client.trySend(stream)).toThrow(codec('ERR_CHASKI_CODEC'));
    expect(await rejection(client.send(stream))).toBeInstanceOf(ChaskiError);
  });

  it('is refused once the memory of a chunk was taken away, and cannot be transferred', async () => {
    const { client } = await net.pair();
    const chunk = new Uint8Array(8);
    const stream = new Stream([chunk, Uint8Array.of(1)]);
    expect(() => client.put(stream, { transfer: true })).toThrow(
      codec('ERR_CHASKI_INVALID_ARGUMENT'),
    );
    structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
    expect(() => client.put(stream)).toThrow(codec('ERR_CHASKI_INVALID_ARGUMENT'));
  });
});
