import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { until } from './support/waiting.ts';
import { tcpWorlds } from './support/worlds.ts';

describe.each(tcpWorlds)('the end of a process, $name', (world) => {
  const net = useNet(world);

  it.each([
    'closed',
    'closed by its server',
    'closed twice and by force',
    'never connected, then closed',
    'failed to open',
    'unref, idle',
    'unref, in mid-stream',
    'unref, waiting for a message',
    'forgotten results',
  ])('comes by itself: %s', async (what) => {
    const child = net.child('exit.mjs', { what, options: { keepAliveMs: 0 } });
    await child.report('ready');
    expect(await child.end()).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it.each(['open', 'unref, then ref', 'waiting for its server'])(
    'does not come while a communicator is in use: %s',
    async (what) => {
      const child = net.child('exit.mjs', { what, options: { keepAliveMs: 0 } });
      await child.report('ready');
      const first = await Promise.race([
        child.exited,
        new Promise((resolve) => {
          setTimeout(resolve, 300, 'alive');
        }),
      ]);
      expect(first).toBe('alive');
      child.tell({ is: 'close' });
      expect(await child.end()).toMatchObject({ code: 0, signal: null, stderr: '' });
    },
  );

  it.each([
    ['process.exit(0)', { code: 0, signal: null }],
    ['process.exit(7)', { code: 7, signal: null }],
    ['process.exit in a handler', { code: 5, signal: null }],
    ['process.exit with a put in hand', { code: 6, signal: null }],
    ['process.reallyExit', { code: 9, signal: null }],
    ['uncaught exception', { code: 1, signal: null }],
    ['uncaught exception in a listener', { code: 1, signal: null }],
    ['unhandled rejection', { code: 1, signal: null }],
    ['SIGTERM', { code: null, signal: 'SIGTERM' }],
  ])('in mid-stream by %s is clean, and the peer hears of it', async (what, end) => {
    const server = await net.server();
    const lost: (string | undefined)[] = [];
    server.on('lost', (_, error) => lost.push(error?.code));
    let received = 0;
    server.subscribe(() => (received += 1));
    server.on('ini', (peer) => {
      void (async () => {
        while (server.peers.has(peer)) {
          await server.send(new Uint8Array(10_000), { peers: [peer] });
        }
      })().catch(() => {});
    });
    const child = net.child('exit.mjs', {
      what,
      stream: true,
      options: net.clientOptions(server),
    });
    await child.report('ready');
    await until(() => received > 1000, 'the stream runs');
    child.tell({ is: 'end' });
    const exit = await child.end();
    expect(exit).toMatchObject(end);
    await until(() => lost.length > 0, 'the server hears of it');
    expect(lost).toEqual(['ERR_CHASKI_CLOSED']);
    expect(exit.stderr.includes('on purpose')).toBe(
      what.startsWith('uncaught') || what.startsWith('unhandled'),
    );
    expect(exit.stderr).not.toMatch(/panick|fatal|abort|segmentation/i);
  });
});
