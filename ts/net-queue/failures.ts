// The errors of net-queue, said once: what happened, with which values, and what to do.
import { ChaskiError, isErrorCode } from '../errors.ts';
import type { Delivered } from '../errors.ts';

import { briefly } from '../shared/shown.ts';

export { invalid } from '../shared/invalid.ts';
export { fromNative } from '../shared/native-failure.ts';

/**
 * A communicator or one of its peers is closed (`code` is `ERR_CHASKI_CLOSED`): there is nothing left to get, or no
 * way to put.
 */
export class ResourceClosed extends ChaskiError {
  override readonly name: string = 'ResourceClosed';
  /** The peer that is gone; '' when the communicator itself is closed. */
  readonly peer: string;

  constructor(message: string, peer: string, options: { cause?: unknown; delivered?: Delivered }) {
    super('ERR_CHASKI_CLOSED', message, options);
    this.peer = peer;
  }
}

export function closed(cause?: unknown, delivered?: Delivered): ResourceClosed {
  const reason = ChaskiError.is(cause) ? `: ${cause.message}` : '.';
  return new ResourceClosed(`The communicator is closed${reason}`, '', {
    ...(cause === undefined ? {} : { cause }),
    ...(delivered === undefined ? {} : { delivered }),
  });
}

/** For those who did not ask. */
export function couldNotOpen(cause: ChaskiError): ChaskiError {
  const message = `The communicator could not open: ${cause.message} Await ready(), or listen to the event close, to handle this.`;
  return new ChaskiError(cause.code, message, { cause, retryable: cause.retryable });
}

export function peerClosed(peer: string, delivered: Delivered, cause?: unknown): ResourceClosed {
  const known =
    delivered === 'no'
      ? 'The message was not sent.'
      : 'Whether the message arrived cannot be known: it was sent, and not acknowledged.';
  return new ResourceClosed(`${capital(who(peer))} is gone. ${known}`, peer, {
    delivered,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Its server was started again and has another id. */
export function renamed(was: string, is: string): ResourceClosed {
  return new ResourceClosed(
    `The server ${was} is gone: what answers in its place is ${is}. Give a server a fixed id if its clients are to know it again.`,
    was,
    {},
  );
}

export function groupClosed(group: string): ResourceClosed {
  return new ResourceClosed(`The group ${group} is closed.`, '', {});
}

export function peerLeaving(peer: string): ResourceClosed {
  return new ResourceClosed(
    `The peer ${peer} is about to leave (the event fin), and takes nothing more. The message was not sent.`,
    peer,
    { delivered: 'no' },
  );
}

export function notConnected(peer: string | undefined): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_NOT_CONNECTED',
    peer === undefined
      ? 'No peer is connected that stays, so the message went nowhere. Wait for one (the event ini), then put again.'
      : `No peer with the id ${peer} is connected. communicator.peers lists those that are.`,
    { retryable: true, delivered: 'no' },
  );
}

export function queueFull(peer: string, messages: number, bytes: number): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_QUEUE_FULL',
    `The queue to ${who(peer)} is full: ${messages} messages with ${bytes} bytes are not acknowledged. ` +
      'Await writable() or send() before putting more, or raise highWaterMark.',
    { retryable: true, delivered: 'no' },
  );
}

export function dropped(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_QUEUE_FULL',
    `The message to ${who(peer)} was dropped unsent, to make room for newer ones (onFull: 'drop-oldest').`,
    { retryable: true, delivered: 'no' },
  );
}

export function droppedInPart(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_QUEUE_FULL',
    `Some of the messages to ${who(peer)} were dropped unsent, to make room for newer ones (onFull: 'drop-oldest'); ` +
      'the others may arrive.',
    { delivered: 'unknown' },
  );
}

export function cancelled(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_ABORTED',
    `The message to ${who(peer)} was cancelled before it was sent.`,
    { delivered: 'no' },
  );
}

export function cancelledInPart(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_ABORTED',
    `Some of the messages to ${who(peer)} were cancelled before they were sent; the others may arrive.`,
    { delivered: 'unknown' },
  );
}

/** Its sender took a stream back; `begun`: after a part of it was put. */
export function streamCancelled(peer: string, begun: boolean): ChaskiError {
  if (!begun) return cancelled(peer);
  return new ChaskiError(
    'ERR_CHASKI_ABORTED',
    `The stream to ${who(peer)} was cancelled after a part of it was sent; its reader is told.`,
    { delivered: 'unknown' },
  );
}

export function sourceFailed(cause: unknown, begun: boolean): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_ABORTED',
    'The source of a stream failed before its end, and whoever reads the stream is told; see cause.',
    { cause, delivered: begun ? 'unknown' : 'no' },
  );
}

export function streamsUnsupported(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_UNSUPPORTED',
    "The Python protocol has no streams. Use serializer 'bytes' with peers of the Python package.",
    { delivered: 'no' },
  );
}

/** Given to the reader of a stream that its sender gave up. */
export function streamAborted(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_ABORTED',
    `${capital(who(peer))} gave this stream up before its end: its source failed, or it was cancelled there. ` +
      'What was read of it is not the whole.',
  );
}

/** Given to the reader of a stream of which the rest can never come. */
export function streamLost(peer: string, cause?: unknown): ResourceClosed {
  return new ResourceClosed(
    `The rest of this stream will not come, because ${who(peer)} is gone. What was read of it is not the whole.`,
    peer,
    cause === undefined ? {} : { cause },
  );
}

export function streamBegunAnew(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_PROTOCOL',
    `The rest of this stream will not come: ${who(peer)} counts its streams from the beginning again, as a new process does.`,
  );
}

