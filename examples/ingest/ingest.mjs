// @ts-check
// One run: a consumer process, the producer processes, and the order in which they start and end. All are ready before the clock
// starts; the consumer ends after the last producer has said that everything it put is acknowledged. When one of them fails, the
// others are ended and its error is the run's. A watchdog sees that it ends at all. With --crash the consumer is killed several
// times on the way, and the next one takes its place.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Protocol } from 'chaski/net-queue';
import { Child } from './child.mjs';
import { Consumers } from './consumers.mjs';
import { Spool } from './spool.mjs';
import { Watchdog } from './watchdog.mjs';

/** After an interruption, records in flight have so long to arrive. */
const STOP_MS = 3000;
/** So long the consumer's own error, the likely cause, is waited for when a producer reports one. */
const CAUSE_MS = 1000;

/**
 * @typedef {object} Ingested
 * @property {import('./verify.mjs').Expected[]} put by share
 * @property {import('./consumer.mjs').Stored} stored what the last consumer has done
 * @property {number[]} starts the first offset of the run, by share
 * @property {number} crashes how often the consumer was killed
 * @property {number} again records that came again afterwards, and were in the log already
 * @property {import('./records.mjs').Source} source as it turned out to be
 */

/**
 * @typedef {object} Run
 * @property {import('./records.mjs').Source} source
 * @property {import('./options.mjs').Options} options
 * @property {import('./workspace.mjs').Workspace} workspace
 * @property {import('./meter.mjs').Meter} meter
 * @property {AbortSignal} signal
 * @property {(address: string) => void} onStart all are ready; the consumer listens there
 */

/**
 * @param {Run} run
 * @returns {Promise<Ingested>}
 */
export async function ingest(run) {
  const { options, signal } = run;
  const crew = new Crew(run);
  const interrupt = () => crew.stop();
  signal.addEventListener('abort', interrupt);
  const watchdog = new Watchdog(options.stallSeconds * 1000, () => crew.position());
  try {
    return await Promise.race([conduct(run, crew), watchdog.stall]);
  } catch (error) {
    throw await crew.rootOf(error);
  } finally {
    watchdog.stop();
    signal.removeEventListener('abort', interrupt);
    await crew.kill();
  }
}

/**
 * The run from its first to its last process.
 * @param {Run} run
 * @param {Crew} crew
 * @returns {Promise<Ingested>}
 */
async function conduct({ source, options, meter, signal, onStart }, crew) {
  /** @type {Spool | undefined} */
  let spool;
  /** @type {NodeJS.Timeout | undefined} */
  let deadline;
  try {
    const { address, starts } = await crew.listening();
    const [file] = source.files;
    if (source.kind === 'stdin' && file) {
      spool = await Spool.create(file.path, (progress) => crew.tellGrowth(progress));
    }
    await crew.ready(address);
    signal.throwIfAborted();

    meter.start();
    onStart('path' in address ? address.path : `${address.host}:${address.port}`);
    crew.tellProducers({ type: 'go' });
    if (options.seconds < Infinity) {
      deadline = setTimeout(() => crew.tellProducers({ type: 'stop' }), options.seconds * 1000);
    }
    const copying = spool ? onlyFailure(spool.copy(process.stdin)) : never;
    const crashing = crew.crash();
    const put = await Promise.race([crew.allPut(), copying, onlyFailure(crashing)]);
    meter.stop();
    const crashes = await crashing;

    const { stored, again } = await crew.finish();
    const read = spool && file ? { ...source, files: [{ ...file, size: spool.size }] } : source;
    return { put, stored, starts, crashes, again, source: read };
  } finally {
    clearTimeout(deadline);
    spool?.stop();
  }
}

/** The processes of a run. */
class Crew {
  #run;
  #protocol;
  #cluster = randomUUID(); // nobody else's client can take part
  #ids;
  #consumers;
  /** @type {Child[]} */
  #producers = [];
  /** @type {number[]} records, by share */
  #put = [];
  #input = { size: 0, ended: true };
  #allIsPut = new AbortController();

