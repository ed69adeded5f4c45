// The package and its addon for this platform as tarballs, as the release job makes them for all platforms.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { platformName } from './platform.mjs';
import { npm, root } from './run.mjs';

/**
 * Packs what is built.
 *
 * @param {string} destination folder for the tarballs; made if it is missing
 * @returns {{ main: string, platform: string }} their paths: the package, and the one with the addon
 */
export function packTarballs(destination) {
  mkdirSync(destination, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'chaski-pack-'));
  try {
    const name = platformName();
    const copy = join(scratch, name);
    cpSync(join(root, 'npm', name), copy, { recursive: true });
    const addon = `chaski.${name}.node`;
    copyFileSync(join(root, 'ts', 'native', addon), join(copy, addon));
    return { main: pack(root, destination), platform: pack(copy, destination) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function pack(folder, destination) {
  const [command, ...before] = npm();
  const args = ['pack', '--json', '--ignore-scripts', '--offline', '--loglevel=error'];
  const printed = execFileSync(command, [...before, ...args, '--pack-destination', destination], {
    cwd: folder,
  });
  const [{ filename }] = JSON.parse(printed.toString());
  return join(destination, filename);
}
