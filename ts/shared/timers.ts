// The timers of the runtime, as they are when this loads: tests that put others in their place stop their own timers, not
// the messages.
import timers from 'node:timers';

export const setTimeout: typeof timers.setTimeout = timers.setTimeout;
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout;
export const setImmediate: typeof timers.setImmediate = timers.setImmediate;
export const nextTick: typeof process.nextTick = process.nextTick.bind(process);
/** Milliseconds since some point in time. */
export const now: () => number = performance.now.bind(performance);
