import { Protocol } from 'chaski/net-queue';
import type { ChaskiError, Communicator } from 'chaski/net-queue';
import { describe, expect, it } from 'vitest';

import { useNet } from './support/net.ts';
import { rejection, soon, take, turn, until, values } from './support/waiting.ts';
import { control, data, field, Frame, header, hello, RawPeer } from './support/wire.ts';
import type { HelloFields } from './support/wire.ts';
import { plainWorlds } from './support/worlds.ts';

const one = Buffer.from('one');
const two = Buffer.from('two');

describe.each(plainWorlds)('a server and strangers, $name', (world) => {
  const net = useNet(world);

  /** A server with a good client, which must not notice anything of what others do. */
  async function besieged(): Promise<Siege> {
    const { server, client } = await net.pair({
      server: { cluster: 'ok' },
      client: { cluster: 'ok' },
    });
    const siege: Siege = { server, client, warnings: [], lost: [] };
    server.on('warning', (error) => siege.warnings.push(error));
    server.on('lost', (_, error) => siege.lost.push(error));
    return siege;
  }

  const greeting = (fields: HelloFields = {}): Buffer =>
    hello({ cluster: Buffer.from('ok'), ...fields });

  async function expectUnharmed({ server, client }: Siege): Promise<void> {
    await soon(client.put('still served'), 'a put of the good client');
    expect(await values(server, 1, client.id)).toEqual(['still served']);
    expect([...server.peers]).toEqual([client.id]);
    const newcomer = await net.client(server, { cluster: 'ok' });
    await newcomer.close();
  }

  it('talks with whoever speaks the protocol, byte by byte', async () => {
    const { server } = await besieged();
    const raw = new RawPeer(server.address()!);
    const stream = Buffer.concat([
      greeting(),
      data(1, one, two),
      control(Frame.BEAT),
      data(3, Buffer.alloc(0)),
      data(4, Buffer.alloc(70_000, 9)),
    ]);
    // Every border once, and then the bulk.
    for (let at = 0; at < 300; at += 1) {
      raw.write(stream.subarray(at, at + 1));
      await turn();
    }
    raw.write(stream.subarray(300));
    const messages = await take(server, 4);
    expect(messages.map(({ seq, byteLength }) => [seq, byteLength])).toEqual([
      [1, 3],
      [2, 3],
      [3, 0],
      [4, 70_000],
    ]);
    expect(messages[1]!.data).toEqual(new Uint8Array(two));
    await until(() => raw.frames.at(-1)?.seq === 4, 'the acknowledgement');
    expect(raw.bytes.subarray(0, 10)).toEqual(Buffer.from('CHSKNQ\r\n\u0001\u0001'));

    const put = server.put(Buffer.from('hi'), messages[0]!.peer);
    await until(() => raw.frames.some(({ type }) => type === Frame.DATA), 'a message');
    const frame = raw.frames.find(({ type }) => type === Frame.DATA)!;
    expect([frame.count, frame.seq]).toEqual([1, 1]);
    expect(frame.body).toEqual(Buffer.from([2, 0, 0, 0, 0x68, 0x69]));
    raw.write(control(Frame.ACK, 1));
    await soon(put, 'the put');

    raw.write(control(Frame.FIN, 4));
    await until(() => raw.frames.at(-1)?.type === Frame.FIN, 'its FIN');
    expect(raw.frames.at(-1)!.seq).toBe(1);
    await raw.hungUp('after both FINs');
  });

  it('hangs up on a stream that is cut at any byte, delivers what was whole, and nothing else', async () => {
    const siege = await besieged();
    const first = greeting();
    const frames = [
      data(1, one),
      data(2, one, two),
      control(Frame.ACK, 0),
      data(4, Buffer.alloc(50, 1)),
    ];
    const stream = Buffer.concat([first, ...frames]);
    const whole = [1, 2, 0, 1];
    for (let cut = 0; cut < stream.length; cut += 1) {
      const raw = new RawPeer(siege.server.address()!);
      const id = Buffer.from(stream.subarray(0, cut));
      // An id of its own for each, where the cut leaves one.
      if (cut >= 12 + 3 + 16) id.writeUInt32LE(0xc0de_0000 + cut, 12 + 3);
      raw.socket.end(id);
      await raw.hungUp(`cut at ${cut}`);
      let at = first.length;
      let expected = 0;
      frames.forEach(({ length }, i) => {
        at += length;
        if (cut >= at) expected += whole[i]!;
      });
      await until(
        () => siege.warnings.length + siege.lost.length === cut + 1,
        `cut at ${cut} is told`,
      );
      for (let i = 0; i < expected; i += 1) expect(siege.server.tryGet()).toBeDefined();
      expect(siege.server.tryGet()).toBeUndefined();
    }
    expect(siege.warnings.length).toBe(first.length);
    const codes = [...siege.warnings, ...siege.lost].map((error) => error?.code);
    expect(new Set(codes)).toEqual(new Set(['ERR_CHASKI_CLOSED']));
    await expectUnharmed(siege);
  });

  const strangers: [string, () => Buffer, string][] = [
    ['speak HTTP', () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'PROTOCOL'],
    ['speak TLS', () => Buffer.from('160301020001000001fc0303', 'hex'), 'TLS'],
    [
      'speak the Python protocol and do not say who they are',
      () => Buffer.from('000000000000000470696e67', 'hex'),
      'PROTOCOL',
    ],
    ['nearly know the magic', () => greeting({ magic: 'CHSKNQ\r\r' }), 'PROTOCOL'],
    ['send nothing but zeros', () => Buffer.alloc(10_000), 'PROTOCOL'],
    ['say a hello that is too long', () => greeting({ length: 65_535 }), 'PROTOCOL'],
    ['give no id', () => greeting({ id: null }), 'PROTOCOL'],
    ['give half an id', () => greeting({ id: Buffer.alloc(8) }), 'PROTOCOL'],
    [
      'give a cluster that is no text',
      () => greeting({ cluster: Buffer.of(0xff, 0xfe) }),
      'PROTOCOL',
    ],
    [
      'give a cluster that is too long',
      () => greeting({ cluster: Buffer.alloc(256, 97) }),
      'PROTOCOL',
    ],
    ['know no such ack', () => greeting({ ack: 9 }), 'PROTOCOL'],
    [
      'end a field behind the hello',
      () => greeting({ more: Buffer.of(99, 255, 255, 0) }),
      'PROTOCOL',
    ],
    ['end in the middle of a field', () => greeting({ more: Buffer.of(99) }), 'PROTOCOL'],
    [
      'refuse the server',
      () => greeting({ more: field(7, Buffer.from('\u0001go away')) }),
      'CLOSED',
    ],
    ['come from the future', () => greeting({ low: 2, high: 9 }), 'UNSUPPORTED'],
    ['have their versions the wrong way round', () => greeting({ low: 3, high: 1 }), 'UNSUPPORTED'],
    ['belong elsewhere', () => greeting({ cluster: Buffer.from('other') }), 'AUTH'],
  ];

  it.each(strangers)('shows the door to those who %s', async (what, bytes, code) => {
    const siege = await besieged();
    const raw = new RawPeer(siege.server.address()!);
    raw.write(bytes());
    await raw.hungUp(what);
    await until(() => siege.warnings.length === 1, 'the warning');
    expect(siege.warnings[0]!.code).toBe(`ERR_CHASKI_${code}`);
    expect(siege.lost).toEqual([]);
    // These can be told why, by a refusal in the place of a hello; others would not understand it. A client with TLS sees that it is none.
    const answer = ['UNSUPPORTED', 'AUTH', 'TLS'].includes(code) ? 'CHSKNQ\r\n' : '';
    expect(raw.bytes.subarray(0, 8).toString()).toBe(answer);
    await expectUnharmed(siege);
  });

  it('takes fields of later versions, and numbers that leave gaps', async () => {
    const siege = await besieged();
    const raw = new RawPeer(siege.server.address()!);
    raw.write(
      greeting({ more: field(200, Buffer.alloc(1000)), high: 7 }),
      data(5, one),
      data(9, two),
    );
    const messages = await take(siege.server, 2);
    expect(messages.map(({ seq }) => seq)).toEqual([5, 9]);
    await until(() => raw.frames.at(-1)?.seq === 9, 'the acknowledgement');
    raw.destroy();
    await until(() => siege.lost.length === 1, 'its loss');
    await expectUnharmed(siege);
  });

  const offences: [string, () => Buffer[], string][] = [
    ['announce 2^31 bytes', () => [header({ length: 2 ** 31, count: 1, seq: 1 })], 'TOO_LARGE'],
    [
      'announce 2^32-1 bytes',
      () => [header({ length: 2 ** 32 - 1, count: 1, seq: 1 })],
      'TOO_LARGE',
    ],
    [
      'announce more than maxMessageBytes',
      () => [header({ length: (256 << 20) + 5, count: 1, seq: 1 })],
      'TOO_LARGE',
    ],
    [
      'count 65,535 messages in a short body',
      () => [header({ length: 8, count: 65_535, seq: 1 }), Buffer.alloc(8)],
      'PROTOCOL',
    ],
    ['count 65,535 messages without a body', () => [header({ count: 65_535, seq: 1 })], 'PROTOCOL'],
    [
      'count 65,535 empty messages',
      () => [header({ length: 4 * 65_535, count: 65_535, seq: 1 })],
      'PROTOCOL',
    ],
    [
      'count two messages in a long frame',
      () => [header({ length: 65_521, count: 2, seq: 1 })],
      'PROTOCOL',
    ],
    [
      'count no message',
      () => [header({ length: 4, count: 0, seq: 1 }), Buffer.alloc(4)],
      'PROTOCOL',
    ],
    [
      'say lengths that do not add up',
      () => [header({ length: 12, count: 2, seq: 1 }), Buffer.alloc(12)],
      'PROTOCOL',
    ],
    [
      'say a word that contradicts its long frame',
      () => [header({ length: 70_004, count: 1, seq: 1 }), Buffer.alloc(70_004)],
      'PROTOCOL',
    ],
    [
      'send a kind that nobody knows',
      () => [header({ length: 4, count: 1, seq: 1 }), Buffer.of(0, 0, 0, 0xc0)],
      'PROTOCOL',
    ],
    ['number from 0', () => [data(0, one)], 'PROTOCOL'],
    ['number beyond 2^53', () => [data(2n ** 53n, one)], 'PROTOCOL'],
    ['number up to the last bit', () => [data(2n ** 64n - 1n, one)], 'PROTOCOL'],
    ['repeat a number', () => [data(1, one), data(1, two)], 'PROTOCOL'],
    ['count backwards', () => [data(5, one), data(4, two)], 'PROTOCOL'],
    ['let numbers overlap', () => [data(1, one, two), data(2, one)], 'PROTOCOL'],
    ['acknowledge what was never sent', () => [control(Frame.ACK, 1)], 'PROTOCOL'],
    ['acknowledge everything', () => [control(Frame.ACK, 2n ** 64n - 1n)], 'PROTOCOL'],
    ['send an acknowledgement with a body', () => [control(Frame.ACK, 0, one)], 'PROTOCOL'],
    [
      'send a beat of 2^32-1 bytes',
      () => [header({ length: 2 ** 32 - 1, type: Frame.BEAT })],
      'PROTOCOL',
    ],
    [
      'say FIN before their last message',
      () => [data(1, one, two), control(Frame.FIN, 1)],
      'PROTOCOL',
    ],
    ['go on after FIN', () => [control(Frame.FIN, 0), data(1, one)], 'PROTOCOL'],
    ['send a frame of an unknown type', () => [header({ type: 6 })], 'PROTOCOL'],
    ['send a frame of type 0', () => [header({ type: 0 })], 'PROTOCOL'],
    ['send flags', () => [header({ type: Frame.BEAT, flags: 1 })], 'PROTOCOL'],
    ['introduce themselves twice', () => [greeting()], 'PROTOCOL'],
    ['give up', () => [control(Frame.ERROR, 8, Buffer.from('no disk'))], 'ADDRESS'],
    [
      'give up for no known reason',
      () => [control(Frame.ERROR, 2n ** 60n, Buffer.of(0xff))],
      'PROTOCOL',
    ],
    ['give up at great length', () => [control(Frame.ERROR, 1, Buffer.alloc(1025))], 'PROTOCOL'],
  ];

  it.each(offences)(
    'ends the session of those who %s, with a reason',
    async (what, frames, code) => {
      const siege = await besieged();
      const raw = new RawPeer(siege.server.address()!);
      raw.write(greeting(), ...frames());
      await raw.hungUp(what);
      await until(() => siege.lost.length === 1, 'its loss');
      expect(siege.lost[0]?.code).toBe(`ERR_CHASKI_${code}`);
      while (siege.server.tryGet() !== undefined);
      await expectUnharmed(siege);
    },
  );

  it('survives noise', async () => {
    const siege = await besieged();
    // A generator of its own, so that a failure can be repeated.
    let state = 12_345;
    const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
    const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, random));
    const rounds = 300;
    for (let round = 0; round < rounds; round += 1) {
      const raw = new RawPeer(siege.server.address()!);
      const start = [[], [greeting()], [greeting(), data(1, one)]][round % 3]!;
      const tail = noise(random() % 300);
      // Half of it is a frame that a hostile peer would make, with one byte changed.
      if (round % 2 === 0)
        tail.set(header({ length: 3, count: 1, seq: 2 }).subarray(0, tail.length));
      raw.write(...start, tail);
      raw.socket.end();
      await raw.hungUp(`noise ${round}`);
    }
    await until(() => siege.warnings.length + siege.lost.length === rounds, 'all are told');
    for (const error of [...siege.warnings, ...siege.lost]) {
      expect(error?.code).toMatch(/^ERR_CHASKI_(PROTOCOL|CLOSED|TOO_LARGE)$/);
    }
    while (siege.server.tryGet() !== undefined);
    await expectUnharmed(siege);
  });

  it('loses a peer that closes its half of the connection without a FIN', async () => {
    const siege = await besieged();
    const raw = new RawPeer(siege.server.address()!);
    raw.write(greeting(), data(1, one));
    await take(siege.server, 1);
    raw.socket.end();
    await raw.hungUp('a half-open connection');
    await until(() => siege.lost.length > 0, 'it is told');
    expect(siege.lost.map((error) => error?.code)).toEqual(['ERR_CHASKI_CLOSED']);
    await expectUnharmed(siege);
  });

  it('loses a peer that resets the connection', async () => {
    const siege = await besieged();
    const raw = new RawPeer(siege.server.address()!, { reads: false });
    raw.write(greeting());
    await until(() => siege.server.peers.size === 2, 'the peer');
    const peer = [...siege.server.peers].find((id) => id !== siege.client.id)!;
    const put = rejection(siege.server.put(new Uint8Array(20 << 20), peer));
    if (world.protocol === Protocol.TCP) raw.socket.resetAndDestroy();
    // With unread bytes in it, a UNIX socket that is closed is reset.
    else raw.socket.destroy();
    expect((await put).delivered).toBe('unknown');
    await until(() => siege.lost.length === 1, 'its loss');
    await expectUnharmed(siege);
  });

  it('closes in time although a peer reads nothing and says nothing', async () => {
    const { server } = await besieged();
    const raw = new RawPeer(server.address()!, { reads: false });
    raw.write(greeting());
    await until(() => server.peers.size === 2, 'the peer');
    const puts = Array.from({ length: 50 }, () => rejection(server.put(new Uint8Array(1 << 20))));
    await soon(server.close({ timeoutMs: 200 }), 'the close');
    const errors = await soon(Promise.all(puts), 'all puts settle');
    for (const { code } of errors) expect(code).toMatch(/^ERR_CHASKI_(CLOSED|QUEUE_FULL)$/);
    raw.destroy();
  });
});

interface Siege {
  readonly server: Communicator;
  readonly client: Communicator;
  readonly warnings: ChaskiError[];
  readonly lost: (ChaskiError | undefined)[];
}
