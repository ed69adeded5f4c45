// @ts-check
// A server whose messages are worked on by other threads, and acknowledged when they are done with them.
//   node examples/net-queue/pool.mjs [port]
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

import * as nq from 'chaski/net-queue';

if (isMainThread) await serve(Number(process.argv[2] ?? 51_966), 2);
else parentPort?.on('message', work);

/**
 * @param {number} port
 * @param {number} threads
 */
async function serve(port, threads) {
  const queue = await nq.open({ purpose: nq.Purpose.SERVER, port, ack: 'processed' });
  console.log('listening', queue.address());
  // With its last client, it ends.
  queue.on('lost', () => void (queue.peers.size === 0 && queue.close()));
  const pool = Array.from({ length: threads }, () => startWorker());
  let turn = 0;
  // What is not acknowledged counts at its sender, so no more than `highWaterMark` of each peer waits for the threads.
  for await (const batch of queue.batches({ max: 1000, autoAck: false })) {
    const { worker, posted } = pool[turn % threads] ?? startWorker();
    const parcel = batch.toParcel();
    posted.push(batch);
    worker.postMessage(parcel, parcel.transferList);
    turn += 1;
  }
  await Promise.all(pool.map(({ worker }) => worker.terminate()));
  console.log('done');
}

/** A thread, and what was posted to it: it answers in order. */
function startWorker() {
  const worker = new Worker(new URL(import.meta.url));
  /** @type {nq.Batch[]} */
  const posted = [];
  worker.on('message', (done) => {
    const batch = posted.shift();
    if (done) batch?.ack();
    else batch?.nack({ delayMs: 1000 });
  });
  return { worker, posted };
}

/** @param {nq.ParcelContent} parcel */
function work(parcel) {
  let done = true;
  try {
    /** @type {nq.ParceledBatch<number>} */
    const batch = nq.fromParcel(parcel);
    for (let i = 0; i < batch.length; i += 1) Math.sqrt(batch.at(i));
  } catch (error) {
    console.error(error);
    done = false;
  }
  parentPort?.postMessage(done);
}
