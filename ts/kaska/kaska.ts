// An open directory: what users hold. It gives the parts their place and runs the life of the whole.
import { EventEmitter } from 'node:events';
import { stat } from 'node:fs/promises';
import { inspect } from 'node:util';
import type { InspectOptions } from 'node:util';

import { kaskaBits, loadNative } from '../binding/index.ts';
import type { KaskaHandle, NativeBinding, NativeKaskaEvent } from '../binding/index.ts';
import { ChaskiError, toChaskiError } from '../errors.ts';
import { Life } from '../shared/life.ts';
import { clearTimeout, nextTick, now, setImmediate, setTimeout } from '../shared/timers.ts';
import { bound, longestTimeoutMs } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import type { Appends } from './appends.ts';
import { Client } from './client.ts';
import { closed, DamagedRecords, fromNative, notFolder, noTopic } from './failures.ts';
import { Hold } from './hold.ts';
import { Load } from './load.ts';
import { NativeLog } from './native-log.ts';
import {
  checkName,
  checkPlain,
  checkTopicName,
  closeOptions,
  longestClient,
  openOptions,
  resets,
  topicOptions,
  waitOptions,
} from './options.ts';
import type { Settings } from './options.ts';
import { oneOf } from '../shared/checks.ts';
import { Outbox } from './outbox.ts';
import type { LogParts } from './parts.ts';
import { ClientPositions } from './positions.ts';
import { Readers } from './readers.ts';
import { noteOf } from './recovery.ts';
import { Requests } from './requests.ts';
import { Settling } from './settling.ts';
import { Topic } from './topic.ts';
import { TopicsView } from './topics-view.ts';
import { Turns } from './turns.ts';
import type {
  ClientOptions,
  CloseOptions,
  KaskaEvents,
  KaskaOptions,
  Positions,
  RecoveryNote,
  Stats,
  TopicOptions,
  VerifyReport,
} from './types.ts';

/**
 * A directory of topics, open in this process. An awaited append with acks 'all' (the default) returns after fsync; 1 after write.
 *
 * It keeps the process alive until it is closed, unless `unref()` was called; see there. Many worker threads of a process can have the same directory
 * open; of several processes, one.
 *
 * @example
 * const kaska = await Kaska.open({ dir: 'data' });
 * const topic = await kaska.createTopic('readings');
 * await topic.append('21.5');
 * for await (const record of topic.read({ until: 'end' })) console.log(record.offset, record.text());
 * await kaska.close();
 */
