// The options of what waits or takes, checked and read once: a misspelled bound is an error, and not a wait without one.
import { flag } from '../shared/checks.ts';
import { longestTimeoutMs, signalOf, timeoutOf } from '../shared/wait.ts';
import type { WaitOptions } from '../shared/wait.ts';
import { invalid } from './failures.ts';
import { putOptions, refuseWrong } from './options.ts';
import type { CheckedPutOptions } from './options.ts';
import type {
  BatchesOptions,
  CloseOptions,
  GetBatchOptions,
  GetOptions,
  NackOptions,
  SendOptions,
  SubscribeOptions,
  WritableOptions,
} from './types.ts';

/** @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, as all of these. */
export function waitOptions(options: WaitOptions | undefined): WaitOptions | undefined {
  if (options === undefined) return undefined;
  refuseWrong(options, waitNames);
  return boundsOf(options);
}

/** Options of a send, in which peers are a list. */
export type CheckedSendOptions = CheckedPutOptions & WaitOptions;

export function sendOptions(options: SendOptions | undefined): CheckedSendOptions | undefined {
  if (options === undefined) return undefined;
  return { ...putOptions(options, waitNames), ...boundsOf(options) };
}

export function writableOptions(options: WritableOptions | undefined): WritableOptions | undefined {
  if (options === undefined) return undefined;
  refuseWrong(options, peerNames);
  const peer = peerOf(options);
  return peer === undefined ? boundsOf(options) : { peer, ...boundsOf(options) };
}

/** Always of one shape, and made without spreading: gets are many. */
export interface CheckedGetOptions {
  readonly peer: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

export function getOptions(options: GetOptions | undefined): CheckedGetOptions | undefined {
  if (options === undefined) return undefined;
  refuseWrong(options, peerNames);
  return checkedGet(options);
}

export interface CheckedBatchOptions {
  readonly wait: CheckedGetOptions | undefined;
  /** Infinity: as many as are there. */
  readonly max: number;
}

export function getBatchOptions(options: GetBatchOptions | undefined): CheckedBatchOptions {
  if (options === undefined) return { wait: undefined, max: Infinity };
  refuseWrong(options, getBatchNames);
  return { wait: checkedGet(options), max: maxOf(options) };
}

export interface CheckedBatchesOptions {
  readonly max: number;
  readonly autoAck: boolean;
}

export function batchesOptions(options: BatchesOptions | undefined): CheckedBatchesOptions {
  if (options === undefined) return { max: Infinity, autoAck: true };
  refuseWrong(options, batchesNames);
  return { max: maxOf(options), autoAck: flag('autoAck', options.autoAck, true) };
}

export interface CheckedCloseOptions {
  /** Undefined: the default. */
  readonly timeoutMs: number | undefined;
  readonly force: boolean;
}

export function closeOptions(options: CloseOptions | undefined): CheckedCloseOptions {
  if (options === undefined) return { timeoutMs: undefined, force: false };
  refuseWrong(options, closeNames);
  const { timeoutMs } = options;
  return {
    timeoutMs: timeoutMs === undefined ? undefined : timeoutOf({ timeoutMs }),
    force: flag('force', options.force, false),
  };
}

export function subscribeOptions<F>(
  options: SubscribeOptions<F> | undefined,
): SubscribeOptions<F>['onError'] {
  if (options === undefined) return undefined;
  refuseWrong(options, subscribeNames);
  const { onError } = options;
  if (onError === undefined || typeof onError === 'function') return onError;
  throw invalid('onError', onError, 'a function');
}

export function nackDelayMs(options: NackOptions | undefined): number {
  if (options === undefined) return 0;
  refuseWrong(options, nackNames);
  const { delayMs } = options;
  if (delayMs === undefined) return 0;
  if (Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= longestTimeoutMs) return delayMs;
  throw invalid('delayMs', delayMs, `a whole number of ms from 0 to ${longestTimeoutMs}`);
}

/** The peer that options name. One that is undefined is a mistake of the caller, and does not mean any. */
function peerOf(options: { peer?: string }): string | undefined {
  const { peer } = options;
  if (typeof peer === 'string' || (peer === undefined && !('peer' in options))) return peer;
  throw invalid('options.peer', peer, 'the id of a peer, as text, or left out for all');
}

/** An id of a peer that was given by itself. */
export function peerId(peer: string | undefined): string | undefined {
  if (peer === undefined || typeof peer === 'string') return peer;
  throw invalid('peer', peer, 'the id of a peer, as text');
}

function boundsOf(options: WaitOptions): WaitOptions {
  const signal = signalOf(options);
  const timeoutMs = timeoutOf(options);
  return signal === undefined ? { timeoutMs } : { timeoutMs, signal };
}

function checkedGet(options: GetOptions): CheckedGetOptions {
  return {
    peer: peerOf(options),
    signal: signalOf(options),
    timeoutMs: timeoutOf(options),
  };
}

function maxOf(options: { max?: number }): number {
  const { max } = options;
  if (max === undefined) return Infinity;
  if (Number.isInteger(max) && max >= 1) return max;
  throw invalid('max', max, 'an integer of at least 1');
}

const waitNames: readonly string[] = ['signal', 'timeoutMs'];
const peerNames: readonly string[] = ['peer', ...waitNames];
const getBatchNames: readonly string[] = ['max', ...peerNames];
const batchesNames: readonly string[] = ['max', 'autoAck'];
const closeNames: readonly string[] = ['timeoutMs', 'force'];
const nackNames: readonly string[] = ['delayMs'];
const subscribeNames: readonly string[] = ['onError'];
