// The package as users get it: packed, and installed offline in an empty folder.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npm } from '../../scripts/lib/run.mjs';
import { packTarballs } from '../../scripts/lib/tarballs.mjs';

/** A folder with the tarballs of the package and of its platform package, and consumers that installed them. */
export class Packed {
  readonly scratch: string = mkdtempSync(join(tmpdir(), 'chaski-pack-'));
  /** `chaski-0.1.0.tgz`, as a path. */
  readonly main: string;
  /** The addon for this platform. */
  readonly platform: string;

  constructor() {
    const { main, platform } = packTarballs(this.scratch);
    this.main = main;
    this.platform = platform;
  }

  /** An empty folder with these packages installed. */
  consumer(name: string, ...packages: string[]): string {
    const folder = join(this.scratch, name);
    mkdirSync(folder);
    const content = '{"name":"consumer","private":true,"type":"module"}';
    writeFileSync(join(folder, 'package.json'), content);
    this.npm(folder, 'install', ...packages);
    return folder;
  }

  /** Runs npm where it can reach nothing: offline, and with an empty cache. */
  npm(folder: string, ...args: string[]): string {
    const [command = 'npm', ...before] = npm();
    const env = { ...process.env, npm_config_cache: join(this.scratch, 'cache') };
    return execFileSync(command, [...before, ...args, '--offline', '--loglevel=error'], {
      cwd: folder,
      env,
    }).toString();
  }

  remove(): void {
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