export class Kaska extends EventEmitter<KaskaEvents> implements AsyncDisposable {
  /** Only `open()` has it. */
  static readonly #key: object = {};
  readonly #settings: Settings;
  readonly #native: NativeBinding;
  readonly #handle: KaskaHandle;
  readonly #life: Life;
  readonly #hold: Hold = new Hold((keeps) => {
    if (!this.closed) this.#native.kaskaRef(this.#handle, keeps);
  });
  readonly #parts: LogParts;
  readonly #topics: Map<string, Topic> = new Map();
  readonly #view: TopicsView = new TopicsView(this.#topics);
  readonly #names: Map<number, string> = new Map();
  #recovery: readonly RecoveryNote[] = [];
  /** Have something that is handed over at the end of this turn. */
  #gathered: Appends[] = [];
  #endError: ChaskiError | undefined = undefined;
  #lastStats: Stats = {};

  static {
    // What `console.log()` shows. Not a method, because declarations cannot name its symbol.
    Object.defineProperty(this.prototype, inspect.custom, {
      value(this: Kaska, _depth: number, options: InspectOptions): string {
        const { dir } = this.#settings;
        const topics = this.#topics.size;
        const shown = { dir: dir === '' ? ':memory:' : dir, topics, state: this.#life.state };
        return `Kaska ${inspect(shown, options)}`;
      },
    });
  }

  /**
   * Opens a directory, or makes it. Damage does not keep it from opening: see `recovery`.
   *
   * @throws ChaskiError `ERR_CHASKI_LOCKED` (another process has it open), `_UNSUPPORTED` (a newer version made it; nothing was changed),
   * `_STORAGE` (`cause.code` is the system's word for it, such as `EACCES`), `_INVALID_ARGUMENT` (also for a folder of something else),
   * `_TIMEOUT`, `_ABORTED`, `_NATIVE_LOAD`.
   */
  static async open(options: KaskaOptions): Promise<Kaska> {
    const settings = openOptions(options);
    const kaska = new Kaska(Kaska.#key, settings);
    try {
      await kaska.#life.ready(settings.wait);
    } catch (error) {
      await kaska.close({ force: true });
      throw (await noFolder(settings.dir, error)) ?? error;
    }
    return kaska;
  }

  private constructor(key: object, settings: Settings) {
    super();
    if (key !== Kaska.#key) {
      const message = 'A log is not constructed: use await Kaska.open({ dir }).';
      throw new ChaskiError('ERR_CHASKI_INVALID_ARGUMENT', message);
    }
    this.#settings = settings;
    const native = loadNative();
    this.#native = native;
    const { dir, create, highWaterMark, maxInflatedBytes } = settings;
    try {
      this.#handle = native.kaskaOpen(
        { dir, create, queuedBytes: highWaterMark, inflatedBytes: maxInflatedBytes },
        this.#onWake,
      );
    } catch (error) {
      throw toChaskiError(error, 'The log could not be opened');
    }
    this.#life = new Life({
      name: 'the log',
      closed,
      bar: () => {
        this.#endTurn();
        this.#parts.outbox.bar(closed(undefined, 'no'));
      },
      leave: (timeoutMs) => {
        void this.#leave(timeoutMs);
      },
      lose: () => {
        this.#lose();
      },
      forget: () => {
        native.kaskaForget(this.#handle);
        this.#tell('close', this.#endError ?? this.#life.failure);
      },
      isAwaited: () => true,
    });
    const log = new NativeLog(native, this.#handle, native.errorCodes());
    const settling = new Settling(log, this.#hold);
    const load = new Load(settings, this.#hold);
    let drains = false;
    const host = {
      onDrain: (): void => {
        if (drains) return;
        drains = true;
        nextTick(() => {
          drains = false;
          if (!load.high) this.#tell('drain');
        });
      },
    };
    const turns = new Turns();
    this.#parts = {
      log,
      turns,
      life: this.#life,
      load,
      settling,
      outbox: new Outbox(log, settling, load, host),
      requests: new Requests(log, this.#hold),
      readers: new Readers(log, this.#hold),
      gathered: (appends) => {
        if (this.#gathered.push(appends) > 1) return;
        if (turns.due) setImmediate(this.#endTurn);
        else nextTick(this.#endTurn);
      },
      handOver: this.#endTurn,
    };
  }

  /** What opening found and did: what was cut, kept aside, or is damaged. Empty after a clean close. */
  get recovery(): readonly RecoveryNote[] {
    return this.#recovery;
  }

  /** The topics by name. It is live: it changes as they are created and deleted, by other threads too. */
  get topics(): ReadonlyMap<string, Topic> {
    return this.#view;
  }

  /** True once it is closed for good. */
  get closed(): boolean {
    return this.#life.closed;
  }

  /**
   * True when more than `highWaterMark` bytes were appended that are not acknowledged, or the disk takes no more; the event `drain` tells
   * when half of it is.
   */
  get needDrain(): boolean {
    return !this.closed && this.#parts.load.high;
  }

  /**
   * Makes a topic. It is there, after a power cut too, when this resolves.
   *
   * @throws ChaskiError `ERR_CHASKI_EXISTS`, `_INVALID_ARGUMENT`, `_STORAGE`, `_CLOSED`.
   */
  async createTopic(name: string, options?: TopicOptions): Promise<Topic> {
    const checked = topicOptions(name, options, this.#settings);
    this.#life.checkOpen();
    const { log, requests } = this.#parts;
    await requests.ask((request) =>
      log.native.kaskaCreateTopic(log.handle, request, name, checked),
    );
    this.#readTopics();
    return this.topic(name);
  }

  /** @throws ChaskiError `ERR_CHASKI_NOT_FOUND`, `_CLOSED`. */
  topic(name: string): Topic {
    this.#life.checkOpen();
    const topic = this.#topics.get(name);
    if (topic === undefined) throw noTopic(name);
    return topic;
  }

  /** Deletes a topic and all that is in it. @throws ChaskiError `ERR_CHASKI_NOT_FOUND`, `_STORAGE`, `_CLOSED`. */
  async deleteTopic(name: string): Promise<void> {
    checkTopicName(name);
    const { number } = this.topic(name);
    const { log, requests } = this.#parts;
    await requests.ask((request) => log.native.kaskaDeleteTopic(log.handle, request, number));
    this.#readTopics();
  }

  /** Durable positions of a consumer, by its name. @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`. */
  positions(client: string): Positions {
    checkName('client', client, longestClient);
    return new ClientPositions(this.#parts, client, (name) => this.topic(name));
  }

  /** The calls of the original Kaska, by their names. @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `_CLOSED`. */
  client(options?: ClientOptions): Client {
    if (options !== undefined) checkPlain('options', options, ['onOutOfRange']);
    const reset = oneOf('onOutOfRange', options?.onOutOfRange, resets);
    this.#life.checkOpen();
    return new Client(this, this.#parts, resets.indexOf(reset));
  }

  /**
   * Reads everything and checks it. Never changes anything.
   *
   * @throws ChaskiError `ERR_CHASKI_STORAGE`, `_CLOSED`, `_TIMEOUT`, `_ABORTED`: then nobody waits for it, but it goes on.
   */
  async verify(options?: WaitOptions): Promise<VerifyReport> {
    const wait = waitOptions(options);
    this.#life.checkOpen();
    const { log, requests } = this.#parts;
    const asked = requests.ask((request) => log.native.kaskaVerify(log.handle, request));
    const { report } = await within('Verifying the log', wait, asked);
    const { partitions = 0, batches = 0, records = 0, bytes = 0, damaged = [] } = report ?? {};
    return {
      partitions,
      batches,
      records,
      bytes,
      damaged: damaged.map(({ topic, ...rest }) => ({ topic: this.#names.get(topic), ...rest })),
    };
  }

  /** Resolves when all that was appended and committed is acknowledged, or has failed. @throws ChaskiError `ERR_CHASKI_TIMEOUT`, `_ABORTED`. */
  async drain(options?: WaitOptions): Promise<void> {
    const wait = waitOptions(options);
    await within('Draining the log', wait, this.#settled());
  }

  /**
   * Waits until all is acknowledged, at most `timeoutMs`, and closes: iterations end. What is not acknowledged by then rejects with
   * `ERR_CHASKI_CLOSED` and says whether it may be stored. `force` waits for nothing. Idempotent. Never rejects but for a wrong
   * argument.
   */
  async close(options?: CloseOptions): Promise<void> {
    const { timeoutMs = this.#settings.closeTimeoutMs, force } = closeOptions(options);
    this.#hold.begin();
    try {
      await this.#life.close(Math.min(timeoutMs, longestTimeoutMs), force);
    } finally {
      this.#hold.end();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets it keep the process alive (the default). */
  ref(): this {
    this.#hold.always = true;
    return this;
  }

  /**
   * Lets the process end although it is open. What is under way keeps it all the same: appends that are not acknowledged, and every other
   * promise of it, but for readers and polls that wait for what may come.
   */
  unref(): this {
    this.#hold.always = false;
    return this;
  }

  /** Gauges and counters; after the close, the last ones. */
  stats(): Stats {
    if (!this.closed) this.#lastStats = this.#native.kaskaStats(this.#handle) ?? this.#lastStats;
    return this.#lastStats;
  }

  readonly #onWake = (): void => {
    if (this.closed) return;
    const { outbox, readers, settling } = this.#parts;
    const bits = this.#native.kaskaWake(this.#handle);
    if ((bits & kaskaBits.settled) !== 0) settling.read();
    if ((bits & (kaskaBits.settled | kaskaBits.room)) !== 0) outbox.resume();
    if ((bits & kaskaBits.ready) !== 0) readers.wake();
    if ((bits & kaskaBits.events) !== 0) {
      for (const event of this.#native.kaskaEvents(this.#handle)) this.#hear(event);
    }
  };

  #hear(event: NativeKaskaEvent): void {
    switch (event.kind) {
      case 'open':
        this.#readTopics();
        this.#recovery = (event.notes ?? []).map((note) => noteOf(note, this.#names));
        this.#life.open(() => {});
        break;
      case 'failed':
        this.#life.fail(fromNative(event));
        break;
      case 'poisoned': {
        const error = fromNative(event);
        if (this.listenerCount('poisoned') > 0) this.#tell('poisoned', error);
        else this.#warn(error);
        break;
      }
      case 'warning':
        this.#warn(fromNative({ ...event, code: event.code ?? 'ERR_CHASKI_STORAGE' }));
        break;
      case 'damaged': {
        const { topic = 0, partition = 0, first = 0, next = 0 } = event;
        const name = this.#names.get(topic);
        this.#tell('damaged', new DamagedRecords({ topic: name, partition, first, next }));
        break;
      }
      case 'recovered':
        if (event.note !== undefined) this.#tell('recovered', noteOf(event.note, this.#names));
        break;
      case 'topics':
        this.#readTopics();
        break;
      case 'answer':
        this.#parts.requests.answer(event);
        break;
      case 'closed':
        if (event.code !== undefined) this.#endError = fromNative(event);
        this.#life.end();
        break;
    }
  }

  #readTopics(): void {
    const changed = this.#native.kaskaTopics(this.#handle);
    for (const number of changed.gone) {
      const name = this.#names.get(number) ?? '';
      this.#names.delete(number);
      if (this.#topics.get(name)?.number === number) this.#topics.delete(name);
    }
    for (const topic of changed.new) {
      this.#topics.set(topic.name, new Topic(this.#parts, topic));
      this.#names.set(topic.number, topic.name);
    }
  }

  readonly #endTurn = (): void => {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const appends of gathered) appends.flush();
  };

  /** Resolves when nothing waits any more. */
  #settled(): Promise<void> {
    this.#endTurn();
    const { outbox, settling } = this.#parts;
    return new Promise((resolve) => {
      outbox.whenIdle(() => {
        settling.whenIdle(resolve);
      });
    });
  }

  async #leave(timeoutMs: number): Promise<void> {
    const until = now() + timeoutMs;
    if (timeoutMs > 0 && this.#life.failure === undefined) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        void this.#settled().then(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    if (this.closed) return;
    this.stats();
    this.#native.kaskaClose(this.#handle, Math.max(0, Math.ceil(until - now())));
  }

  #lose(): void {
    const { failure } = this.#life;
    const { outbox, readers, requests, settling } = this.#parts;
    settling.lose(closed(failure, 'unknown'));
    outbox.lose(closed(failure, 'no'));
    requests.lose(closed(failure));
    readers.end();
  }

  #warn(error: ChaskiError): void {
    if (this.listenerCount('warning') > 0) this.#tell('warning', error);
    else process.emitWarning(error);
  }

  /** Tells listeners. What one of them throws is Node's to report, as an uncaught exception, and harms nothing here. */
  #tell<E extends keyof KaskaEvents>(event: E, ...values: KaskaEvents[E]): void {
    try {
      (this.emit as (event: string, ...values: unknown[]) => boolean).call(this, event, ...values);
    } catch (error) {
      nextTick(() => {
        throw error;
      });
    }
  }
}

/** What is wrong with `dir`, if that is why it could not be opened. */
async function noFolder(dir: string, error: unknown): Promise<ChaskiError | undefined> {
  if (!ChaskiError.is(error) || error.code !== 'ERR_CHASKI_STORAGE') return undefined;
  try {
    return (await stat(dir)).isDirectory() ? undefined : notFolder(dir, 'is a file', error);
  } catch (failure) {
    const { code } = failure as NodeJS.ErrnoException;
    return code === 'ENOTDIR' ? notFolder(dir, 'leads through a file', error) : undefined;
  }
}

/** `promise`, within the bounds of `wait`. */
async function within<T>(
  what: string,
  wait: WaitOptions | undefined,
  promise: Promise<T>,
): Promise<T> {
  let disarm = (): void => {};
  const late = new Promise<never>((_, reject) => {
    disarm = bound(what, wait, reject);
  });
  // Whichever comes second is nobody's.
  late.catch(() => {});
  promise.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    disarm();
  }
}