/** What a peer sent that is no part of a stream: it is disconnected, and nothing of it is taken any more. */
export function noStream(peer: string, reason: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_PROTOCOL',
    `${capital(who(peer))} sent ${reason}. It is disconnected, and what it sent behind that is thrown away.`,
  );
}

export function streamWithoutBeginning(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_PROTOCOL',
    `The rest of a stream of ${who(peer)} was thrown away: a process before this one had its beginning. Have it sent again.`,
  );
}

export function streamLetGo(peer: string, bytes: number): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_ABORTED',
    `A stream of ${who(peer)} was let go before its end, with ${bytes} bytes unread, and is cancelled. Read it, or call cancel().`,
  );
}

export function streamBlocked(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_BUSY',
    `A reader waits for a stream of ${who(peer)}, and another stream of it that nobody reads is in the way. Read streams that ` +
      'come at the same time at the same time (do not await one before the next message is taken), or cancel() them.',
  );
}

export function streamRead(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_BUSY',
    'This stream is read already, and can be read once only: keep its chunks, or its bytes().',
  );
}

export function streamTooLong(limit: number): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_TOO_LARGE',
    `This stream has more than the ${limit} bytes that bytes() takes. Give it a higher limit, or read chunk by chunk.`,
  );
}

export function nackedStream(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    'A stream cannot be delivered again: what was read of it is not kept. Ask its sender to put it once more.',
  );
}

export function forgotten(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_QUEUE_FULL',
    `Messages to ${who(peer)} were dropped at about this one's time, so long ago that which ones is not known any more. ` +
      'Look at the result of put() sooner.',
    { delivered: 'unknown' },
  );
}

/** What ended a list of messages: `delivered` is of those that were put before, in the same call. What is not ours stays as it is. */
export function stoppedBy(error: unknown, delivered: Delivered): unknown {
  if (!ChaskiError.is(error)) return error;
  const message =
    delivered === 'no'
      ? error.message
      : `${error.message} Messages that were put before it, in the same call, may arrive all the same.`;
  return new ChaskiError(error.code, message, { delivered, cause: error.cause });
}

/** What refused a part of several messages, or one of several peers, as what is known of the whole: others may have arrived. */
export function ofPart(error: ChaskiError): ChaskiError {
  if (error.delivered !== 'no' && !error.retryable) return error;
  const message = `${error.message} That is true of a part of what was put: the rest of it was sent, or will be.`;
  const options = { delivered: 'unknown' as const, cause: error };
  return error instanceof ResourceClosed
    ? new ResourceClosed(message, error.peer, options)
    : new ChaskiError(error.code, message, options);
}

export function tooLarge(length: number, most: number): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_TOO_LARGE',
    `A message of ${length} bytes is over the limit of ${most}. Split it, or raise maxMessageBytes on both sides.`,
    { delivered: 'no' },
  );
}

export function needsProcessed(): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    "nack() is for messages that wait for an acknowledgement. Open the communicator with ack: 'processed'; with 'received', " +
      'this message was acknowledged when it arrived.',
  );
}

export function ownIdPut(peer: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `A message that is the id of this communicator, in 16 bytes, cannot be sent to ${who(peer)}, which speaks the Python ` +
      'protocol: there it says that this side leaves. Put it in another form, such as text.',
    { delivered: 'no' },
  );
}

export function unsupported(what: string, instead: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_UNSUPPORTED',
    `${what} is not in this version of chaski. ${instead}`,
  );
}

export function busy(wanted: string, taken: string): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_BUSY',
    `${wanted} is not possible while ${taken} consumes the messages. Close that one first.`,
  );
}

/** `late`: those whom the close waited for. */
export function closeTimedOut(
  timeoutMs: number,
  late: readonly { readonly peer: string; readonly messages: number }[],
): ChaskiError {
  const told = late.slice(0, 10).map(({ peer, messages }) => `${peer} (${messages})`);
  if (late.length > told.length) told.push(`${late.length - told.length} more`);
  return new ChaskiError(
    'ERR_CHASKI_TIMEOUT',
    `close() waited in vain, at most ${timeoutMs} ms, for these peers to take their leave (in brackets, how many messages they ` +
      `have not acknowledged; the puts of those are rejected): ${told.join(', ')}.`,
  );
}

/** `acksWait`: without an acknowledgement of this message, none of those behind it is told. */
export function handlerFailed(
  peer: string,
  seq: number,
  cause: unknown,
  acksWait: boolean,
): ChaskiError {
  const stopped = acksWait
    ? ` Acknowledgements to that peer stop before message ${seq} until it is done: pass onError to ` +
      'subscribe() and call nack() there, to have it delivered again, or ack(); or catch what your handler throws.'
    : '';
  return new ChaskiError(
    'ERR_CHASKI_HANDLER',
    `The message handler failed with message ${seq} of ${who(peer)}: ${briefly(cause)} (see cause).${stopped}`,
    { cause },
  );
}

/** The addon took no message for `peer`: `name` is what its number `code` stands for. */
export function notTaken(peer: string, name: string | undefined, code: number): ChaskiError {
  if (name === 'ERR_CHASKI_NOT_CONNECTED') return notConnected(peer === '' ? undefined : peer);
  if (isErrorCode(name)) {
    return new ChaskiError(name, `The native part refused a message to ${who(peer)} (${name}).`, {
      delivered: 'no',
      retryable: name === 'ERR_CHASKI_QUEUE_FULL',
    });
  }
  const message = `The native part refused a message with the unknown code ${code}.`;
  return new ChaskiError('ERR_CHASKI_INTERNAL', message);
}

/** A client learns the id of its server when it is connected. */
function who(peer: string): string {
  return peer === '' ? 'the server' : `the peer ${peer}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
