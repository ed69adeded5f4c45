import { describe, expect, it } from 'vitest';

import { ChaskiError, errorCodes, isErrorCode, toChaskiError } from '../../ts/errors.ts';

describe('ChaskiError', () => {
  it('carries code, cause, retryable and delivered', () => {
    const cause = new Error('below');
    const error = new ChaskiError('ERR_CHASKI_CLOSED', 'It is closed.', {
      cause,
      retryable: true,
      delivered: 'unknown',
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'ChaskiError',
      code: 'ERR_CHASKI_CLOSED',
      message: 'It is closed.',
      retryable: true,
      delivered: 'unknown',
      cause,
    });
  });

  it('has no cause when none is given, and is not retryable', () => {
    const error = new ChaskiError('ERR_CHASKI_CODEC', 'No.');
    expect('cause' in error).toBe(false);
    expect(error.retryable).toBe(false);
  });

  it('is known by its brand, never throwing on foreign values', () => {
    expect(ChaskiError.is(new ChaskiError('ERR_CHASKI_CODEC', 'No.'))).toBe(true);
    const foreign = [undefined, null, 1, 'x', {}, new Error('x'), Object.create(null)];
    for (const value of foreign) expect(ChaskiError.is(value)).toBe(false);
  });

  it('knows its codes, each once', () => {
    expect(new Set(errorCodes).size).toBe(errorCodes.length);
    expect(isErrorCode('ERR_CHASKI_TLS')).toBe(true);
    expect(isErrorCode('ENOENT')).toBe(false);
    expect(isErrorCode(undefined)).toBe(false);
  });
});

describe('toChaskiError', () => {
  it('keeps the code that the addon gave', () => {
    const native = Object.assign(new Error('port 80 is taken'), { code: 'ERR_CHASKI_ADDRESS' });
    const error = toChaskiError(native, 'Could not open');
    expect(error.code).toBe('ERR_CHASKI_ADDRESS');
    expect(error.message).toBe('Could not open: port 80 is taken');
    expect(error.cause).toBe(native);
  });

  it('leaves a ChaskiError as it is and calls all else internal', () => {
    const own = new ChaskiError('ERR_CHASKI_TLS', 'No.');
    expect(toChaskiError(own, 'x')).toBe(own);
    expect(toChaskiError('text', 'x').code).toBe('ERR_CHASKI_INTERNAL');
    expect(toChaskiError(Object.assign(new Error('x'), { code: 'ENOENT' }), 'x').code).toBe(
      'ERR_CHASKI_INTERNAL',
    );
  });
});
