// @ts-check
// One run of a contender that is one process: a log, in a folder that is there for this run alone.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from './child.mjs';
import { Disturbance } from './disturbance.mjs';
import { dataFolder, removeData } from './log-run.mjs';
import { Talk } from './talk.mjs';

const ENDPOINT = fileURLToPath(new URL('alone-endpoint.mjs', import.meta.url));
const NODE_FLAGS = ['--max-old-space-size=1024'];
const GRACE_MS = 30_000;
/** Filling a log of 10 GiB takes so long on a slow disk. */
const FILL_MS = 300_000;

/** Logs that were closed in order are opened again and again: opening does not change them. @type {Map<string, string>} */
const kept = new Map();
process.on('exit', removeData);

/**
 * @param {import('./peer.mjs').Peer} peer @param {import('./peer.mjs').Spec} spec @param {Record<string, string>} env
 * @returns {Promise<import('./one-run.mjs').RunResult>}
 */
export async function aloneRun(peer, spec, env) {
  /** @type {Child[]} */
  const children = [];
  const start = (/** @type {import('./peer.mjs').Spec} */ own) => {
    const command = peer.command?.(own, env);
    const child = command
      ? new Child(command.file, command.args, env)
      : new Child(process.execPath, [...NODE_FLAGS, ENDPOINT, JSON.stringify(own)], env);
    children.push(child);
    return child;
  };
  const place = { ...spec, folder: folderOf(spec) };
  let stage = 'start';
  const talk = (/** @type {Child} */ child) =>
    new Talk(
      { child, listen: child.listen.bind(child), say: child.say.bind(child) },
      (name) => (stage = name),
    );
  let timer;
  const limit = (spec.warmup + spec.seconds) * 1e3 + GRACE_MS + (spec.log?.bytes ? FILL_MS : 0);
  try {
    return await Promise.race([
      lead(place, start, talk),
      new Promise((_, reject) => {
        timer = setTimeout(
          () => reject(new Error(`killed after ${limit / 1e3} s, waiting for ${stage}`)),
          limit,
        );
      }),
    ]);
  } catch (error) {
    return { error: String(/** @type {any} */ (error)?.message ?? error) };
  } finally {
    clearTimeout(timer);
    await Promise.all(children.map(gone));
    if (![...kept.values()].includes(place.folder)) rmSync(place.folder, { recursive: true });
  }
}

/**
 * @param {import('./peer.mjs').Spec} spec @param {(spec: import('./peer.mjs').Spec) => Child} start
 * @param {(child: Child) => Talk} talk @returns {Promise<import('./one-run.mjs').RunResult>}
 */
async function lead(spec, start, talk) {
  if (spec.log?.left !== undefined && !kept.has(keyOf(spec))) {
    const before = start({ ...spec, role: 'fill' });
    await talk(before).heard('filled');
    await gone(before);
    if (spec.log.left === 'clean') kept.set(keyOf(spec), String(spec.folder));
  }
  const child = start({ ...spec, role: 'log' });
  const heard = talk(child);
  await heard.heard('ready');
  const disturbance = new Disturbance();
  child.say({ type: 'begin' });
  const result = await heard.heard('result');
  if (!(result.seconds > 0)) return { error: 'the timed window was not reached' };
  return {
    rate: result.count / result.seconds,
    others: disturbance.share(),
    receive: result,
    latencies: result.latencies,
    group: result.group,
    rssMax: { receive: child.rssMax, send: 0 },
  };
}

/** @param {import('./peer.mjs').Spec} spec */
function keyOf({ peer, log }) {
  return `${peer} ${log?.left} ${log?.bytes}`;
}

/** @param {import('./peer.mjs').Spec} spec */
function folderOf(spec) {
  return kept.get(keyOf(spec)) ?? dataFolder(spec.peer);
}

/** Kills a child and waits until it is gone. @param {Child} child @returns {Promise<void>} */
function gone(child) {
  return new Promise((resolve) => {
    if (child.process.exitCode !== null || child.process.signalCode !== null) resolve();
    else child.process.once('exit', () => resolve());
    child.kill();
  });
}
