// @ts-check
// One run: a consumer process, the producer processes, and the order in which they start and end. All are ready before the clock
// starts; the consumer ends after the last producer has said that everything it put is acknowledged. When one of them fails, the
// others are ended and its error is the run's.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Protocol } from 'chaski/net-queue';
import { Child } from './child.mjs';
import { Spool } from './spool.mjs';

/** After an interruption, records in flight have so long to arrive. */
const STOP_MS = 3000;
/** So long the consumer's own error, the likely cause, is waited for when a producer reports one. */
const CAUSE_MS = 1000;

/**
 * @typedef {object} Ingested
 * @property {import('./verify.mjs').Expected[]} put by share
 * @property {{ records: number, bytes: number, commits: number, peakMemory: number }} stored
 * @property {import('./records.mjs').Source} source as it turned out to be
 */

/**
 * @param {object} run
 * @param {import('./records.mjs').Source} run.source
 * @param {import('./options.mjs').Options} run.options
 * @param {import('./workspace.mjs').Workspace} run.workspace
 * @param {import('./meter.mjs').Meter} run.meter
 * @param {AbortSignal} run.signal
 * @param {(address: string) => void} run.onStart all are ready; the consumer listens there
 * @returns {Promise<Ingested>}
 */
export async function ingest({ source, options, workspace, meter, signal, onStart }) {
  const protocol = options.unix ? Protocol.UNIX : Protocol.TCP;
  const cluster = randomUUID(); // nobody else's client can take part
  const ids = Array.from({ length: options.producers }, () => randomUUID());
  const place = options.unix
    ? { path: join(workspace.temporary, 'queue.sock') }
    : { host: '127.0.0.1', port: 0 };

  const consumer = new Child('consumer', './consumer.mjs', {
    folder: workspace.folder,
    producers: ids,
    protocol,
    queue: { ...place, cluster },
  });
  /** @type {Child[]} */
  const producers = [];
  const tellProducers = (/** @type {import('./child.mjs').ChildMessage} */ message) => {
    for (const producer of producers) producer.send(message);
  };
  const killAll = () => Promise.all([consumer, ...producers].map((child) => child.kill()));
  const interrupt = () => {
    tellProducers({ type: 'stop' });
    setTimeout(() => void killAll(), STOP_MS).unref();
  };
  signal.addEventListener('abort', interrupt);

  /** @type {Spool | undefined} */
  let spool;
  /** @type {NodeJS.Timeout | undefined} */
  let deadline;
  try {
    consumer.on('progress', (report) => meter.consumed(report));
    const { address } = await consumer.next('listening');
    const [file] = source.files;
    if (source.kind === 'stdin' && file) {
      spool = await Spool.create(file.path, ({ size, ended }) =>
        tellProducers({ type: 'grown', size, ended }),
      );
    }
    for (const [share, id] of ids.entries()) {
      const queue = { ...address, id, cluster };
      const config = { source, share, producers: ids.length, protocol, queue };
      const producer = new Child(`producer ${share}`, './producer.mjs', config);
      producer.on('progress', (report) => meter.produced(share, report));
      producers.push(producer);
    }
    const all = (/** @type {(producer: Child) => Promise<any>} */ what) =>
      Promise.race([Promise.all(producers.map(what)), onlyFailure(consumer.result)]);
    await all((producer) => producer.next('ready'));

    meter.start();
    onStart(address.path ?? `${address.host}:${address.port}`);
    tellProducers({ type: 'go' });
    if (options.seconds < Infinity) {
      deadline = setTimeout(() => tellProducers({ type: 'stop' }), options.seconds * 1000);
    }
    const copying = spool ? onlyFailure(spool.copy(process.stdin)) : never;
    const put = await Promise.race([all((producer) => producer.result), copying]);
    meter.stop();
    consumer.send({ type: 'finish' });
    const stored = await consumer.result;
    const read = spool && file ? { ...source, files: [{ ...file, size: spool.size }] } : source;
    return { put, stored, source: read };
  } catch (error) {
    throw await rootOf(error, consumer);
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', interrupt);
    spool?.stop();
    await killAll();
  }
}

/** @type {Promise<never>} */
const never = new Promise(() => {});

/**
 * For a race: takes part in it only by failing.
 * @param {Promise<unknown>} work
 */
const onlyFailure = (work) => work.then(() => never);

/**
 * A producer that lost the consumer says no more than that; the consumer's own error tells why.
 * @param {unknown} first the error that came first
 * @param {Child} consumer
 */
async function rootOf(first, consumer) {
  try {
    await Promise.race([consumer.result, sleep(CAUSE_MS, undefined, { ref: false })]);
    return first;
  } catch (cause) {
    return cause;
  }
}
