// Waiting for something that has to happen, never for time to pass. What does not happen in time is named in the error.
import { once } from 'node:events';

import type { ChaskiError, Communicator, CommunicatorEvents, Message } from 'chaski/net-queue';

/** Only what hangs takes so long, however busy the machine; short enough to leave the test time to fail well. */
const patienceMs: number = 60_000;

/** `promise`, unless it takes too long. */
export async function soon<T>(
  promise: PromiseLike<T>,
  what: string,
  timeoutMs: number = patienceMs,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what}: not within ${timeoutMs} ms.`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again and again until `condition` holds. */
export async function until(
  condition: () => boolean,
  what: string,
  timeoutMs: number = patienceMs,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms.`);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

/** The next event `name` of a communicator. */
export async function event<E extends keyof CommunicatorEvents>(
  communicator: Communicator,
  name: E,
): Promise<CommunicatorEvents[E]> {
  const values: unknown[] = await soon(once(communicator, name), `the event ${name}`);
  return values as CommunicatorEvents[E];
}

/** What `promise` rejects with; an error if it fulfils. */
export async function rejection(promise: PromiseLike<unknown>): Promise<ChaskiError> {
  let value: unknown;
  try {
    value = await soon(promise, 'a rejection');
  } catch (error) {
    return error as ChaskiError;
  }
  throw new Error(`It fulfilled with ${JSON.stringify(value)} and should have rejected.`);
}

/** What became of `promise`, if it is settled by now. */
export async function settled(
  promise: PromiseLike<unknown>,
): Promise<'pending' | 'fulfilled' | 'rejected'> {
  const pending = Symbol('pending');
  try {
    const first = await Promise.race([promise, turn().then(() => pending)]);
    return first === pending ? 'pending' : 'fulfilled';
  } catch {
    return 'rejected';
  }
}

/** After this, an acknowledgement that was sent before would have arrived. */
export async function roundTrip(
  server: Communicator<number>,
  client: Communicator<number>,
): Promise<void> {
  // Acknowledgements are gathered until the loop has turned.
  await turn(2);
  await soon(server.put(-1), 'a put in the other direction');
  await client.get({ timeoutMs: 5000 });
  await turn(2);
}

/** Lets the event loop turn. */
export async function turn(times: number = 1): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** The next `count` messages. */
export async function take<T>(
  communicator: Communicator<T>,
  count: number,
  peer?: string,
): Promise<Message<T>[]> {
  const messages: Message<T>[] = [];
  while (messages.length < count) {
    messages.push(
      await communicator.get({
        timeoutMs: patienceMs,
        ...(peer === undefined ? {} : { peer }),
      }),
    );
  }
  return messages;
}

/** The values of the next `count` messages. */
export async function values<T>(
  communicator: Communicator<T>,
  count: number,
  peer?: string,
): Promise<T[]> {
  return (await take(communicator, count, peer)).map(({ data }) => data);
}
