// @ts-check
// Everybody who takes part: each file of peers/, once for each of its variants.
import { readdirSync } from 'node:fs';

/** The order in the tables; who is not named comes last. */
const ORDER = [
  'chaski',
  'slab',
  'slab-columns',
  'raw',
  'messageport',
  'msgpackr',
  'ws',
  'zeromq',
  'nats',
  'jetstream',
  'bullmq',
  'grpc',
  'python-net-queue',
  'kaska',
  'raw-log',
  'sqlite',
  'redis-streams',
  'jetstream-file',
];

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} file
 * @property {import('./peer.mjs').Peer} peer the peer with what differs in this variant
 * @property {Record<string, string>} env
 */

/** @returns {Promise<Contender[]>} */
export async function loadContenders() {
  const files = readdirSync(new URL('../peers/', import.meta.url))
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => name.slice(0, -'.mjs'.length));
  const rank = (/** @type {string} */ file) =>
    (ORDER.indexOf(file) + ORDER.length + 1) % (ORDER.length + 1);
  const groups = await Promise.all(files.toSorted((a, b) => rank(a) - rank(b)).map(variantsOf));
  return groups.flat();
}

/** @param {string} file @returns {Promise<Contender[]>} */
async function variantsOf(file) {
  /** @type {import('./peer.mjs').Peer} */
  const peer = (await import(`../peers/${file}.mjs`)).default;
  return Object.entries(peer.variants ?? { [file]: {} }).map(
    ([name, { env = {}, ...differing }]) => ({
      name,
      file,
      peer: { ...peer, ...differing },
      env,
    }),
  );
}
