// Starts other programs. Node builtins only: this runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** An error whose message is all that the user needs to read: no stack is printed. */
export class Refusal extends Error {}

/**
 * Runs a program at the root and waits for its end; what it prints goes through at once, unless it is to be
 * `quiet`. Gives its standard output, and the end of all that it printed. Never rejects for the program's own
 * failure: look at `code`.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, cwd?: string, quiet?: boolean }} [options]
 * @returns {Promise<{ code: number, output: string, printed: string }>}
 */
export function run(command, args, { env = {}, cwd = root, quiet = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...colors(), ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const chunks = [];
    let printed = '';
    const pass = (stream) => (chunk) => {
      if (!quiet) stream.write(chunk);
      printed = (printed + chunk).slice(-endLength);
    };
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stdout.on('data', pass(process.stdout));
    child.stderr.on('data', pass(process.stderr));
    child.on('error', (error) => {
      if (!quiet) console.error(`${command}: ${error.message}`);
      resolve({ code: 127, output: '', printed: error.message });
    });
    child.on('close', (code) => {
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString(), printed });
    });
  });
}

/** How much of what a program printed is kept for whoever reports its failure. */
const endLength = 16_384;

/** Through a pipe nobody sees the terminal behind it. */
function colors() {
  return process.stdout.isTTY ? { FORCE_COLOR: '1', CARGO_TERM_COLOR: 'always' } : {};
}

/**
 * Runs a program in the foreground: it has the terminal, and our exit code is its exit code.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string }} [options]
 */
export function become(command, args, { cwd = root } = {}) {
  const child = spawn(command, args, { cwd, stdio: 'inherit' });
  // Ctrl-C reaches the whole foreground group: the program ends by itself and we follow it.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(`${command}: ${error.message}`);
    process.exitCode = 127;
  });
  child.on('close', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143);
  });
}

/**
 * The file behind a command of an installed npm package: run it with `process.execPath`, which
 * works on every system and needs no shell.
 *
 * @param {string} name package
 * @param {string} [command] its command, when it is not called like the package
 */
export function tool(name, command = name.split('/').at(-1)) {
  const folder = join(root, 'node_modules', name);
  const file = join(folder, 'package.json');
  if (!existsSync(file)) throw new Refusal(`${name} is not installed: run npm ci`);
  const { bin } = JSON.parse(readFileSync(file, 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/** The command that runs npm, also where `npm` is no program (Windows). */
export function npm() {
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return [process.execPath, script];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

/** Ends the program with code 1 and one readable message. */
export function fail(error) {
  console.error(error instanceof Refusal ? `\nchaski: ${error.message}` : error);
  process.exitCode = 1;
}