  /**
   * Starts the consumer.
   * @param {Run} run
   */
  constructor(run) {
    const { options, workspace, meter } = run;
    this.#run = run;
    this.#protocol = options.unix ? Protocol.UNIX : Protocol.TCP;
    this.#ids = Array.from({ length: options.producers }, () => randomUUID());
    const name = randomUUID();
    const start = (/** @type {import('chaski/net-queue').Address} */ place) =>
      new Child('consumer', './consumer.mjs', {
        folder: workspace.folder,
        run: name,
        producers: this.#ids,
        protocol: this.#protocol,
        // The same id each time: the producers know the next one by it.
        queue: { ...place, cluster: this.#cluster, id: name },
      });
    const place = options.unix
      ? { path: join(workspace.temporary, 'queue.sock') }
      : { host: '127.0.0.1', port: 0 };
    this.#consumers = new Consumers(place, start, (report) => meter.consumed(report));
    if (run.source.kind === 'stdin') this.#input = { size: 0, ended: false };
  }

  /** @returns {Promise<import('./consumers.mjs').Listening>} */
  listening() {
    return this.#consumers.listening();
  }

  /** Kills consumers until everything is put. @returns {Promise<number>} how often it came to that */
  crash() {
    return this.#consumers.crash(this.#run.options.crashes, this.#allIsPut.signal);
  }

  /**
   * Starts the producers; they are connected and have their source open when this fulfils.
   * @param {import('chaski/net-queue').Address} address
   */
  async ready(address) {
    const { source, meter } = this.#run;
    this.#producers = this.#ids.map((id, share) => {
      const queue = { ...address, id, cluster: this.#cluster };
      const producers = this.#ids.length;
      const config = { source, share, producers, protocol: this.#protocol, queue };
      const producer = new Child(`producer ${share}`, './producer.mjs', config);
      producer.on('progress', (report) => {
        this.#put[share] = report.put;
        meter.produced(share, report);
      });
      return producer;
    });
    await this.#all((producer) => producer.next('ready'));
  }

  /**
   * Everything is put and acknowledged.
   * @returns {Promise<import('./verify.mjs').Expected[]>} by share
   */
  async allPut() {
    const put = await this.#all((producer) => producer.result);
    this.#allIsPut.abort();
    return put;
  }

  /** @returns {Promise<{ stored: import('./consumer.mjs').Stored, again: number }>} */
  async finish() {
    const stored = await this.#consumers.finish();
    return { stored, again: this.#consumers.again };
  }

  /** @param {import('./child.mjs').ChildMessage} message */
  tellProducers(message) {
    for (const producer of this.#producers) producer.send(message);
  }

  /** @param {Spool} progress of standard input */
  tellGrowth({ size, ended }) {
    this.#input = { size, ended };
    this.tellProducers({ type: 'grown', size, ended });
  }

  /** @returns {import('./watchdog.mjs').Position} */
  position() {
    const put = this.#put.reduce((sum, records) => sum + records, 0);
    const stored = this.#consumers.records;
    const processes = [this.#consumers.current, ...this.#producers];
    return {
      put,
      stored,
      read: this.#input.size,
      idle:
        !this.#input.ended && put === stored && processes.every(({ stage }) => stage === 'at work'),
      processes: processes.map(({ name, stage }) => ({ name, stage })),
    };
  }

  /** Ends in order what has begun, soon. */
  stop() {
    this.tellProducers({ type: 'stop' });
    setTimeout(() => void this.kill(), STOP_MS).unref();
  }

  /** Ends all processes that still run, and waits until they are gone. */
  async kill() {
    this.#allIsPut.abort();
    await Promise.all([this.#consumers, ...this.#producers].map((one) => one.kill()));
  }

  /**
   * A producer that lost the consumer says no more than that; the consumer's own error tells why.
   * @param {unknown} first the error that came first
   */
  async rootOf(first) {
    try {
      await Promise.race([this.#consumers.failure, sleep(CAUSE_MS, undefined, { ref: false })]);
      return first;
    } catch (cause) {
      return cause;
    }
  }

  /** @param {(producer: Child) => Promise<any>} what */
  #all(what) {
    const all = Promise.all(this.#producers.map(what));
    return Promise.race([all, this.#consumers.failure]);
  }
}

/** @type {Promise<never>} */
const never = new Promise(() => {});

/**
 * For a race: takes part in it only by failing.
 * @param {Promise<unknown>} work
 */
const onlyFailure = (work) => work.then(() => never);
