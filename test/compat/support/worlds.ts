// Communicators of chaski and of Python that a test opens, all of which end with it.
import { open } from 'chaski/net-queue';
import type { Communicator, CommunicatorOptions } from 'chaski/net-queue';
import { afterEach } from 'vitest';

import { Python } from './python.ts';
import type { PythonOptions, Version } from './python.ts';

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(ends.splice(0).map(async (end) => end()));
});

/** A server of chaski, and its port. */
export async function server(options: CommunicatorOptions = {}): Promise<[Communicator, number]> {
  const queue = await open({ serializer: 'bytes', port: 0, ...options, purpose: 'server' });
  ends.push(async () => queue.close({ force: true }));
  const address = queue.address();
  if (address === undefined || !('port' in address)) throw new Error('It listens nowhere.');
  return [queue, address.port];
}

/** A client of chaski. */
export async function client(
  port: number,
  options: CommunicatorOptions = {},
): Promise<Communicator> {
  const queue = await open({ serializer: 'bytes', port, ...options, purpose: 'client' });
  ends.push(async () => queue.close({ force: true }));
  return queue;
}

/** A client of chaski whose server is of Python. */
export async function clientOf(
  peer: Python,
  options: CommunicatorOptions = {},
): Promise<Communicator> {
  return await client(peer.port, { compat: 'python', ...options });
}

/** A communicator of Python in a process of its own. */
export async function python(
  version: Version,
  purpose: 'server' | 'client',
  options: PythonOptions = {},
): Promise<Python> {
  const peer = new Python(version);
  ends.push(async () => peer.kill());
  await peer.open(purpose, options);
  return peer;
}
