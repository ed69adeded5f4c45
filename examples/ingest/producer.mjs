// @ts-check
// A producer: a client of the queue in a process of its own. Of the P producers the one with share i puts
// records i, i + P, i + 2P ... of the source, one by one. put() never blocks, and its promise costs nothing
// unless it is looked at: this producer looks at some, to learn the round trip, and at the last one, since
// acknowledgements are cumulative: when the last record is acknowledged, all are.

import { Purpose, open } from 'chaski/net-queue';
import { runChild } from './child.mjs';
import { Failure } from './failure.mjs';
import { Extent, blocks } from './records.mjs';
import { RoundTrips } from './round-trips.mjs';

/**
 * @typedef {object} ProducerConfig
 * @property {import('./records.mjs').Source} source
 * @property {number} share
 * @property {number} producers
 * @property {'tcp' | 'unix'} protocol
 * @property {import('chaski/net-queue').CommunicatorOptions} queue where the consumer listens, and who we are
 */

const REPORT_MS = 200;
/** A disk can be slow, but not that slow. */
const PATIENCE_MS = 60_000;

await runChild(produce);

/**
 * @param {ProducerConfig} config
 * @param {import('./child.mjs').Parent} parent
 * @returns {Promise<import('./verify.mjs').Expected>}
 */
async function produce({ source, share, producers, protocol, queue: options }, parent) {
  const stop = new AbortController();
  const { signal } = stop;
  parent.on('stop', () => stop.abort());

  const queue = await open(protocol, Purpose.CLIENT, { ...options, serializer: 'bytes' });
  queue.on('lost', (_peer, error) =>
    stop.abort(new Failure(`lost the consumer: ${error?.message ?? 'it left'}`)),
  );

  const roundTrips = new RoundTrips();
  let put = 0;
  const report = (acknowledged = roundTrips.acknowledged) =>
    parent.send({
      type: 'progress',
      put,
      queued: put - acknowledged,
      roundTrips: roundTrips.take(),
    });
  const timer = setInterval(() => report(), REPORT_MS);

  const reader = await blocks(
    source,
    source.kind === 'stdin' ? growing(parent, signal) : undefined,
  );
  parent.send({ type: 'ready' });
  await parent.next('go');

  /** @type {import('chaski/net-queue').PutResult | undefined} */
  let last;
  try {
    let next = share; // the next record of ours, counted from the start of the block
    for await (const { data, ends } of reader) {
      signal.throwIfAborted();
      for (; next < ends.length; next += producers) {
        if (queue.needDrain) await queue.writable({ signal, timeoutMs: PATIENCE_MS });
        last = queue.put(data.subarray(next === 0 ? 0 : ends[next - 1], ends[next]));
        put += 1;
        if (roundTrips.wanted) void roundTrips.measure(last, put);
      }
      next -= ends.length;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const complete = !signal.aborted;
  if (signal.reason instanceof Failure) throw signal.reason;

  await queue.drain({ timeoutMs: PATIENCE_MS });
  await last; // rejects when it was not acknowledged
  await queue.close();
  clearInterval(timer);
  report(put);
  return { records: put, complete };
}

/**
 * How much of standard input has been written to its file, as the parent tells.
 * @param {import('./child.mjs').Parent} parent
 * @param {AbortSignal} signal
 */
function growing(parent, signal) {
  const extent = new Extent(0, false);
  parent.on('grown', ({ size, ended }) => {
    extent.grow(size);
    if (ended) extent.end();
  });
  signal.addEventListener('abort', () => extent.end());
  return extent;
}
