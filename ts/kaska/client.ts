import { ends, pollInfo, polled } from '../binding/index.ts';
import { whenCollected } from '../shared/garbage.ts';
import { showAs } from '../shared/shown.ts';
import { setTimeout } from '../shared/timers.ts';
import type { Kaska } from './kaska.ts';
import { invalid, OffsetOutOfRange, refused } from './failures.ts';
import { bytesOf } from './options.ts';
import type { LogParts } from './parts.ts';
import type { Bytes, Polled } from './types.ts';

/**
 * The calls of the original Kaska, by their names. Where the original returns a negative number, these reject, or throw, with a
 * ChaskiError. The calls that name an offset mean partition 0; `poll()` goes round all partitions.
 *
 * Subscription and offsets belong to this object; only `commit()` stores something.
 */
export class Client {
  readonly #kaska: Kaska;
  readonly #parts: LogParts;
  readonly #client: number;
  readonly #info: Float64Array = new Float64Array(pollInfo.length);
  #memory: Uint8Array = new Uint8Array(4096);
  /** What it has subscribed to, by number: also of topics that were deleted since. */
  #names: ReadonlyMap<number, string> = new Map();

  static {
    showAs(this, 'Client', () => ({}));
  }

  /** @internal */
  constructor(kaska: Kaska, parts: LogParts, reset: number) {
    this.#kaska = kaska;
    this.#parts = parts;
    const { log, life } = parts;
    const client = log.checked(log.native.kaskaClient(log.handle, reset));
    this.#client = client;
    whenCollected(this, () => {
      if (!life.closed) log.native.kaskaClientClose(log.handle, client);
    });
  }

  /** @throws ChaskiError `ERR_CHASKI_EXISTS`. */
  async createTopic(topic: string): Promise<0> {
    await this.#kaska.createTopic(topic);
    return 0;
  }

  /** How many topics there are. */
  async ntopics(): Promise<number> {
    this.#parts.life.checkOpen();
    return this.#kaska.topics.size;
  }

  /**
   * Stores a message; where it is, after fsync. An empty one is not stored, and 0 is returned.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_FOUND`.
   */
  async sendMsg(topic: string, msg: Bytes): Promise<number> {
    const found = this.#kaska.topic(topic);
    const bytes = bytesOf('msg', msg);
    if (bytes === null) throw invalid('msg', msg, 'bytes or text');
    if (bytes.length === 0) return 0;
    const { offset } = await found.append(bytes, { partition: 0 });
    return offset;
  }

  /** The length of a message; 0 if there is none at that offset. @throws ChaskiError `ERR_CHASKI_NOT_FOUND`. */
  async msgLength(topic: string, offset: number): Promise<number> {
    const { number } = this.#kaska.topic(topic);
    checkInteger(offset);
    if (offset < 0) return 0;
    const { log, requests } = this.#parts;
    const { value = -1 } = await requests.ask((request) =>
      log.native.kaskaMessageLength(log.handle, request, number, offset),
    );
    return Math.max(0, value);
  }

  /** The offset of the next message. @throws ChaskiError `ERR_CHASKI_NOT_FOUND`. */
  async endOffset(topic: string): Promise<number> {
    return this.#kaska.topic(topic).endOffset(0);
  }

