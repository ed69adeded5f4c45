// Which host drives the reactor: Node's own loop, or a thread. An allow list decides, never the presence of a symbol.
import { ChaskiError } from '../errors.ts';

export type Host = 'loop' | 'thread';

/** The part of `process` that the choice looks at. */
export interface Runtime {
  readonly platform: string;
  readonly release: { readonly name?: string };
  readonly versions: { readonly [name: string]: string | undefined };
  readonly env: { readonly [name: string]: string | undefined };
}

/**
 * The host for `runtime`. `wanted` (an option) wins over CHASKI_HOST, which wins over `preferred` and the default.
 *
 * @throws ChaskiError `ERR_CHASKI_UNSUPPORTED` when 'loop' is wanted on a runtime that is not on the list,
 * `ERR_CHASKI_INVALID_ARGUMENT` when CHASKI_HOST is neither 'loop' nor 'thread'.
 */
export function chooseHost(
  wanted: Host | undefined,
  runtime: Runtime = process,
  preferred?: Host,
): Host {
  const loop = hasLoop(runtime);
  const forced = wanted ?? environment(runtime);
  if (forced === 'loop' && !loop) {
    throw new ChaskiError(
      'ERR_CHASKI_UNSUPPORTED',
      `The loop host needs Node 20 or later, or Electron, on Linux or macOS; this is ${describe(runtime)}. ` +
        "Leave out runOn and CHASKI_HOST, or use 'thread'.",
    );
  }
  return forced ?? preferred ?? (loop ? 'loop' : 'thread');
}

function hasLoop(runtime: Runtime): boolean {
  const { versions, platform } = runtime;
  return (
    runtime.release.name === 'node' &&
    versions['bun'] === undefined &&
    versions['deno'] === undefined &&
    Number.parseInt(versions['node'] ?? '0', 10) >= 20 &&
    (platform === 'linux' || platform === 'darwin')
  );
}

function environment(runtime: Runtime): Host | undefined {
  const value = runtime.env['CHASKI_HOST'];
  if (value === undefined || value === '') return undefined;
  if (value === 'loop' || value === 'thread') return value;
  throw new ChaskiError(
    'ERR_CHASKI_INVALID_ARGUMENT',
    `The environment variable CHASKI_HOST is '${value}'; it must be 'loop' or 'thread', or be unset.`,
  );
}

function describe(runtime: Runtime): string {
  const { versions } = runtime;
  const name = (['bun', 'deno', 'electron', 'node'] as const).find((key) => versions[key]);
  return `${name ?? 'an unknown runtime'} ${name ? versions[name] : ''} on ${runtime.platform}`;
}
