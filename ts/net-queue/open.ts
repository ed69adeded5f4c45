import { Communicator } from './communicator.ts';
import { parseOptions } from './options.ts';
import type { OpenOptions } from './options.ts';
import type { CommunicatorOptions, Protocol, Purpose } from './types.ts';

/**
 * Makes a communicator and returns it at once; exported as `new`, the name in the Python package net-queue.
 *
 * Never blocks, and never throws for the network's sake: `ready()` tells how it went, and a client can be put to before it is
 * connected. The same arguments as `open()`.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_UNSUPPORTED`, `_NATIVE_LOAD`.
 */
export function create<T = unknown>(options?: OpenOptions<T>): Communicator<T>;
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