  /**
   * Subscribes to those of the topics that there are; how many they are. Each begins at its end. With none of them, it stays
   * unsubscribed.
   *
   * @throws ChaskiError `ERR_CHASKI_EXISTS` if it is subscribed to something.
   */
  async subscribe(topics: readonly string[]): Promise<number> {
    if (!Array.isArray(topics)) throw invalid('topics', topics, 'an array of names');
    this.#parts.life.checkOpen();
    const names = new Map<number, string>();
    for (const name of topics) {
      const topic = this.#kaska.topics.get(name);
      if (topic !== undefined) names.set(topic.number, name);
    }
    const { log } = this.#parts;
    const numbers = Uint32Array.from(names.keys());
    const n = log.native.kaskaClientSubscribe(log.handle, this.#client, numbers);
    if (n < 0) throw this.#refusal(n, 'It is subscribed already: unsubscribe() first.');
    this.#names = names;
    return n;
  }

  /** @throws ChaskiError `ERR_CHASKI_NOT_FOUND` if it is not subscribed. */
  unsubscribe(): 0 {
    this.#parts.life.checkOpen();
    const { log } = this.#parts;
    return this.#zero(log.native.kaskaClientUnsubscribe(log.handle, this.#client), unsubscribed);
  }

  /** Where it is in a topic. @throws ChaskiError `ERR_CHASKI_NOT_FOUND` if it is not subscribed to it. */
  position(topic: string): number {
    this.#parts.life.checkOpen();
    const { log } = this.#parts;
    const out = new Float64Array(ends.length);
    const number = this.#subscribed(topic);
    this.#zero(
      log.native.kaskaClientPosition(log.handle, this.#client, number, out),
      notSubscribedTo(topic),
    );
    return out[0] as number;
  }

  /**
   * Goes to an offset of a topic, whether there is a message or not.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_FOUND` if it is not subscribed to it.
   */
  seek(topic: string, offset: number): 0 {
    this.#parts.life.checkOpen();
    checkInteger(offset);
    const { log } = this.#parts;
    return this.#zero(
      log.native.kaskaClientSeek(log.handle, this.#client, this.#subscribed(topic), offset),
      notSubscribedTo(topic),
    );
  }

  /**
   * The next message of the topics in turn, beginning behind the one that gave last; null if there is none now.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_FOUND` if it is not subscribed, and once for a topic that was deleted, which it is not subscribed to
   * any more then; OffsetOutOfRange (see `onOutOfRange` of `client()`).
   */
  async poll(): Promise<Polled | null> {
    await this.#parts.turns.pause();
    for (;;) {
      this.#parts.life.checkOpen();
      const info = this.#info;
      const { log } = this.#parts;
      const state = log.native.kaskaClientPoll(log.handle, this.#client, this.#memory, info);
      if (state === polled.nothing) return null;
      if (state === polled.message) {
        const msg = this.#memory.slice(0, info[pollInfo.bytes]);
        return { topic: this.#polledTopic, msg, offset: info[pollInfo.offset] as number };
      }
      if (state === polled.needsRoom) {
        this.#memory = new Uint8Array(info[pollInfo.needed] as number);
      } else if (state === polled.again) {
        // It is read from the disk.
        await new Promise((resolve) => {
          setTimeout(resolve, 1);
        });
      } else {
        throw this.#pollError(state);
      }
    }
  }

  /**
   * Stores an offset durably, by (client, topic). It is not looked at whether there is a message.
   *
   * @throws ChaskiError `ERR_CHASKI_NOT_FOUND` if there is no such topic.
   */
  async commit(client: string, topic: string, offset: number): Promise<0> {
    await this.#kaska.positions(client).commit(topic, offset, { partition: 0 });
    return 0;
  }

  /** What was committed. @throws ChaskiError `ERR_CHASKI_NOT_FOUND` if there is no such topic, or client. */
  async commited(client: string, topic: string): Promise<number> {
    const offset = this.#kaska.positions(client).committed(topic, 0);
    if (offset !== undefined) return offset;
    throw refused('ERR_CHASKI_NOT_FOUND', `The client '${client}' has committed nothing there.`);
  }

  #zero(code: number, message: string): 0 {
    if (code < 0) throw this.#refusal(code, message);
    return 0;
  }

  #refusal(code: number, message: string): Error {
    const { log } = this.#parts;
    const name = log.codeName(code);
    if (name === 'ERR_CHASKI_EXISTS' || name === 'ERR_CHASKI_NOT_FOUND') {
      return refused(name, message);
    }
    return log.failure(code);
  }

  #pollError(code: number): Error {
    const { log } = this.#parts;
    const info = this.#info;
    const topic = this.#polledTopic;
    const name = log.codeName(code);
    if (name === 'ERR_CHASKI_NOT_FOUND' && topic !== '') {
      return refused(
        name,
        `The topic '${topic}' was deleted, and is not subscribed to any more. Poll again for the others; one that is made again is another.`,
      );
    }
    if (name !== 'ERR_CHASKI_OUT_OF_RANGE') return this.#refusal(code, unsubscribed);
    const partition = info[pollInfo.partition] as number;
    return new OffsetOutOfRange({
      topic,
      partition,
      offset: info[pollInfo.offset] as number,
      start: info[pollInfo.start] as number,
      end: this.#kaska.topic(topic).endOffset(partition),
    });
  }

  /** The name of the topic that the last poll was about; '' if it was about none. */
  get #polledTopic(): string {
    return this.#names.get(this.#info[pollInfo.topic] as number) ?? '';
  }

  /** The number of a topic; one that there is not is not subscribed to. */
  #subscribed(topic: string): number {
    const found = this.#kaska.topics.get(topic);
    if (found === undefined) throw refused('ERR_CHASKI_NOT_FOUND', notSubscribedTo(topic));
    return found.number;
  }
}

function checkInteger(offset: unknown): void {
  if (typeof offset === 'number' && Number.isSafeInteger(offset)) return;
  throw invalid('offset', offset, 'a whole number');
}

const unsubscribed = 'It is not subscribed to anything: subscribe() first.';

function notSubscribedTo(topic: string): string {
  return `It is not subscribed to '${topic}'.`;
}
