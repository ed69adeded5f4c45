import { ChaskiError } from '../errors.ts';

/** What serializers fail with. */
export function failed(
  direction: 'encode' | 'decode',
  reason: string,
  cause?: unknown,
): ChaskiError {
  return new ChaskiError(
    'ERR_CHASKI_CODEC',
    `Could not ${direction} a message: ${reason}.`,
    cause === undefined ? {} : { cause },
  );
}
