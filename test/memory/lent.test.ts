import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { drained, loadNative, wakeBits } from '../../ts/binding/index.ts';
import type { NativeEvent, NativeQueueConfig, QueueHandle } from '../../ts/binding/index.ts';
import { turn, until } from '../integration/net-queue/support/waiting.ts';

const native = loadNative();
const length = 1 << 20;

describe.each([
  ['thread', 0],
  ['loop', 1],
])('memory that is lent to native, %s host', (_, runOn) => {
  let server: End;
  let client: End;
  /** Buffers that were lent and have been collected. */
  let collected: number;
  const registry = new FinalizationRegistry(() => {
    collected += 1;
  });

  beforeEach(async () => {
    collected = 0;
    server = new End({ server: true, runOn });
    await until(() => server.port > 0, 'the server listens');
    client = new End({ server: false, runOn, port: server.port });
    await until(() => client.peers === 1, 'the client is connected');
  });

  afterEach(async () => {
    for (const end of [client, server]) native.queueClose(end.handle, 0);
    await until(() => client.closed && server.closed, 'both are closed');
    for (const end of [client, server]) native.queueForget(end.handle);
  });

  /** Lends a buffer whose bytes are all `value`, and keeps nothing of it. */
  function lend(value: number, bytes = length, word = bytes): number {
    const data = new Uint8Array(bytes).fill(value);
    registry.register(data.buffer, undefined);
    return native.queuePutLent(client.handle, 0, data, word);
  }

  it('arrives as it was, is collected once it is written, and not before', async () => {
    const count = 40;
    server.pause();
    for (let i = 0; i < count; i += 1) expect(lend(i)).toBe(0);
    for (let i = 0; i < 10; i += 1) await collect();
    const unwritten = client.lentBytes();
    // More than a whole buffer is written only in part.
    expect(unwritten).toBeGreaterThan(0);
    expect(collected).toBeLessThanOrEqual(count - unwritten / length);

    server.resume();
    await until(() => server.messages === count, 'everything has come');
    expect(server.wrong).toBe(0);
    await until(() => client.lentBytes() === 0, 'nothing is lent any more');
    await until(() => collectNow() && collected === count, 'everything has been collected');
  });

  it('is collected without another call when it has been written', async () => {
    expect(lend(0)).toBe(0);
    await until(() => server.messages === 1, 'it has come');
    await until(() => collectNow() && collected === 1, 'it has been collected');
  });

  it('is given back when the connection breaks off before it is written', async () => {
    server.pause();
    for (let i = 0; i < 40; i += 1) expect(lend(i)).toBe(0);
    native.queueClose(client.handle, 0);
    await until(() => client.closed, 'the client is closed');
    expect(client.lentBytes()).toBe(0);
    await until(() => collectNow() && collected === 40, 'everything has been collected');
  });

  it('is given back at once when the message is refused', async () => {
    const codes = native.errorCodes();
    const code = (answer: number) => codes[-answer];
    expect(code(lend(0, length, length - 1))).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    expect(code(lend(0, length, 7 * 2 ** 29 + length))).toBe('ERR_CHASKI_INVALID_ARGUMENT');
    expect(code(lend(0, maxMessageBytes + 1))).toBe('ERR_CHASKI_TOO_LARGE');
    const data = new Uint8Array(length);
    expect(code(native.queuePutLent(client.handle, 1, data, length))).toBe(
      'ERR_CHASKI_NOT_CONNECTED',
    );
    expect(code(native.queuePutLent(9999 as QueueHandle, 0, data, length))).toBe(
      'ERR_CHASKI_CLOSED',
    );
    const shared = new Uint8Array(new SharedArrayBuffer(length));
    expect(code(native.queuePutLent(client.handle, 0, shared, length))).toBe(
      'ERR_CHASKI_INVALID_ARGUMENT',
    );
    expect(client.lentBytes()).toBe(0);
    await until(() => collectNow() && collected === 3, 'all of it has been collected');
    expect(lend(0, 100)).toBe(0);
    await until(() => server.messages === 1, 'a small one still gets through');
  });

  it('is counted where it arrives until JavaScript lets go of it', async () => {
    server.keeps = true;
    for (let i = 0; i < 3; i += 1) lend(i);
    await until(() => server.messages === 3, 'everything has come');
    await collect();
    expect(native.queueStats(server.handle)!['largeBytes']).toBeGreaterThanOrEqual(3 * length);
    server.kept.length = 0;
    await until(
      () => collectNow() && native.queueStats(server.handle)!['largeBytes'] === 0,
      'native has its memory back',
    );
  });
});

const maxMessageBytes = 4 << 20;

/** A communicator without what TypeScript makes of it. */
class End {
  readonly handle: QueueHandle;
  port = 0;
  peers = 0;
  closed = false;
  /** Large messages that came, and those of which a byte is wrong. */
  messages = 0;
  wrong = 0;
  /** Holds on to what comes. */
  keeps = false;
  readonly kept: Uint8Array[] = [];
  #paused = false;
  readonly #arena = new Uint8Array(65_536);
  readonly #index = new Uint32Array(2);
  readonly #info = new Float64Array(drained.length);

  constructor(config: Partial<NativeQueueConfig>) {
    this.handle = native.queueOpen(
      {
        server: true,
        unix: false,
        host: '127.0.0.1',
        port: 0,
        path: '',
        id: crypto.getRandomValues(new Uint8Array(16)),
        cluster: '',
        compat: 0,
        pythonKind: 0,
        ackProcessed: false,
        highWaterBytes: length,
        highWaterMessages: 1000,
        dropOldest: false,
        maxMessageBytes,
        maxPeers: 10,
        connectTimeoutMs: 5000,
        handshakeTimeoutMs: 5000,
        keepAliveMs: 0,
        idleTimeoutMs: 0,
        sessionTimeoutMs: 0,
        secret: new Uint8Array(16),
        incarnation: new Uint8Array(8),
        runOn: 0,
        workers: 1,
        reusePort: false,
        ...config,
      },
      () => {
        const bits = native.queueWake(this.handle);
        if ((bits & wakeBits.events) !== 0) native.queueEvents(this.handle).forEach(this.#hear);
        this.#read();
      },
    );
  }

  lentBytes(): number {
    return native.queueStats(this.handle)!['lentBytes']!;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#read();
  }

  readonly #hear = (event: NativeEvent): void => {
    if (event.kind === 'open') this.port = event.port ?? 0;
    else if (event.kind === 'peer') this.peers += 1;
    else if (event.kind === 'closed') this.closed = true;
  };

  #read(): void {
    while (!this.#paused) {
      const info = this.#info;
      if (native.queueDrain(this.handle, -1, this.#arena, 0, this.#index, 0, 1, info) === 0) break;
      if (info[drained.largeLength]! > 0) {
        const message = native.queueTakeLarge(this.handle, info[drained.peer]!)!;
        if (!message.every((byte) => byte === this.messages)) this.wrong += 1;
        if (this.keeps) this.kept.push(message);
      }
      this.messages += 1;
    }
  }
}

function collectNow(): true {
  globalThis.gc!();
  return true;
}

async function collect(): Promise<void> {
  collectNow();
  await turn();
}
