// Writes dist/: what the npm package contains, and the addon for use from the checkout. The release
// runs this file by itself, with addons that were built elsewhere.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail, Refusal, root, run, tool } from './lib/run.mjs';

/** Builds beside dist/ and swaps at the end: a process that runs from dist/ never sees half of it. */
export async function buildDist() {
  const fresh = join(root, '.cache', 'dist');
  rmSync(fresh, { recursive: true, force: true });
  const args = [tool('typescript', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh];
  const { code, printed } = await run(process.execPath, args);
  if (code !== 0) {
    throw new Refusal('TypeScript found errors; see the lines above', { cause: printed });
  }
  copyNative(join(fresh, 'native'));
  await bundleCodec(fresh);
  const dist = join(root, 'dist');
  const old = join(root, '.cache', 'dist.old');
  rmSync(old, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}

/** napi wrote ts/native: tsc does not copy what it did not compile. */
function copyNative(target) {
  const source = join(root, 'ts', 'native');
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(source)) copyFileSync(join(source, name), join(target, name));
}

/**
 * msgpackr is written into the modules that import it: as a dependency it would bring an optional
 * package with an install script. Only its plain JavaScript is taken, never its addon.
 */
async function bundleCodec(dist) {
  const codec = join(dist, 'codec');
  const importers = readdirSync(codec)
    .filter((name) => name.endsWith('.js'))
    .map((name) => join(codec, name))
    .filter((file) => /from ['"]msgpackr/.test(readFileSync(file, 'utf8')));
  if (importers.length === 0) return;
  const { rolldown } = await import('rolldown');
  for (const file of importers) {
    const bundle = await rolldown({
      input: file,
      platform: 'neutral',
      external: (id, importer) =>
        id.startsWith('node:') || (importer === file && id.startsWith('.')),
      onLog(level, log) {
        if (level === 'warn') throw new Refusal(`bundling msgpackr: ${log.message}`);
      },
    });
    await bundle.write({ file, format: 'esm' });
    await bundle.close();
  }
  const license = join(root, 'node_modules', 'msgpackr', 'LICENSE');
  copyFileSync(license, join(codec, 'msgpackr.LICENSE'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildDist().catch(fail);
