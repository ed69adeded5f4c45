// Loads the addon on first use, so that importing chaski never fails for want of it.
import { createRequire } from 'node:module';

import { ChaskiError } from '../errors.ts';
import type { NativeBinding } from './native-types.ts';

let binding: NativeBinding | undefined;

/**
 * The addon.
 *
 * @throws ChaskiError `ERR_CHASKI_NATIVE_LOAD` when this platform has none, or it was not installed.
 */
export function loadNative(): NativeBinding {
  binding ??= load();
  return binding;
}

function load(): NativeBinding {
  const platform = `${process.platform}-${process.arch}`;
  try {
    return createRequire(import.meta.url)('../native/index.js') as NativeBinding;
  } catch (cause) {
    throw new ChaskiError(
      'ERR_CHASKI_NATIVE_LOAD',
      `The native part of chaski for ${platform} could not be loaded. It comes as an optional dependency: ` +
        'install without --omit=optional (or --no-optional), on the platform that runs the program, ' +
        'and delete a lock file that was written on another one. Of a clone, install both packages that ' +
        '`npm run pack` makes. `cause` tells what was tried.',
      { cause },
    );
  }
}
