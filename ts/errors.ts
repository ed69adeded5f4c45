// The one error class of chaski. Tools tell failures apart by `code`, never by text.

/**
 * Every code that a `ChaskiError` can carry.
 *
 * The names are part of the API: a code is never renamed, and a new one may be added in any minor version.
 */
export const errorCodes = [
  'ERR_CHASKI_ABORTED',
  'ERR_CHASKI_ADDRESS',
  'ERR_CHASKI_AUTH',
  'ERR_CHASKI_BUSY',
  'ERR_CHASKI_CLOSED',
  'ERR_CHASKI_CODEC',
  'ERR_CHASKI_CORRUPT',
  'ERR_CHASKI_EXISTS',
  'ERR_CHASKI_HANDLER',
  'ERR_CHASKI_INTERNAL',
  'ERR_CHASKI_INVALID_ARGUMENT',
  'ERR_CHASKI_LOCKED',
  'ERR_CHASKI_NATIVE_LOAD',
  'ERR_CHASKI_NOT_CONNECTED',
  'ERR_CHASKI_NOT_FOUND',
  'ERR_CHASKI_OUT_OF_ORDER',
  'ERR_CHASKI_OUT_OF_RANGE',
  'ERR_CHASKI_PROTOCOL',
  'ERR_CHASKI_QUEUE_FULL',
  'ERR_CHASKI_REMOTE',
  'ERR_CHASKI_STORAGE',
  'ERR_CHASKI_TIMEOUT',
  'ERR_CHASKI_TLS',
  'ERR_CHASKI_TOO_LARGE',
  'ERR_CHASKI_UNSUPPORTED',
] as const;

/** What went wrong, for programs. */
export type ErrorCode = (typeof errorCodes)[number];

/** Whether a message that was put had left when its put failed: surely not, or nobody can tell. */
export type Delivered = 'no' | 'unknown';

export interface ChaskiErrorOptions {
  /** Default false. */
  retryable?: boolean;
  /** What led to this error. */
  cause?: unknown;
  /** Only for messages that were put. */
  delivered?: Delivered;
}

const brand: unique symbol = Symbol.for('chaski.ChaskiError');

/**
 * The error that every tool of chaski throws and rejects with.
 *
 * `code` says what happened, `message` says it for people (with the values at hand and what to do),
 * `cause` holds the error behind it.
 */
export class ChaskiError extends Error {
  override readonly name: string = 'ChaskiError';
  readonly code: ErrorCode;
  /** True when the same call can succeed later, and doing it again cannot deliver anything twice. */
  readonly retryable: boolean;
  /** For a message that was put: 'no' when it surely did not arrive, 'unknown' when it may have. */
  readonly delivered: Delivered | undefined;

  constructor(code: ErrorCode, message: string, options: ChaskiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.delivered = options.delivered;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether `error` is a ChaskiError, also one of another copy of this package. Never throws. */
  static is(error: unknown): error is ChaskiError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** Whether `code` is one of ours. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return (errorCodes as readonly unknown[]).includes(code);
}

/** An error of the addon (it carries `code`) as a ChaskiError; a ChaskiError stays what it is. */
export function toChaskiError(error: unknown, what: string): ChaskiError {
  if (ChaskiError.is(error)) return error;
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  const text = error instanceof Error ? error.message : String(error);
  return new ChaskiError(isErrorCode(code) ? code : 'ERR_CHASKI_INTERNAL', `${what}: ${text}`, {
    cause: error,
  });
}
