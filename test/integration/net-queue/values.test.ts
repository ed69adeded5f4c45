import { ChaskiError, FrozenSet, NdArray, pickle, Tuple } from 'chaski/net-queue';
import type { OpenOptions, Serializer } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, take, until, values } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

const codec = (code: string): Error => expect.objectContaining({ code }) as Error;

describe.each(tcpWorlds)('values, $name', (world) => {
  const net = useNet(world);

  const documents = [
    null,
    true,
    0,
    -1.5,
    2 ** 53 - 1,
    '',
    'žluťoučký kůň 🐎',
    [],
    {},
    { a: [1, { b: 'c' }], d: null },
    'x'.repeat(100_000),
    Array.from({ length: 5000 }, (_, i) => ({ i, text: `row ${i}` })),
  ];

  it.each(['auto', 'json', 'msgpack', 'pickle'] as const)(
    'travel as they are with serializer %s',
    async (serializer) => {
      const options = { serializer };
      const { server, client } = await net.pair({ server: options, client: options });
      await client.putMany(documents);
      expect(await values(server, documents.length)).toEqual(documents);
      await server.putMany(documents);
      expect(await values(client, documents.length)).toEqual(documents);
    },
  );

  it('of Python, large and small, travel as pickles, in any number', async () => {
    const options = { serializer: pickle() };
    const { server, client } = await net.pair({ server: options, client: options });
    const data = Array.from({ length: 300 }, (_, i) => [
      new Tuple<unknown>(i, new FrozenSet([i])),
      new NdArray(new Float64Array(i).fill(i), [1, i]),
      { array: new Float32Array((i % 10) * 400).fill(i), bytes: new Uint8Array(i) },
    ]);
    await client.putMany(data);
    expect(await values(server, data.length)).toStrictEqual(data);
  });

  it('go as bytes with auto when they are bytes, whatever the view', async () => {
    const { server, client } = await net.pair();
    const floats = Float64Array.of(1.5, -2);
    const whole = new Uint8Array([9, 1, 2, 3, 9]);
    await client.putMany([
      floats,
      whole.buffer,
      whole.subarray(1, 4),
      new DataView(whole.buffer, 3, 2),
      Buffer.from('text'),
      new Uint8Array(0),
      new Uint16Array(0),
    ]);
    expect(await values(server, 7)).toEqual([
      new Uint8Array(floats.buffer),
      whole,
      Uint8Array.of(1, 2, 3),
      Uint8Array.of(3, 9),
      new Uint8Array(Buffer.from('text')),
      new Uint8Array(0),
      new Uint8Array(0),
    ]);
  });

  it('keep bytes inside of documents', async () => {
    const { server, client } = await net.pair<{ name: string; blob: Uint8Array }>();
    const small = { name: 'small', blob: Uint8Array.of(1, 2, 3) };
    const large = { name: 'large', blob: new Uint8Array(300_000).fill(3) };
    await client.putMany([small, large]);
    for (const sent of [small, large]) {
      const { data } = await server.get({ timeoutMs: 5000 });
      expect(data.name).toBe(sent.name);
      expect(Buffer.compare(data.blob, sent.blob)).toBe(0);
    }
  });

  it('are refused by serializer bytes when they are not bytes', async () => {
    const { server, client } = await net.pair({ client: { serializer: 'bytes' } });
    expect(() => client.put('text')).toThrow(codec('ERR_CHASKI_INVALID_ARGUMENT'));
    expect(() => client.trySend({})).toThrow(codec('ERR_CHASKI_INVALID_ARGUMENT'));
    expect((await rejection(client.send(1))).code).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    await client.put(Uint8Array.of(1));
    const [message] = await take(server, 1);
    expect([message?.seq, message?.data]).toEqual([1, Uint8Array.of(1)]);
  });

  it('that cannot be encoded throw at the put, and nothing of them is sent', async () => {
    const options = { serializer: 'json' } as const;
    const { server, client } = await net.pair({ server: options, client: options });
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(() => client.put(circle)).toThrow(codec('ERR_CHASKI_CODEC'));
    expect(() => client.put(undefined)).toThrow(codec('ERR_CHASKI_CODEC'));
    expect(() => client.putMany([1, 2n, 3])).toThrow(codec('ERR_CHASKI_CODEC'));
    await client.put('after');
    // The 1 has been taken back.
    expect(await values(server, 1)).toEqual(['after']);
  });

  it("go through a user's own serializer, in either way of naming it", async () => {
    const reused = new Uint8Array(64);
    // Valid until the next call, as with a buffer that is used again and again.
    const encode = (value: string): Uint8Array =>
      reused.subarray(0, Buffer.from(reused.buffer).write(value));
    const decode = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    const { server, client } = await net.pair<string>({
      server: { serialization: { dump: encode, load: decode } },
      client: { serializer: { encode, decode } },
    });
    await client.putMany(['one', 'twenty-two', '']);
    expect(await values(server, 3)).toEqual(['one', 'twenty-two', '']);
    await server.put('back');
    expect(await values(client, 1)).toEqual(['back']);
  });

  it('that cannot be decoded throw where they are read, and harm no other message', async () => {
    const picky: Serializer<string> = {
      encode: (value) => Buffer.from(value),
      decode: (bytes) => {
        const text = Buffer.from(bytes).toString();
        if (text === 'bad') throw new Error('I do not like it');
        return text;
      },
    };
    const { server, client } = await net.pair<string>({
      server: { serializer: picky },
      client: { serializer: picky },
    });
    await client.putMany(['good', 'bad', 'fine']);
    const [good, bad, fine] = await take(server, 3);
    expect(good?.data).toBe('good');
    expect(() => bad?.data).toThrow(codec('ERR_CHASKI_CODEC'));
    expect(bad?.byteLength).toBe(3);
    expect(Buffer.from(bad!.bytes).toString()).toBe('bad');
    expect(fine?.data).toBe('fine');

    const warnings: ChaskiError[] = [];
    server.on('warning', (error) => warnings.push(error));
    const seen: string[] = [];
    server.subscribe((data) => seen.push(data));
    await client.putMany(['good', 'bad', 'fine']);
    await until(() => seen.length === 2 && warnings.length === 1, 'two calls and a warning');
    expect(seen).toEqual(['good', 'fine']);
    expect(warnings[0]).toMatchObject({ cause: { code: 'ERR_CHASKI_CODEC' } });
  });

  it('of a serializer that only the other side has are refused where they are read', async () => {
    const own: OpenOptions = {
      serializer: { encode: () => Uint8Array.of(1, 2), decode: () => 'own' },
    };
    const { server, client } = await net.pair({ client: own });
    await client.put('anything');
    const [message] = await take(server, 1);
    expect(() => message?.data).toThrow(codec('ERR_CHASKI_CODEC'));
    expect(message?.bytes).toEqual(Uint8Array.of(1, 2));
  });

  it('are refused where they are read when a peer has chosen another serializer', async () => {
    let asked = 0;
    const checking: Serializer = {
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: (bytes) => {
        asked += 1;
        return JSON.parse(Buffer.from(bytes).toString()) as unknown;
      },
    };
    const evil = Buffer.from('{"id":"evil"}');
    for (const [serializer, theirs] of [
      [checking, ['auto', 'bytes', 'json', 'msgpack']],
      ['json', ['auto', 'bytes', 'msgpack', checking]],
      ['msgpack', ['bytes', 'json', checking]],
      ['bytes', ['json', 'msgpack', checking]],
      ['auto', ['json', checking]],
    ] as const) {
      for (const their of theirs) {
        const { server, client } = await net.pair({
          server: { serializer },
          client: { serializer: their },
        });
        await client.putMany([evil, evil, evil]);
        const [message] = await take(server, 1);
        expect(() => message?.data).toThrow(codec('ERR_CHASKI_CODEC'));
        expect(message?.bytes.length).toBeGreaterThanOrEqual(evil.length);
        const batch = await server.getBatch({ max: 1 });
        expect(() => batch.at(0)).toThrow(codec('ERR_CHASKI_CODEC'));
        const warned = new Promise<ChaskiError>((resolve) => {
          server.once('warning', resolve);
        });
        const seen: unknown[] = [];
        server.subscribe((data) => seen.push(data));
        expect(await warned).toMatchObject({ cause: { code: 'ERR_CHASKI_CODEC' } });
        expect(seen).toEqual([]);
      }
    }
    expect(asked).toBe(0);
  });

  it('are decoded once, when they are first looked at', async () => {
    let decoded = 0;
    const counting: Serializer = {
      encode: () => Uint8Array.of(1),
      decode: () => ({ count: (decoded += 1) }),
    };
    const { server, client } = await net.pair({
      server: { serializer: counting },
      client: { serializer: counting },
    });
    await client.put('x');
    const [message] = await take(server, 1);
    expect(decoded).toBe(0);
    expect(message?.data).toBe(message?.data);
    expect(decoded).toBe(1);
  });

  it('are not packed bytes when a serializer encodes everything', async () => {
    const { client } = await net.pair({ client: { serializer: 'json' } });
    expect(() => client.putMany({ data: new Uint8Array(4), lengths: 2 })).toThrow(
      codec('ERR_CHASKI_INVALID_ARGUMENT'),
    );
  });

  it('refuse packed bytes whose lengths do not fit', async () => {
    const { server, client } = await net.pair();
    const data = new Uint8Array(10);
    for (const lengths of [3, 0, -1, 2.5, NaN, Uint32Array.of(4, 5), Uint32Array.of(11), [10]]) {
      expect(() => client.putMany({ data, lengths: lengths as number })).toThrow(
        codec('ERR_CHASKI_INVALID_ARGUMENT'),
      );
    }
    expect(() => client.putMany({ data, lengths: Uint32Array.of(4, 5) })).toThrow(
      'The lengths add up to 9, and data has 10 bytes: they must be the same.',
    );
    expect(() => client.putMany({ data: [1] as unknown as Uint8Array, lengths: 1 })).toThrow(
      ChaskiError,
    );
    expect(() => client.putMany(5 as unknown as number[])).toThrow(ChaskiError);
    await client.putMany({ data, lengths: 5 });
    expect((await take(server, 2)).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('go as long as they are, whatever their properties say', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const lying = (length: number, said: number): Uint8Array => {
      const bytes = new Uint8Array(length).fill(7);
      for (const name of ['length', 'byteLength']) {
        Object.defineProperty(bytes, name, { value: said });
      }
      return bytes;
    };
    // What others put stays with them.
    void client.put(new Uint8Array(60_000).fill(1));
    for (const length of [5, 40, 5000, 100_000]) {
      for (const said of [NaN, 0, 1, 10_000, 1e6]) {
        void client.put(new Uint8Array(1).fill(2));
        await client.put(lying(length, said));
        expect(client.trySend(lying(length, said))).toBe(true);
        await client.putMany({ data: lying(length, said), lengths: length });
      }
    }
    const last = client.put(new Uint8Array(0));
    await server.get();
    let count = 0;
    let bytes = 0;
    for await (const { data } of server) {
      if (data.length === 0) break;
      if (data[0] === 2) continue;
      expect(data.every((byte) => byte === 7)).toBe(true);
      count += 1;
      bytes += data.length;
    }
    await last;
    expect([count, bytes]).toEqual([4 * 5 * 3, 5 * 3 * (5 + 40 + 5000 + 100_000)]);
  });
});
