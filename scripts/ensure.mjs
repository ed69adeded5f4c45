// Makes a checkout usable: npm packages, the addon, dist/. Does only what is missing or stale, and
// says what it does. Node builtins only.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { exclusively } from './lib/lock.mjs';
import { platformName } from './lib/platform.mjs';
import { npm, Refusal, root, run, tool } from './lib/run.mjs';
import { hashOf, setStamp, stamp } from './lib/sources.mjs';

const addonFile = join(root, 'ts', 'native', `chaski.${platformName()}.node`);
const addonSources = ['Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml', 'crates'];
const napiBuild =
  'build --platform --release --manifest-path crates/addon/Cargo.toml --output-dir ts/native ' +
  '--esm --js index.js --dts index.d.ts -- --locked';
const distSources = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/dist.mjs',
  'ts',
];

/**
 * Brings packages, addon and dist/ up to date, in this order.
 *
 * @param {{ force?: boolean }} [options] `force` builds the addon and dist/ even when they are fresh
 */
export async function ensure({ force = false } = {}) {
  refuseOldNode();
  await exclusively(async () => {
    await ensurePackages('.');
    await ensureAddon(force);
    await ensureDist(force);
  });
}

/**
 * Installs the npm packages of a folder when they are not what its lockfile says.
 *
 * @param {string} folder relative to the root
 */
export async function ensurePackages(folder) {
  const place = join(root, folder);
  if (packagesAreFresh(place)) return;
  const [command, ...before] = npm();
  await step(`Installing npm packages${folder === '.' ? '' : ` of ${folder}`}`, async () => {
    const args = [...before, 'ci', '--no-audit', '--no-fund'];
    const { code, printed } = await run(command, args, { cwd: place });
    if (code !== 0) {
      throw new Refusal(
        `npm ci failed with code ${code}. Is the registry reachable? If package.json was edited by ` +
          'hand, run npm install once, so that package-lock.json follows it.',
        { cause: printed },
      );
    }
  });
}

/** Compares the lockfile with npm's own note of what it installed. */
function packagesAreFresh(place) {
  const installed = join(place, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const there = JSON.parse(readFileSync(installed, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(join(place, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || (there[path] === undefined ? optional : there[path].version === version),
  );
}

async function ensureAddon(force) {
  const hash = hashOf(addonSources);
  if (!force && existsSync(addonFile) && stamp('addon') === hash) return;
  const problem = await cargoProblem();
  if (problem !== '') {
    const prebuilt = prebuiltAddon();
    if (prebuilt === '') throw new Refusal(problem);
    console.log(`Using the prebuilt addon of ${prebuilt}`);
    return;
  }
  const first = existsSync(join(root, 'target', 'release'))
    ? ''
    : '; the first time takes a minute';
  await step(`Building the Rust addon (release${first})`, async () => {
    const args = [tool('@napi-rs/cli', 'napi'), ...napiBuild.split(' ')];
    const { code, printed } = await run(process.execPath, args);
    if (code !== 0) {
      throw new Refusal(`the addon does not build (code ${code}); see the lines above`, {
        cause: printed,
      });
    }
    setStamp('addon', hash);
  });
}

async function ensureDist(force) {
  const native = existsSync(addonFile) ? `${statSync(addonFile).mtimeMs}` : 'prebuilt';
  const hash = hashOf(distSources, (file) => !file.endsWith('.node')) + native;
  if (!force && existsSync(join(root, 'dist')) && stamp('dist') === hash) return;
  await step('Compiling TypeScript to dist/', async () => {
    const { buildDist } = await import('./dist.mjs');
    await buildDist();
    setStamp('dist', hash);
  });
}

/** Why cargo cannot build the addon, with what to do; '' when it can. */
async function cargoProblem() {
  const manifest = readFileSync(join(root, 'Cargo.toml'), 'utf8');
  const wanted = /^rust-version = "([\d.]+)"/m.exec(manifest)?.[1] ?? '0';
  const { code, output } = await run('cargo', ['--version'], { quiet: true });
  if (code !== 0) {
    return (
      `the addon is written in Rust and cargo was not found. Install Rust ${wanted} or later ` +
      '(https://rustup.rs), open a new terminal, and run the same command again.'
    );
  }
  const found = /^cargo (\d+\.\d+)/.exec(output)?.[1] ?? '0.0';
  if (isOlder(found, wanted)) {
    return `Rust ${found} is too old: ${wanted} or later is needed. Run: rustup update stable`;
  }
  return '';
}

/** The installed platform package of this very version, or ''. */
function prebuiltAddon() {
  const { version, napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const name = `${napi.packageName}-${platformName()}`;
  try {
    const found = createRequire(join(root, 'package.json'))(`${name}/package.json`);
    return found.version === version ? `${name} ${version}` : '';
  } catch {
    return '';
  }
}

function refuseOldNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = engines.node.replace('>=', '');
  if (isOlder(process.versions.node, wanted)) {
    throw new Refusal(`Node ${process.versions.node} is too old: ${wanted} or later is needed.`);
  }
}

function isOlder(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  const at = b.findIndex((part, i) => part !== (a[i] ?? 0));
  return at >= 0 && (a[at] ?? 0) < b[at];
}

async function step(title, work) {
  const start = performance.now();
  console.log(`> ${title} ...`);
  await work();
  console.log(
    `> ${title.replace(/ \(.*\)$/, '')}: done in ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
}
