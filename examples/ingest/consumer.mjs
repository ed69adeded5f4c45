// @ts-check
// The consumer: the server of the queue. It is called with batches, as they arrived, and hands them to the journal.
// With ack: 'processed', a batch is acknowledged when the promise that its handler returned is fulfilled: here, when
// its records are safe on disk. What is not acknowledged counts towards the high-water mark of the producer that put
// it, so what waits here for the disk is bounded, however fast the producers are.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Purpose, open } from 'chaski/net-queue';
import { runChild } from './child.mjs';
import { Failure } from './failure.mjs';
import { Journal } from './journal.mjs';

/**
 * @typedef {object} ConsumerConfig
 * @property {string} folder where the journal goes
 * @property {string[]} producers their ids; the position is the share
 * @property {'tcp' | 'unix'} protocol
 * @property {import('chaski/net-queue').CommunicatorOptions} queue where to listen
 */

/**
 * @typedef {object} Stored
 * @property {number} records
 * @property {number} bytes
 * @property {number} commits
 * @property {number} peakMemory bytes
 */

const REPORT_MS = 200;
const DELAY_RESOLUTION_MS = 2;

await runChild(consume);

/**
 * @param {ConsumerConfig} config
 * @param {import('./child.mjs').Parent} parent
 * @returns {Promise<Stored>}
 */
async function consume({ folder, producers, protocol, queue: options }, parent) {
  const journal = await Journal.create(folder, producers.length);
  const shares = new Map(producers.map((id, share) => [id, share]));

  const queue = await open(protocol, Purpose.SERVER, {
    ...options,
    serializer: 'bytes',
    ack: 'processed',
  });
  queue.subscribeBatches((batch) => {
    const share = shares.get(batch.peer);
    if (share === undefined) throw new Failure(`a stranger put records: ${batch.peer}`);
    return journal.write(share, batch);
  });

  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  const report = () => {
    const { records, bytes } = journal;
    const delayMs = Math.max(0, delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS);
    delay.reset();
    parent.send({ type: 'progress', records, bytes, delayMs, memory: process.memoryUsage.rss() });
  };
  const timer = setInterval(report, REPORT_MS);

  parent.send({ type: 'listening', address: queue.address() });
  await Promise.race([parent.next('finish'), handlerFailure(queue)]);

  await queue.close();
  await journal.close();
  clearInterval(timer);
  report();
  const { records, bytes, commits } = journal;
  return { records, bytes, commits, peakMemory: process.resourceUsage().maxRSS * 1024 };
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
