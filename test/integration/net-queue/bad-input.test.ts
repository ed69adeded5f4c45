// Bad input over real sockets, in plain and over TLS, in both protocols: whoever says it is hung up on with a typed error, takes no
// memory, and harms nobody. docs/design/bad-input.md lists what is tried where.
import { once } from 'node:events';

import type { ChaskiError, Communicator, OpenOptions } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { Chance } from '../../faults/support/chance.ts';
import { useNet } from './support/net.ts';
import { soon, until, values } from './support/waiting.ts';
import { control, data, Frame, header, hello } from './support/wire.ts';
import { securedWorlds, tcpWorlds } from './support/worlds.ts';

const longest = 1 << 20;

describe.each([...tcpWorlds, ...securedWorlds])('bad input, $name', (world) => {
  const net = useNet(world);

  /** A server of both protocols, a client of each, and what went wrong. */
  async function besieged(options: OpenOptions<string> = {}): Promise<Siege> {
    const server = await net.server<string>({
      maxMessageBytes: longest,
      serializer: 'json',
      handshakeTimeoutMs: 60_000,
      ...options,
    });
    const clients = await Promise.all(
      (['native', 'python'] as const).map((compat) =>
        net.client(server, { compat, serializer: 'json' }),
      ),
    );
    // A client may know of the server before the server knows of the client, as every time over TLS.
    for (const { id } of clients) await until(() => server.peers.has(id), 'it hears of a client');
    const errors: ChaskiError[] = [];
    server.on('warning', (error) => errors.push(error));
    server.on('lost', (_, error) => {
      if (error !== undefined) errors.push(error);
    });
    return { server, clients, errors };
  }

  async function expectUnharmed({ server, clients }: Siege): Promise<void> {
    for (const client of clients) {
      await soon(client.put('still served'), 'a put of a good client');
      expect(await values(server, 1, client.id)).toEqual(['still served']);
    }
  }

  /** The errors of those who said each of `inputs`, one after the other, and hung up if they were not. */
  async function codes(siege: Siege, inputs: readonly Uint8Array[]): Promise<string[]> {
    const told: string[] = [];
    for (const bytes of inputs) {
      const before = siege.errors.length;
      const raw = net.raw(siege.server.address()!);
      raw.write(bytes);
      raw.socket.end();
      await raw.hungUp(bytes.subarray(0, 40).toString());
      await until(() => siege.errors.length === before + 1, 'it is told');
      told.push(siege.errors.at(-1)!.code.replace('ERR_CHASKI_', ''));
      while (siege.server.tryGet() !== undefined);
    }
    return told;
  }

  it('of those who speak another protocol', async () => {
    const siege = await besieged();
    const chance = new Chance(`strangers ${world.name}`);
    const noise = Array.from({ length: 20 }, () =>
      Buffer.from(Array.from({ length: 64 }, (_, i) => chance.integer(i === 0 ? 1 : 0, 255))),
    ).filter(([first]) => first !== 21 && first !== 22 && first !== 67);
    const known = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from('101000064d51545404020000', 'hex'),
      Buffer.from('*1\r\n$4\r\nPING\r\n'),
      ...noise,
    ];
    expect(new Set(await codes(siege, known))).toEqual(new Set(['PROTOCOL']));
    const clientHello = Buffer.from('160301020001000001fc0303', 'hex');
    expect(await codes(siege, [clientHello])).toEqual(['TLS']);
    await expectUnharmed(siege);
  });

  it('of those who know the magic, and no version of ours', async () => {
    const siege = await besieged();
    const versions = [
      [0, 0],
      [2, 2],
      [255, 255],
      [255, 0],
    ].map(([low, high]) => hello({ low: low!, high: high! }));
    expect(new Set(await codes(siege, versions))).toEqual(new Set(['UNSUPPORTED']));
    await expectUnharmed(siege);
  });

  it('of those who announce any length, and hang up', async () => {
    const siege = await besieged();
    const native = (length: number): Buffer =>
      Buffer.concat([hello(), header({ length, count: 1, seq: 1 })]);
    const python = (length: bigint): Buffer => {
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64BE(length);
      return Buffer.concat([introduction(), prefix]);
    };
    const before = process.memoryUsage().rss;
    const lengths = [longest + 5, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
    expect(await codes(siege, [0, 1].map(native))).toEqual(['PROTOCOL', 'PROTOCOL']);
    expect(await codes(siege, [native(longest + 4)])).toEqual(['CLOSED']);
    expect(new Set(await codes(siege, lengths.map(native)))).toEqual(new Set(['TOO_LARGE']));
    expect(await codes(siege, [0n, 1n, BigInt(longest)].map(python))).toEqual([
      'CLOSED',
      'CLOSED',
      'CLOSED',
    ]);
    const long = [BigInt(longest) + 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n];
    expect(new Set(await codes(siege, long.map(python)))).toEqual(new Set(['TOO_LARGE']));
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
    await expectUnharmed(siege);
  });

  it('of those who hang up within a frame of any type, at any byte', async () => {
    const siege = await besieged();
    const frames = [
      data(1, Buffer.from('"a"')),
      control(Frame.ACK),
      control(Frame.BEAT),
      control(Frame.FIN),
      control(Frame.ERROR, 1, Buffer.from('why')),
    ];
    for (const frame of frames) {
      const cuts = Array.from({ length: frame.length - 1 }, (_, i) =>
        Buffer.concat([hello(), frame.subarray(0, i + 1)]),
      );
      expect(new Set(await codes(siege, cuts))).toEqual(new Set(['CLOSED']));
    }
    const ping = Buffer.from('000000000000000470696e67', 'hex');
    const cuts = Array.from({ length: ping.length - 1 }, (_, i) =>
      Buffer.concat([introduction(), ping.subarray(0, i + 1)]),
    );
    expect(new Set(await codes(siege, cuts))).toEqual(new Set(['CLOSED']));
    await expectUnharmed(siege);
  });

  it('of those who say nothing, or trickle, for longer than a handshake may take', async () => {
    const siege = await besieged({ handshakeTimeoutMs: 300 });
    const before = siege.errors.length;
    const starts = [Buffer.alloc(0), hello().subarray(0, 40), introduction().subarray(0, 20)];
    const silent = starts.map(() => net.raw(siege.server.address()!));
    silent.forEach((raw, i) => raw.write(starts[i]!));
    const slow = [hello(), introduction()].map((bytes) => {
      const raw = net.raw(siege.server.address()!);
      let sent = 0;
      const timer = setInterval(() => {
        if (raw.socket.writable) raw.write(bytes.subarray(sent, (sent += 1)));
      }, 30);
      void raw.closed.then(() => {
        clearInterval(timer);
      });
      return raw;
    });
    await expectUnharmed(siege);
    for (const raw of [...silent, ...slow]) await raw.hungUp('a silent one');
    await until(() => siege.errors.length === before + 5, 'all are told');
    expect(new Set(siege.errors.map(({ code }) => code))).toEqual(new Set(['ERR_CHASKI_TIMEOUT']));
    await expectUnharmed(siege);
  });

  it('of those who send nothing for ever, while nobody takes it', async () => {
    const siege = await besieged({ highWaterMark: { messages: 1000 } });
    const raws = [net.raw(siege.server.address()!), net.raw(siege.server.address()!)];
    const empty = Buffer.alloc(4 * 100);
    raws[0]!.write(
      hello(),
      ...Array.from({ length: 2000 }, (_, i) =>
        Buffer.concat([header({ length: 400, count: 100, seq: 1 + 100 * i }), empty]),
      ),
    );
    raws[1]!.write(introduction(), Buffer.alloc(8 * 200_000));
    await until(() => held(siege) >= 2000, 'both are at the mark');
    // The mark of each, and what one read brings.
    expect(held(siege)).toBeLessThan(2 * (1000 + 65_536));
    await expectUnharmed(siege);
    for (const raw of raws) raw.destroy();
    // Their end may be behind what the server does not read as long as nobody takes what came before.
    await until(() => {
      while (siege.server.tryGet() !== undefined);
      return siege.errors.length === 2;
    }, 'both are lost');
    await expectUnharmed(siege);
  });

  it('of those who acknowledge again, too late, or what was never sent', async () => {
    const siege = await besieged();
    const raw = net.raw(siege.server.address()!);
    const ini = once(siege.server, 'ini');
    raw.write(hello({ ack: 1 }));
    const [peer] = (await ini) as [string];
    const put = siege.server.put('acknowledged twice', peer);
    await until(() => raw.frames.some(({ type }) => type === Frame.DATA), 'the message');
    raw.write(control(Frame.ACK, 1), control(Frame.ACK, 1), control(Frame.ACK, 0));
    await soon(put, 'the put');
    raw.write(control(Frame.FIN), control(Frame.ACK, 1));
    await until(() => raw.frames.at(-1)?.type === Frame.FIN, 'its FIN');
    await raw.hungUp('a peer that has left');
    expect(siege.errors).toEqual([]);
    expect(
      await codes(siege, [Buffer.concat([hello(), control(Frame.ACK, 2n ** 64n - 1n)])]),
    ).toEqual(['PROTOCOL']);
    await expectUnharmed(siege);
  });
});

interface Siege {
  readonly server: Communicator<string>;
  readonly clients: readonly Communicator<string>[];
  readonly errors: ChaskiError[];
}

function held({ server }: Siege): number {
  return server.stats()['heldMessages'] ?? 0;
}

let introductions = 0;

/** INI of the Python protocol. */
function introduction(): Buffer {
  const bytes = Buffer.alloc(24, 0xcd);
  bytes.writeBigUInt64BE(16n);
  bytes.writeUInt32LE((introductions += 1), 8);
  return bytes;
}
