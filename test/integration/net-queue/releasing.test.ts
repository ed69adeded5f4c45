// release(): the memory of large messages before the garbage collector finds it.
import { release } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { soon, take, until } from './support/waiting.ts';
import { worlds } from './support/worlds.ts';

const large = 1 << 20;
const invalid: Error = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }) as Error;

describe.each(worlds)('a message that is released, $name', (world) => {
  const net = useNet(world);

  it('is empty in all its views, and others are not', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const results = [1, 2].map((value) => client.put(new Uint8Array(large).fill(value)));
    const [first, second] = await take(server, 2);
    const { data, bytes } = first!;
    expect(release(data)).toBe(true);
    expect([data.length, bytes.length, first!.data.length]).toEqual([0, 0, 0]);
    expect(() => first!.bytes).toThrow(invalid);
    expect(release(bytes)).toBe(false);
    expect(Buffer.compare(second!.data, new Uint8Array(large).fill(2))).toBe(0);
    expect(release(second!.data.buffer)).toBe(true);
    await soon(Promise.all(results), 'the acknowledgements');
  });

  it('gives its memory back although its views are held', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const largeBytes = (): number => server.stats()['largeBytes']!;
    const before = largeBytes();
    const held: Uint8Array[] = [];
    server.subscribe((data) => {
      held.push(data);
      release(data);
    });
    for (let i = 0; i < 40; i += 1) await soon(client.put(new Uint8Array(4 * large)), 'a put');
    await until(() => largeBytes() <= before, 'all of it is back');
    expect(held).toHaveLength(40);
  });

  it('is no small one, which shares its memory, and no memory of the program', async () => {
    const { server, client } = await net.pair<Uint8Array>();
    const mine = Uint8Array.of(1, 2, 3);
    void client.put(mine);
    const { data } = await server.get({ timeoutMs: 60_000 });
    expect(release(data)).toBe(false);
    expect(release(mine)).toBe(false);
    expect(data).toEqual(mine);
    for (const wrong of [undefined, null, 'text', {}, [1]]) {
      expect(() => release(wrong as never)).toThrow(invalid);
    }
  });

  it('cannot be delivered again', async () => {
    const { server, client } = await net.pair<Uint8Array>({ server: { ack: 'processed' } });
    const result = client.put(new Uint8Array(large));
    const message = await server.get({ timeoutMs: 60_000 });
    expect(release(message.bytes)).toBe(true);
    expect(() => message.nack()).toThrow(invalid);
    message.ack();
    await soon(result, 'the acknowledgement');
  });
});
