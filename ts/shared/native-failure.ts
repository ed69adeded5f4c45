// Errors that the addon describes.
import { ChaskiError, isErrorCode } from '../errors.ts';
import type { Delivered, ErrorCode } from '../errors.ts';

/** How the addon describes an error. */
interface NativeFailure {
  readonly code?: string;
  readonly message?: string;
  /** The same can succeed later. */
  readonly retryable?: boolean;
  /** The system's error behind it, and what the system was asked to do. */
  readonly system?: string;
  readonly call?: string;
}

/** An error of the addon; one of the system is its `cause`, as Node describes those. */
export function fromNative(failure: NativeFailure, delivered?: Delivered): ChaskiError {
  const { code, message, system, call } = failure;
  const known: ErrorCode = isErrorCode(code) ? code : 'ERR_CHASKI_INTERNAL';
  const text = message === undefined ? 'The native part gave no reason.' : sentence(message);
  const retryable =
    failure.retryable ?? (known === 'ERR_CHASKI_TIMEOUT' || known === 'ERR_CHASKI_NOT_CONNECTED');
  const options = delivered === undefined ? { retryable } : { retryable, delivered };
  if (system === undefined) return new ChaskiError(known, text, options);
  const cause = Object.assign(new Error(`${call} ${system}`), { code: system, syscall: call });
  return new ChaskiError(known, text, { ...options, cause });
}

/** Native's texts begin small, as parts of others do. The name of an option stays as it is. */
function sentence(text: string): string {
  const first = /^[a-z]+[A-Z]/u.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/u.test(text) ? first : `${first}.`;
}
