// @ts-check
// BullMQ over Redis (UNIX socket): a job is acknowledged once Redis has it. Jobs of a window are added in bulk, their fastest; the
// worker takes many at a time and leaves nothing behind.
import { Queue, Worker } from 'bullmq';
import { packageVersion } from '../lib/versions.mjs';

const QUEUE = 'bench';
const CONCURRENCY = 256;
/** Jobs that may wait: Redis would take any number, and the worker is slower. */
const BACKLOG = 8_192;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'BullMQ over Redis, jobs added in bulk',
  modes: ['acked-each', 'acked-all'],
  services: ['redis-server'],
  unordered: true, // jobs of one worker run side by side
  version: () => packageVersion('bullmq'),
  receive,
  send,
};

/** @param {{ services: Record<string, any> }} run */
const connection = (run) => ({ path: run.services['redis-server'] });

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const queue = new Queue(QUEUE, { connection: connection(run) });
  await queue.obliterate({ force: true });
  const { deliver } = run;
  const worker = new Worker(QUEUE, async (job) => deliver(Buffer.from(job.data, 'base64')), {
    connection: connection(run),
    concurrency: CONCURRENCY,
    removeOnComplete: { count: 0 },
  });
  await worker.waitUntilReady();
  run.listening(QUEUE);
  return { close: () => worker.close(true) };
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const queue = new Queue(QUEUE, { connection: connection(run) });
  await queue.waitUntilReady();
  return new BulkSender(queue);
}

class BulkSender {
  /** @type {{ name: string, data: string }[]} */ #jobs = [];
  /** @type {((added: Promise<unknown>) => void) | undefined} */ #settle;
  /** @type {Promise<unknown> | undefined} */ #added;

  /** @param {Queue} queue */
  constructor(queue) {
    this.queue = queue;
  }

  /** @param {Uint8Array} message */
  putAcked(message) {
    this.#jobs.push({
      name: 'm',
      data: Buffer.from(message.buffer, message.byteOffset, message.length).toString('base64'),
    });
    this.#added ??= new Promise((resolve) => (this.#settle = resolve));
    return this.#added;
  }

  flush() {
    const jobs = this.#jobs;
    this.#settle?.(this.#add(jobs));
    this.#jobs = [];
    this.#added = undefined;
  }

  /** @param {{ name: string, data: string }[]} jobs */
  async #add(jobs) {
    while ((await this.queue.getWaitingCount()) > BACKLOG)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await this.queue.addBulk(jobs);
  }

  finish() {
    return Promise.resolve();
  }
}
