import { describe, expect, it } from 'vitest';

import { parseOptions, uuidBytes } from '../../../ts/net-queue/options.ts';
import type { OpenOptions, Settings } from '../../../ts/net-queue/options.ts';

const id = '0f8fad5b-d9cb-469f-a165-70867728950e';

function parse(options: object = {}): Settings {
  return parseOptions(options as OpenOptions, undefined, undefined);
}

const invalid = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });
const unsupported = expect.objectContaining({ code: 'ERR_CHASKI_UNSUPPORTED' });

describe('parseOptions', () => {
  it('has the documented defaults', () => {
    const settings = parse();
    expect(settings).toMatchObject({
      protocol: 'tcp',
      purpose: 'client',
      host: '127.0.0.1',
      port: 51_966,
      path: '',
      cluster: '',
      ackProcessed: false,
      compat: 'auto',
      highWaterBytes: 8 * 1024 * 1024,
      highWaterMessages: 65_536,
      onFull: 'wait',
      maxMessageBytes: 256 * 1024 * 1024,
      maxPeers: 10_000,
      connectTimeoutMs: 10_000,
      handshakeTimeoutMs: 5_000,
      keepAliveMs: 1_000,
      idleTimeoutMs: 2_500,
      sessionTimeoutMs: 30_000,
      closeTimeoutMs: 5_000,
      runOn: undefined,
    });
    expect(settings.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-/);
    expect(settings.id).not.toBe(parse().id);
  });

  it('takes the arguments by position too', () => {
    const settings = parseOptions('unix', 'server', { path: '/tmp/socket', onFull: 'error' });
    expect(settings).toMatchObject({
      protocol: 'unix',
      purpose: 'server',
      path: '/tmp/socket',
      onFull: 'error',
    });
    expect(parseOptions(undefined, 'server', undefined).purpose).toBe('server');
  });

  it('takes the names of the seed', () => {
    expect(parse({ netloc: { host: 'localhost', port: 1 } })).toMatchObject({
      host: 'localhost',
      port: 1,
    });
    expect(parse({ netloc: ['localhost', 2] })).toMatchObject({ host: 'localhost', port: 2 });
    parse({ connection: { max_size: 4 << 20, merge_size: 0, efficient_size: 1 } });
    parse({ security: null });
    const { codec } = parse({
      serialization: { dump: (value: string) => Buffer.from(value), load: String },
    });
    expect(Buffer.from(codec.encode('text')).toString()).toBe('text');
  });

  it('has several workers on threads, and one for a client', () => {
    const server = { purpose: 'server', workers: 4 } as const;
    expect(parse(server)).toMatchObject({ workers: 4, runOn: 'thread' });
    expect(parse({ ...server, runOn: 'thread' })).toMatchObject({ workers: 4, runOn: 'thread' });
    expect(parse({ workers: 4, runOn: 'loop' })).toMatchObject({ workers: 1, runOn: 'loop' });
    expect(parse({ purpose: 'server' })).toMatchObject({ workers: 1, runOn: undefined });
    expect(() => parse({ ...server, runOn: 'loop' })).toThrow(/runOn.*several workers/);
    for (const workers of [0, 65, 1.5]) {
      expect(() => parse({ workers })).toThrow(/workers/);
    }
  });

  it.runIf(process.platform === 'linux')(
    'shares a port only for a TCP server without sessions',
    () => {
      const server = { purpose: 'server', reusePort: true } as const;
      expect(parse(server)).toMatchObject({ reusePort: true, sessionTimeoutMs: 0 });
      expect(parse({ ...server, sessionTimeoutMs: 0 })).toMatchObject({ reusePort: true });
      expect(parse({ reusePort: false })).toMatchObject({
        reusePort: false,
        sessionTimeoutMs: 30_000,
      });
      const wrong: object[] = [
        { ...server, sessionTimeoutMs: 1 },
        { ...server, protocol: 'unix', path: '/tmp/x' },
        { reusePort: true },
        { ...server, reusePort: 1 },
      ];
      for (const options of wrong) expect(() => parse(options)).toThrow(/reusePort/);
    },
  );

  it('refuses what is not in this version instead of leaving it out', () => {
    const later: object[] = [{ protocol: 'mqtt' }, { protocol: 'grpc' }];
    for (const options of later) expect(() => parse(options)).toThrow(unsupported);
  });

  it('refuses wrong values, contradictions and names that it does not know', () => {
    const wrong: object[] = [
      { id: 'not a uuid' },
      { id: new Uint8Array(15) },
      { protocol: 'udp' },
      { purpose: 'both' },
      { port: 65_536 },
      { port: 1.5 },
      { port: '80' },
      { host: '' },
      { host: 7 },
      { path: '/tmp/x' },
      { protocol: 'unix' },
      { protocol: 'unix', path: '/tmp/x', port: 1 },
      { netloc: ['localhost', 1], port: 2 },
      { netloc: 7 },
      { cluster: 'x'.repeat(256) },
      { serializer: 'yaml' },
      { serializer: { encode: String } },
      { serializer: 'json', serialization: { dump: String, load: String } },
      { ack: 'sometimes' },
      { onFull: 'explode' },
      { highWaterMark: { bytes: 0 } },
      { highWaterMark: { byte: 1 } },
      { highWaterMark: 7 },
      { maxMessageBytes: 2 ** 29 },
      { maxPeers: 0 },
      { connectTimeoutMs: -1 },
      { keepAliveMs: Infinity },
      { runOn: 'moon' },
      { timeout: 5 },
    ];
    for (const options of wrong) {
      expect(() => parse(options)).toThrow(invalid);
    }
  });

  it.each([
    [{ purpose: 'both' }, "purpose is 'both'; it must be 'client' or 'server'."],
    [
      { onFull: 'explode' },
      "onFull is 'explode'; it must be 'wait', 'drop-oldest', 'drop-newest' or 'error'.",
    ],
    [
      { serializer: 'xml' },
      "serializer is 'xml'; it must be 'auto', 'bytes', 'json', 'msgpack', 'pickle', 'stream' or an object { encode, decode }.",
    ],
    [{ serializer: { encode: String } }, /must be an object with the functions encode and decode/],
  ])('says of %o what is wrong, and what there is', (options: object, message) => {
    expect(() => parse(options)).toThrow(message);
  });

  it('takes ids as text of any case and as bytes', () => {
    expect(parse({ id: id.toUpperCase() }).id).toBe(id);
    expect(parse({ id: uuidBytes(id) }).id).toBe(id);
    expect(uuidBytes(id)).toEqual(new Uint8Array(Buffer.from(id.replaceAll('-', ''), 'hex')));
  });

  it('takes no bound for connecting, and none for silence', () => {
    expect(parse({ connectTimeoutMs: Infinity }).connectTimeoutMs).toBe(Infinity);
    expect(parse({ keepAliveMs: 0 })).toMatchObject({ keepAliveMs: 0, idleTimeoutMs: 0 });
    expect(parse({ keepAliveMs: 100 }).idleTimeoutMs).toBe(250);
    expect(parse({ keepAliveMs: 1 }).idleTimeoutMs).toBe(3);
  });
});
