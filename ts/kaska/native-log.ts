// A directory inside the addon, and what its negative answers mean.
import type { KaskaHandle, NativeKaska } from '../binding/index.ts';
import { isErrorCode } from '../errors.ts';
import type { ChaskiError, Delivered, ErrorCode } from '../errors.ts';
import { closed, fromNative, ofTopic } from './failures.ts';

export class NativeLog {
  readonly native: NativeKaska;
  readonly handle: KaskaHandle;
  readonly #codes: readonly string[];

  constructor(native: NativeKaska, handle: KaskaHandle, codes: readonly string[]) {
    this.native = native;
    this.handle = handle;
    this.#codes = codes;
  }

  /** What the number `code` stands for. */
  codeName(code: number): ErrorCode {
    const name = this.#codes[-code];
    return isErrorCode(name) ? name : 'ERR_CHASKI_INTERNAL';
  }

  /** Why it answered the negative number `code` last. */
  failure(code: number, delivered?: Delivered): ChaskiError {
    const name = this.codeName(code);
    if (name === 'ERR_CHASKI_CLOSED') return closed(undefined, delivered);
    const failure = this.native.kaskaFailure(this.handle, -code);
    if (failure?.code === name) return fromNative(failure, delivered);
    const message = `the native part answered with ${name} and gave no reason`;
    return fromNative({ code: name, message }, delivered);
  }

  /** Why what it had taken was not acknowledged. Only one that found no room is surely not stored. */
  loss(code: number): ChaskiError {
    const error = this.failure(code);
    const kept = error.code === 'ERR_CHASKI_STORAGE' && !error.retryable;
    return this.failure(code, kept ? 'unknown' : 'no');
  }

  /** `code` itself, if it is none of an error. @throws ChaskiError for one that is; `topic` is the name of the one that was asked about. */
  checked(code: number, topic?: string, delivered?: Delivered): number {
    if (code >= 0) return code;
    const error = this.failure(code, delivered);
    throw topic === undefined ? error : ofTopic(topic, error);
  }
}
