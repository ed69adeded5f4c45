// The import rules of crates/, as data and as functions over `cargo metadata`.
import { execFileSync } from 'node:child_process';
import { root } from './root.ts';

/** What each crate may depend on, of ours. A crate that is not here has no place in the house. */
const below: Readonly<Record<string, readonly string[]>> = {
  chunk: [],
  wire: ['chunk'],
  log: ['chunk'],
  pki: [],
  blob: ['chunk'],
  queue: ['chunk', 'wire', 'log'],
  mesh: ['chunk', 'wire'],
  rpc: ['chunk', 'wire'],
  kaska: ['chunk', 'wire', 'log'],
  io: ['chunk', 'wire'],
  broker: ['chunk', 'wire', 'log', 'kaska', 'io'],
  addon: ['chunk', 'wire', 'log', 'pki', 'blob', 'queue', 'mesh', 'rpc', 'kaska', 'io'],
};

/** Foreign crates that only one of ours may depend on. */
const reserved: Readonly<Record<string, string>> = {
  napi: 'addon',
  'napi-build': 'addon',
  'napi-derive': 'addon',
  'napi-sys': 'addon',
  mio: 'io',
  socket2: 'io',
  rustix: 'log',
  crc32c: 'log',
  flate2: 'log',
  lz4_flex: 'log',
  snap: 'log',
  zstd: 'log',
};

/** A dependency as `cargo metadata` tells it. */
export interface Dependency {
  readonly name: string;
  /** What the code calls it, if that is another name. */
  readonly rename?: string | null;
  readonly kind: 'build' | 'dev' | null;
}

/** A package as `cargo metadata` tells it. */
export interface CargoPackage {
  readonly name: string;
  readonly license: string | null;
  readonly manifest_path: string;
  readonly source: string | null;
  readonly version: string;
  readonly dependencies: readonly Dependency[];
}

/** Every package that the workspace needs, or with `ours` those of the workspace alone. */
export function cargoPackages(which: 'all' | 'ours'): CargoPackage[] {
  const args = ['metadata', '--format-version', '1', '--locked'];
  if (which === 'ours') args.push('--no-deps');
  const text = execFileSync('cargo', args, { cwd: root, maxBuffer: 1 << 28 }).toString();
  return (JSON.parse(text) as { packages: CargoPackage[] }).packages;
}

/** Sentences, one for each dependency that a rule forbids. */
export function crateViolations(
  packages: readonly Pick<CargoPackage, 'name' | 'dependencies'>[],
): string[] {
  const violations: string[] = [];
  for (const { name, dependencies } of packages) {
    const allowed = below[name];
    if (allowed === undefined) violations.push(`${name} has no place in the house`);
    for (const { name: used, kind } of dependencies) {
      const owner = reserved[used];
      if (owner !== undefined && owner !== name) {
        violations.push(`only ${owner} may depend on ${used}, not ${name}`);
      }
      if (used === 'addon') violations.push(`nothing may depend on addon, not even ${name}`);
      // Tests of a crate may use any other to talk to.
      const ours = used in below && kind !== 'dev';
      if (ours && !allowed?.includes(used)) violations.push(`${name} may not depend on ${used}`);
    }
  }
  return violations;
}
