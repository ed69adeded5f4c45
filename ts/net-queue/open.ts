import { Communicator } from './communicator.ts';
import { parseOptions } from './options.ts';
import type { OpenOptions } from './options.ts';
import type { IncomingStream } from './incoming-stream.ts';
import type { CommunicatorOptions, Protocol, Purpose } from './types.ts';

/** As below; messages are what that serializer reads. */
export function create(
  options: OpenOptions<IncomingStream> & InStreams,
): Communicator<IncomingStream>;
export function create(options: OpenOptions<Uint8Array> & InBytes): Communicator<Uint8Array>;
/**
 * Makes a communicator and returns it at once; exported as `new`, the name in the Python package net-queue.
 *
 * Never blocks, and never throws for the network's sake: `ready()` tells how it went, and a client can be put to before it is
 * connected. The same arguments as `open()`.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_UNSUPPORTED`, `_NATIVE_LOAD`.
 */
export function create<T = unknown>(options?: OpenOptions<T>): Communicator<T>;
export function create(
  protocol: Protocol | undefined,
  purpose: Purpose | undefined,
  options: CommunicatorOptions<IncomingStream> & InStreams,
): Communicator<IncomingStream>;
export function create(
  protocol: Protocol | undefined,
  purpose: Purpose | undefined,
  options: CommunicatorOptions<Uint8Array> & InBytes,
): Communicator<Uint8Array>;
export function create<T = unknown>(
  protocol?: Protocol,
  purpose?: Purpose,
  options?: CommunicatorOptions<T>,
): Communicator<T>;
export function create<T = unknown>(
  first?: Protocol | OpenOptions<T>,
  purpose?: Purpose,
  options?: CommunicatorOptions<T>,
): Communicator<T> {
  return new Communicator<T>(parseOptions<T>(first, purpose, options));
}

/** As below; messages are what that serializer reads. */
export async function open(
  options: OpenOptions<IncomingStream> & InStreams,
): Promise<Communicator<IncomingStream>>;
export async function open(
  options: OpenOptions<Uint8Array> & InBytes,
): Promise<Communicator<Uint8Array>>;
/**
 * Opens a communicator: resolves when a server listens, or a client has shaken hands with its server.
 *
 * By position (protocol, purpose, options), or with one object. Protocol is 'tcp' unless said otherwise, purpose 'client'.
 *
 * @example
 * const queue = await open({ purpose: 'server', port: 0 });
 * for await (const message of queue) console.log(message.peer, message.data);
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_UNSUPPORTED`, `_NATIVE_LOAD`, and all of `ready()`: `_ADDRESS`
 * when it cannot listen there, `_NOT_CONNECTED` when no server is there, `_TIMEOUT`, `_PROTOCOL`. Nothing is left open then.
 */
export async function open<T = unknown>(options?: OpenOptions<T>): Promise<Communicator<T>>;
export async function open(
  protocol: Protocol | undefined,
  purpose: Purpose | undefined,
  options: CommunicatorOptions<IncomingStream> & InStreams,
): Promise<Communicator<IncomingStream>>;
export async function open(
  protocol: Protocol | undefined,
  purpose: Purpose | undefined,
  options: CommunicatorOptions<Uint8Array> & InBytes,
): Promise<Communicator<Uint8Array>>;
export async function open<T = unknown>(
  protocol?: Protocol,
  purpose?: Purpose,
  options?: CommunicatorOptions<T>,
): Promise<Communicator<T>>;
export async function open<T = unknown>(
  first?: Protocol | OpenOptions<T>,
  purpose?: Purpose,
  options?: CommunicatorOptions<T>,
): Promise<Communicator<T>> {
  const communicator = new Communicator<T>(parseOptions<T>(first, purpose, options));
  try {
    await communicator.ready();
  } catch (error) {
    await communicator.close({ force: true });
    throw error;
  }
  return communicator;
}

// Serializers of which it is known what they read.
interface InStreams {
  readonly serializer: 'stream';
}
interface InBytes {
  readonly serializer: 'bytes';
}
