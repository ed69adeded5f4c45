// @ts-check
// How each mode drives a sender. Every contender is driven by the same code.
import { now, stamp } from './latency.mjs';

const WINDOW = 4_096;
const FLOOD_BYTES = 10e9;
const FLOOD_TURN = 4_096;
/** A sender that never says "wait" lets the loop turn after so many bytes. */
const LONGEST_BURST = 4 * 1024 * 1024;
/** What settles without a turn of the loop, over and over, would hold up the clock. */
const LONGEST_MS = 5;

/** @typedef {import('./run.mjs').SendRun} SendRun */
/** @typedef {import('./peer.mjs').Sender} Sender */

const turn = () => new Promise((resolve) => setImmediate(resolve));

let turned = performance.now();

/** Waits for room if there is none, and lets the loop turn now and then. @param {Sender} sender @param {boolean} room */
async function breathe(sender, room) {
  if (!room) await sender.room?.();
  if (!room && performance.now() - turned < LONGEST_MS) return;
  await turn();
  turned = performance.now();
}

/** @type {Record<import('./peer.mjs').Mode, (run: SendRun, sender: Sender) => Promise<unknown>>} */
export const drivers = {
  callback: puts,
  iterate: puts,
  batch,
  'acked-each': (run, sender) => acked(run, sender, awaitEach),
  'acked-all': (run, sender) => acked(run, sender, (window) => Promise.all(window)),
  echo,
  paced,
  'flood-put': (run, sender) => flood(run, sender, (message) => (sender.offer?.(message), 1)),
  'flood-try': (run, sender) =>
    flood(run, sender, (message) => (sender.tryOffer?.(message) ? 1 : 0)),
  idle: (run) => until(run),
};

/** @param {SendRun} run @param {Sender} sender */
async function puts(run, sender) {
  const { messages } = run;
  const burst = LONGEST_BURST / run.size;
  let sent = 0;
  run.start();
  while (run.running) {
    let room = true;
    for (let i = 0; i < burst && room; i++)
      room = /** @type {any} */ (sender).put(messages[sent++ & 3]);
    run.sent = sent;
    await breathe(sender, room);
  }
}

/** @param {SendRun} run @param {Sender} sender */
async function batch(run, sender) {
  const packed = /** @type {import('./peer.mjs').Packed} */ (run.packed);
  const count = packed.lengths.length;
  const burst = LONGEST_BURST / run.size;
  let sent = 0;
  run.start();
  while (run.running) {
    let room = true;
    for (let i = 0; i < burst && room; i += count) {
      room = /** @type {any} */ (sender).putBatch(packed);
      sent += count;
    }
    run.sent = sent;
    await breathe(sender, room);
  }
}

/** @param {SendRun} run @param {Sender} sender @param {(window: PromiseLike<unknown>[]) => Promise<unknown>} settle */
async function acked(run, sender, settle) {
  const { messages } = run;
  const window = new Array(WINDOW);
  let sent = 0;
  run.start();
  while (run.running) {
    for (let i = 0; i < WINDOW; i++)
      window[i] = /** @type {any} */ (sender).putAcked(messages[sent++ & 3]);
    sender.flush?.();
    await settle(window);
    run.sent = sent;
  }
}

/** @param {PromiseLike<unknown>[]} window */
async function awaitEach(window) {
  for (let i = 0; i < window.length; i++) await window[i];
}

/** @param {SendRun} run @param {Sender} sender */
function echo(run, sender) {
  const { messages, latencies, clock } = run;
  return new Promise((resolve) => {
    let from = 0;
    const ping = () => {
      if (!run.running) return resolve(undefined);
      const message = messages[run.sent++ & 3];
      from = performance.now();
      /** @type {any} */ (sender).put(message);
      sender.flush?.();
    };
    run.replied = (view) => {
      if (view.length !== run.size) return; // counted by nobody: the run then hangs and is reported as broken
      if (clock.timed) latencies.record(performance.now() - from);
      ping();
    };
    run.start();
    ping();
  });
}

/** Open loop: message i is due at start + i / rate, whatever became of those before it. @param {SendRun} run @param {Sender} sender */
async function paced(run, sender) {
  const { messages } = run;
  const { rate } = run.spec;
  const idle = new Int32Array(new SharedArrayBuffer(4));
  const step = 1e3 / rate;
  const start = now();
  let sent = 0;
  run.start();
  while (run.running) {
    let due = start + sent * step;
    let room = true;
    const reached = now();
    for (; due <= reached && room; due = start + sent * step) {
      const message = messages[sent++ & 3].slice(); // a library may still hold the one before
      stamp(message, due);
      room = /** @type {any} */ (sender).put(message);
    }
    sender.flush?.();
    run.sent = sent;
    await breathe(sender, room);
    const spare = due - now();
    if (spare > 0.2) Atomics.wait(idle, 0, 0, Math.min(spare - 0.1, 1));
  }
}

/** @param {SendRun} run @param {Sender} sender @param {(message: Uint8Array) => number} offer how many were taken: 0 or 1 */
async function flood(run, sender, offer) {
  const { messages, size } = run;
  const end = FLOOD_BYTES / size;
  await puts(run, sender); // warm: what a working connection holds is not growth
  await run.pauseConsumer();
  for (let i = 0; i < end; i++) {
    run.sent += offer(messages[run.sent & 3]);
    if (i % FLOOD_TURN === 0) await turn();
  }
}

/** @param {SendRun} run */
async function until(run) {
  run.start();
  while (run.running) await new Promise((resolve) => setTimeout(resolve, 50));
}
