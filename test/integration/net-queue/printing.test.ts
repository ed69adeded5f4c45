// What a person sees who prints what the communicator gave, and of what nobody listened to.
import { inspect } from 'node:util';

import { Stream } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.each(tcpWorlds)('printed, $name', (world) => {
  const net = useNet(world);

  it('a message shows whose it is and what it says', async () => {
    const { server, client } = await net.pair();
    await client.put({ a: ['text'] });
    const shown = inspect(await server.get());
    for (const part of ['Message {', client.id, 'seq: 1', 'deliveries: 1', "a: [ 'text' ]"]) {
      expect(shown).toContain(part);
    }
  });

  it('a message that cannot be decoded shows the code', async () => {
    const { server, client } = await net.pair({
      client: { serializer: 'bytes' },
      server: {
        serializer: {
          encode: () => new Uint8Array(1),
          decode: () => {
            throw new Error('no');
          },
        },
      },
    });
    await client.put(Uint8Array.of(1));
    expect(inspect(await server.get())).toMatch(/data: <ERR_CHASKI_CODEC>/u);
  });

  it('a batch, a group, a subscription and an iteration show no internals', async () => {
    const { server, client } = await net.pair();
    await client.putMany(['a', 'bc']);
    const batch = await server.getBatch({ max: 1 });
    const group = server.group(client.id);
    const iteration = server.batches();
    const subscription = client.subscribe(() => {});
    const { peer, seq, length, byteLength, deliveries } = batch;
    expect(inspect(batch)).toBe(`Batch ${inspect({ peer, seq, length, byteLength, deliveries })}`);
    expect(inspect(group)).toBe(`Group ${inspect({ id: group.id, peers: new Set([client.id]) })}`);
    expect(inspect(iteration)).toBe('Iteration { over: false }');
    expect(inspect(subscription)).toBe('Subscription { closed: false }');
    expect(inspect([[[batch]]])).toContain('[Batch]');
  });

  it('a handler that failed is told with its cause when nobody listens', async () => {
    const { server, client } = await net.pair<string>();
    server.subscribe((text) => {
      JSON.parse(text);
    });
    const warned = new Promise<Error & { detail?: string }>((resolve) => {
      process.once('warning', resolve);
    });
    await client.put('not json');
    const { message, detail } = await warned;
    expect(message).toContain('SyntaxError: Unexpected token');
    expect(detail).toMatch(/^Cause: SyntaxError: Unexpected token/u);
    expect(detail).toMatch(/\n +at /u);
  });

  it('the end says what led to it', async () => {
    const server = await net.server();
    const second = net.early(net.serverOptions(server.address()));
    const { code, message } = await rejection(second.get());
    expect(code).toBe('ERR_CHASKI_CLOSED');
    expect(message).toMatch(/^The communicator is closed: .*in use/su);
  });
});

it('a stream shows how much is in it', () => {
  expect(inspect(new Stream([new Uint8Array(3)]))).toBe('Stream { nbytes: 3, nchunks: 1 }');
});
