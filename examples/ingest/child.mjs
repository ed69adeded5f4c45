// @ts-check
// A process of our own with a channel to it. The parent starts it as a Child; the child's module calls runChild(). Both ends see
// the other's messages, objects with a `type`, as events. A child ends with one result or one error, and it never outlives its
// parent: when the channel closes, it goes.

import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { ChaskiError } from 'chaski/net-queue';
import { Failure, explain } from './failure.mjs';

/** @typedef {{ type: string } & Record<string, any>} ChildMessage */

/** @typedef {'starting' | 'at work' | 'done, but still there' | 'ended'} Stage how far a child is */

const STDERR_KEPT = 4096;

/** The parent's side. Emits the child's messages by their type. */
export class Child extends EventEmitter {
  #process;
  #stderr = '';
  /** @type {ChildMessage | undefined} */
  #outcome;
  /** @type {Stage} */
  #stage = 'starting';

  /**
   * @param {string} name for messages: 'consumer', 'producer 1'
   * @param {string} module a file beside this one
   * @param {unknown} config what runChild() passes to the child's work; travels as JSON
   */
  constructor(name, module, config) {
    super();
    this.name = name;
    this.#process = fork(new URL(module, import.meta.url), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    this.#process.on('message', (/** @type {ChildMessage} */ message) => {
      if (message.type === 'result' || message.type === 'error') {
        this.#outcome = message;
        this.#stage = 'done, but still there';
      } else {
        if (message.type !== 'progress') this.#stage = 'at work';
        this.emit(message.type, message);
      }
    });
    /** What the child's work returned. Rejects when it failed, or when the process ended in any other way. */
    this.result = this.#end();
    this.result.catch(() => {}); // whoever waits for it will see it
    this.send({ type: 'start', config });
  }

  /** How far it is; it is at work from the first message on that tells more than progress. */
  get stage() {
    return this.#stage;
  }

  /** @param {ChildMessage} message */
  send(message) {
    // A child that is gone is reported by `result`.
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  /**
   * The next message of a type; rejects if the child ends before.
   * @param {string} type
   * @returns {Promise<any>}
   */
  async next(type) {
    const early = this.result.then(() =>
      Promise.reject(new Failure(`${this.name} ended too early`)),
    );
    const [message] = await Promise.race([once(this, type), early]);
    return message;
  }

  /** Ends the process now, if it still runs, and waits until it is gone. */
  async kill() {
    this.#process.kill('SIGKILL');
    await this.result.catch(() => {});
  }

  async #end() {
    const [code, signal] = await once(this.#process, 'close');
    this.#stage = 'ended';
    if (this.#outcome?.type === 'result') return this.#outcome['value'];
    if (this.#outcome) {
      const { message, expected } = this.#outcome;
      throw expected
        ? new Failure(`${this.name}: ${message}`)
        : new Error(`${this.name}: ${message}`);
    }
    const how = signal ? `was ended by ${signal}` : `crashed with exit code ${code}`;
    throw new Failure([`${this.name} ${how}`, this.#stderr.trim()].filter(Boolean).join('\n'));
  }
}

/**
 * The child's side: does `work` with the parent's configuration and reports what comes of it.
 * @param {(config: any, parent: Parent) => Promise<unknown>} work
 */
export async function runChild(work) {
  process.on('SIGINT', () => {}); // Ctrl-C reaches every process of a terminal; the parent decides
  const orphaned = () => process.exit(1);
  process.on('disconnect', orphaned);
  const parent = new Parent();
  const { config } = await parent.next('start');
  const outcome = await work(config, parent).then(
    (value) => ({ type: 'result', value }),
    (error) => ({ type: 'error', ...described(error) }),
  );
  process.send?.(outcome, () => {
    // What failed may have left sockets and timers behind; what went well must end by itself.
    if (outcome.type === 'error') process.exit(1);
    process.off('disconnect', orphaned);
    process.disconnect();
  });
}

/** @param {unknown} thrown */
function described(thrown) {
  const error = explain('the system says', thrown);
  if (error instanceof Failure || error instanceof ChaskiError) {
    return { expected: true, message: error.message };
  }
  return { expected: false, message: error instanceof Error ? error.stack : String(error) };
}

/** The channel to the parent. Emits its messages by their type. */
export class Parent extends EventEmitter {
  constructor() {
    super();
    process.on('message', (/** @type {ChildMessage} */ message) =>
      this.emit(message.type, message),
    );
  }

  /** @param {ChildMessage} message */
  send(message) {
    process.send?.(message);
  }

  /**
   * @param {string} type
   * @returns {Promise<any>}
   */
  async next(type) {
    const [message] = await once(this, type);
    return message;
  }
}
