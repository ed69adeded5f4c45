// @ts-check
// What a peer sees of a run: `ReceiveRun` in one process, `SendRun` in the other.
import { Check, makeMessages, makePacked } from './payload.mjs';
import { LoopDelay, difference, mark } from './meter.mjs';
import { Latencies } from './latency.mjs';

/** From this size on the receiver holds its last messages for a while. */
const LARGE = 65_536;
const HELD = 4;

/** @param {import('./peer.mjs').Spec} spec */
const kindMask = (spec) => (spec.ordered ? 3 : 0);

/** @typedef {{ listening: (address: any) => void, flooding: (sent: number) => Promise<void> }} Control */

/** The timed window: after the warm-up, before the end of the load. */
export class Clock {
  /** @type {import('./meter.mjs').Mark | undefined} */ #from;
  /** @type {import('./meter.mjs').Mark | undefined} */ #to;
  #delay = new LoopDelay();
  /** @type {{ p50: number, p99: number, max: number } | undefined} */ #delays;
  /** @type {(() => void) | undefined} */ #ended;

  /** @param {import('./peer.mjs').Spec} spec @param {() => number} count */
  constructor(spec, count) {
    this.spec = spec;
    this.count = count;
    this.started = false;
    /** True inside the timed window. */
    this.timed = false;
  }

  /** `ended` is called when the window is over, however late that is. @param {() => void} [ended] */
  start(ended) {
    if (this.started) return;
    this.started = true;
    this.#ended = ended;
    setTimeout(() => this.#open(), this.spec.warmup * 1e3);
  }

  #open() {
    this.#from = mark(this.count());
    this.#delay.start();
    this.timed = true;
    setTimeout(() => this.#shut(), this.spec.seconds * 1e3);
  }

  #shut() {
    this.#to = mark(this.count());
    this.timed = false;
    this.#delays = this.#delay.stop();
    this.#ended?.();
  }

  result() {
    if (!this.#from || !this.#to) return undefined;
    return { ...difference(this.#from, this.#to), loopDelay: this.#delays };
  }
}

export class ReceiveRun {
  /** @param {import('./peer.mjs').Spec} spec @param {any} channel a MessagePort, for topology `threads` @param {Control} control */
  constructor(spec, channel, control) {
    this.spec = spec;
    this.listening = control.listening;
    this.channel = channel;
    this.mode = spec.mode;
    this.size = spec.size;
    this.address = spec.address;
    this.services = spec.services;
    this.echo = spec.mode === 'echo';
    const check = new Check(spec.size, spec.size >= LARGE ? HELD : 0, kindMask(spec));
    const latencies = new Latencies();
    const clock = new Clock(spec, () => check.count);
    this.check = check;
    this.latencies = latencies;
    this.clock = clock;
    /** @type {import('./peer.mjs').Deliver} */
    this.deliver = (view) => check.take(view);
    if (spec.mode === 'paced') {
      this.deliver = (view) => {
        check.take(view);
        latencies.arrived(view, clock.timed);
      };
    }
  }
}

export class SendRun {
  /** @param {import('./peer.mjs').Spec} spec @param {any} channel @param {Control} control */
  constructor(spec, channel, control) {
    this.spec = spec;
    this.listening = control.listening;
    /** The consumer has paused once this settles. */
    this.pauseConsumer = () => control.flooding(this.sent);
    this.channel = channel;
    this.mode = spec.mode;
    this.size = spec.size;
    this.address = spec.address;
    this.services = spec.services;
    this.messages = makeMessages(spec.size, kindMask(spec));
    this.packed = spec.mode === 'batch' ? makePacked(spec.size) : undefined;
    /** Messages sent so far. */
    this.sent = 0;
    /** False once the sender should stop. */
    this.running = true;
    this.latencies = new Latencies();
    this.clock = new Clock(spec, () => this.sent);
    /** A peer calls this for each reply in `echo`. @type {(view: Uint8Array) => void} */
    this.replied = () => {};
  }

  /** The load begins: `warmup + seconds` and a tail from now on. */
  start() {
    this.clock.start();
    setTimeout(() => (this.running = false), (this.spec.warmup + this.spec.seconds) * 1e3 + 150);
  }
}
