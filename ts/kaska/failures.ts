// The errors of kaska, said once: what happened, with which values, and what to do.
import { ChaskiError } from '../errors.ts';
import type { Delivered, ErrorCode } from '../errors.ts';

export { invalid } from '../shared/invalid.ts';
export { fromNative } from '../shared/native-failure.ts';

/** An offset that is not there any more, or not yet (`code` is `ERR_CHASKI_OUT_OF_RANGE`). */
export class OffsetOutOfRange extends ChaskiError {
  override readonly name: string = 'OffsetOutOfRange';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The first offset that is there. */
  readonly start: number;
  /** The first that is not there yet. */
  readonly end: number;

  constructor(at: {
    topic: string;
    partition: number;
    offset: number;
    start: number;
    end: number;
  }) {
    const { topic, partition, offset, start, end } = at;
    super(
      'ERR_CHASKI_OUT_OF_RANGE',
      `Offset ${offset} of partition ${partition} of ${topic} is not there: it has ${start} to ${end}. ` +
        "Read from one of these, or pass onOutOfRange: 'start' or 'end'.",
    );
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.start = start;
    this.end = end;
  }
}

/** Records that cannot be read any more (`code` is `ERR_CHASKI_CORRUPT`). What is before and behind them can. */
export class DamagedRecords extends ChaskiError {
  override readonly name: string = 'DamagedRecords';
  /** Undefined for positions. */
  readonly topic: string | undefined;
  readonly partition: number;
  /** The first offset that is lost. */
  readonly first: number;
  /** The first that can be read again. */
  readonly next: number;

  constructor(at: { topic: string | undefined; partition: number; first: number; next: number }) {
    const { topic, partition, first, next } = at;
    super(
      'ERR_CHASKI_CORRUPT',
      `The records ${first} to ${next - 1} of partition ${partition} of ${topic ?? 'the positions'} are damaged. ` +
        "Nothing of them was deleted. Read from a later offset, or pass onDamage: 'skip'.",
    );
    this.topic = topic;
    this.partition = partition;
    this.first = first;
    this.next = next;
  }
}

export function closed(cause?: unknown, delivered?: Delivered): ChaskiError {
  const reason = ChaskiError.is(cause) ? `: ${cause.message}` : '.';
  return new ChaskiError('ERR_CHASKI_CLOSED', `The log is closed${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    ...(delivered === undefined ? {} : { delivered }),
  });
}

export function noTopic(name: string, delivered?: Delivered): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_NOT_FOUND',
    `There is no topic '${name}'. Create it first, with createTopic(); topics lists those that there are.`,
    delivered === undefined ? {} : { delivered },
  );
}

export function notFolder(dir: string, why: string, cause: ChaskiError): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `dir is '${dir}', which ${why}; it must be a folder, or what is to be made one.`,
    { cause },
  );
}

/** `error`, or, where native says that a topic is not there any more, that with the name of the topic. */
export function ofTopic(name: string, error: ChaskiError): ChaskiError {
  if (error.code !== 'ERR_CHASKI_NOT_FOUND') return error;
  const { delivered } = error;
  return new ChaskiError(
    'ERR_CHASKI_NOT_FOUND',
    `The topic '${name}' was deleted. One that is made again under its name is another: take it from topic().`,
    delivered === undefined ? {} : { delivered },
  );
}

export function queueFull(bytes: number, waiting: number, most: number): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_QUEUE_FULL',
    `${waiting} bytes were appended and are not acknowledged; with these ${bytes} they would be more than the ${most} that may be. ` +
      "Await what was appended, or the event 'drain', or raise highWaterMark.",
    { retryable: true, delivered: 'no' },
  );
}

export function tooLarge(length: number, most: number): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_TOO_LARGE',
    `A record of ${length} bytes is over the limit of ${most}. Split it, or give the topic a higher maxBatchBytes.`,
    { delivered: 'no' },
  );
}

/** A call of the original that returns a negative number there. */
export function refused(code: ErrorCode, message: string): ChaskiError {
  return new ChaskiError(code, message);
}
