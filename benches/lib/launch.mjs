// @ts-check
// Starts the two halves of a run, as the peer's topology wants it.
import { fileURLToPath } from 'node:url';
import { Child } from './child.mjs';
import { listeningHalf } from './peer.mjs';

const ENDPOINT = fileURLToPath(new URL('endpoint.mjs', import.meta.url));
const THREAD_HOST = fileURLToPath(new URL('thread-host.mjs', import.meta.url));
const NODE_FLAGS = ['--max-old-space-size=1024'];

/**
 * One half, as the runner sees it.
 * @typedef {{ child: Child, listen: (listener: (message: any) => void) => void, say: (message: object) => void }} Half
 */

/** @typedef {{ first: Half, second: () => Half, kill: () => void }} Pair the half that listens, and the other one once it does */

/**
 * @param {import('./peer.mjs').Peer} peer @param {import('./peer.mjs').Spec} spec @param {Record<string, string>} env
 * @param {Record<string, any>} shared filled with `address` before `second` is called
 * @returns {Pair}
 */
export function launch(peer, spec, env, shared) {
  const first = listeningHalf(peer);
  const second = first === 'receive' ? 'send' : 'receive';
  return peer.topology === 'threads'
    ? threads(spec, env, first, second)
    : processes(peer, spec, env, first, second, shared);
}

/** @typedef {'receive' | 'send'} Role */

/**
 * @param {import('./peer.mjs').Peer} peer @param {import('./peer.mjs').Spec} spec @param {Record<string, string>} env
 * @param {Role} first @param {Role} second @param {Record<string, any>} shared @returns {Pair}
 */
function processes(peer, spec, env, first, second, shared) {
  /** @type {Child[]} */
  const children = [];
  const start = (/** @type {Role} */ role) => {
    const half = { ...spec, role, address: shared.address };
    const own = peer.command?.(half, env);
    const child = own
      ? new Child(own.file, own.args, env)
      : new Child(process.execPath, [...NODE_FLAGS, ENDPOINT, JSON.stringify(half)], env);
    children.push(child);
    return { child, listen: child.listen.bind(child), say: child.say.bind(child) };
  };
  return {
    first: start(first),
    second: () => start(second),
    kill: () => children.forEach((child) => child.kill()),
  };
}

/**
 * @param {import('./peer.mjs').Spec} spec @param {Record<string, string>} env @param {Role} first @param {Role} second
 * @returns {Pair}
 */
function threads(spec, env, first, second) {
  const specs = [first, second].map((role) => ({ ...spec, role }));
  const child = new Child(
    process.execPath,
    [...NODE_FLAGS, THREAD_HOST, JSON.stringify(specs)],
    env,
  );
  /** @type {Map<string, { listener?: (message: any) => void, early: any[] }>} */
  const roles = new Map([first, second].map((role) => [role, { early: [] }]));
  child.listen((message) => {
    for (const [role, half] of roles) {
      if (message.role !== undefined && message.role !== role) continue;
      if (half.listener) half.listener(message);
      else half.early.push(message);
    }
  });
  const half = (/** @type {Role} */ role) => ({
    child,
    listen: (/** @type {(message: any) => void} */ listener) => {
      const state = /** @type {{ listener?: (message: any) => void, early: any[] }} */ (
        roles.get(role)
      );
      state.listener = listener;
      for (const message of state.early.splice(0)) listener(message);
    },
    say: (/** @type {object} */ message) => child.say({ role, ...message }),
  });
  return { first: half(first), second: () => half(second), kill: () => child.kill() };
}
