// @ts-check
// The consumer: the server of the queue. It is called with batches, as they arrived, and hands them to the log.
// With ack: 'processed', a batch is acknowledged when the promise that its handler returned is fulfilled: here, when
// its records are safe on disk. What is not acknowledged counts towards the high-water mark of the producer that put
// it, so what waits here for the disk is bounded, however fast the producers are. When this process dies, the next one
// has the same id, so the producers know it again and send it what was not acknowledged.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Purpose, open } from 'chaski/net-queue';
import { runChild } from './child.mjs';
import { Failure } from './failure.mjs';
import { Store } from './store.mjs';

/**
 * @typedef {object} ConsumerConfig
 * @property {string} folder where the log is
 * @property {string} run its name
 * @property {string[]} producers their ids; the position is the share
 * @property {'tcp' | 'unix'} protocol
 * @property {import('chaski/net-queue').CommunicatorOptions} queue where to listen, and who we are
 */

/**
 * @typedef {object} Stored what one consumer has done
 * @property {number} records
 * @property {number} again records that came again
 * @property {number} commits
 * @property {number} peakMemory bytes
 * @property {number[]} ends the offset behind the last record of each producer
 */

const REPORT_MS = 200;
const DELAY_RESOLUTION_MS = 2;

await runChild(consume);

/**
 * @param {ConsumerConfig} config
 * @param {import('./child.mjs').Parent} parent
 * @returns {Promise<Stored>}
 */
async function consume({ folder, run, producers, protocol, queue: options }, parent) {
  const store = await Store.open(folder, producers.length, run);
  const shares = new Map(producers.map((id, share) => [id, share]));
  const starts = store.ends();

  const queue = await open(protocol, Purpose.SERVER, {
    ...options,
    serializer: 'bytes',
    ack: 'processed',
  });
  queue.subscribeBatches((batch) => {
    const share = shares.get(batch.peer);
    if (share === undefined) throw new Failure(`a stranger put records: ${batch.peer}`);
    return store.write(share, batch);
  });

  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  const report = () => {
    const { records, bytes, again } = store;
    const delayMs = Math.max(0, delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS);
    delay.reset();
    const memory = process.memoryUsage.rss();
    parent.send({ type: 'progress', records, bytes, again, delayMs, memory });
  };
  const timer = setInterval(report, REPORT_MS);

  parent.send({ type: 'listening', address: queue.address(), starts });
  await Promise.race([parent.next('finish'), handlerFailure(queue)]);

  await queue.close();
  const { records, again, commits } = store;
  const ends = store.ends();
  await store.close();
  clearInterval(timer);
  report();
  return { records, again, commits, ends, peakMemory: process.resourceUsage().maxRSS * 1024 };
}

/**
 * Rejects with what a handler threw: the disk is full, for instance. The queue itself goes on.
 * @param {import('chaski/net-queue').Communicator} queue
 * @returns {Promise<never>}
 */
function handlerFailure(queue) {
  return new Promise((_resolve, reject) => {
    queue.on('warning', (error) => {
      if (error.code === 'ERR_CHASKI_HANDLER') reject(error.cause);
    });
  });
}
