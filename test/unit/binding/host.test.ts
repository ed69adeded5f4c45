import { describe, expect, it } from 'vitest';

import { chooseHost } from '../../../ts/binding/host.ts';
import type { Runtime } from '../../../ts/binding/host.ts';

function runtime(change: Partial<Runtime> = {}): Runtime {
  return {
    platform: 'linux',
    release: { name: 'node' },
    versions: { node: '20.19.0' },
    env: {},
    ...change,
  };
}

describe('chooseHost', () => {
  it('takes the loop on Node 20 and Electron, on Linux and macOS', () => {
    expect(chooseHost(undefined, runtime())).toBe('loop');
    expect(chooseHost(undefined, runtime({ platform: 'darwin' }))).toBe('loop');
    const electron = { node: '22.1.0', electron: '38.0.0' };
    expect(chooseHost(undefined, runtime({ versions: electron }))).toBe('loop');
  });

  it('takes a thread everywhere else', () => {
    const others: Partial<Runtime>[] = [
      { platform: 'win32' },
      { platform: 'freebsd' },
      { release: { name: 'bun' } },
      { release: {} },
      { versions: { node: '22.0.0', bun: '1.2.0' } },
      { versions: { node: '22.0.0', deno: '2.0.0' } },
      { versions: { node: '18.20.0' } },
      { versions: {} },
    ];
    for (const other of others) expect(chooseHost(undefined, runtime(other))).toBe('thread');
  });

  it('is forced by CHASKI_HOST, and the option wins over that', () => {
    expect(chooseHost(undefined, runtime({ env: { CHASKI_HOST: 'thread' } }))).toBe('thread');
    expect(chooseHost('loop', runtime({ env: { CHASKI_HOST: 'thread' } }))).toBe('loop');
    expect(chooseHost(undefined, runtime({ env: { CHASKI_HOST: '' } }))).toBe('loop');
  });

  it('prefers a thread where it is told to, unless somebody wants something else', () => {
    expect(chooseHost(undefined, runtime(), 'thread')).toBe('thread');
    expect(chooseHost('loop', runtime(), 'thread')).toBe('loop');
    expect(chooseHost(undefined, runtime({ env: { CHASKI_HOST: 'loop' } }), 'thread')).toBe('loop');
  });

  it('refuses the loop where it is not on the list, and a CHASKI_HOST that is neither', () => {
    const bun = runtime({ versions: { node: '22.0.0', bun: '1.2.0' } });
    expect(() => chooseHost('loop', bun)).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_UNSUPPORTED' }),
    );
    expect(() => chooseHost(undefined, runtime({ env: { CHASKI_HOST: 'Loop' } }))).toThrow(
      expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
    );
  });
});
