// @ts-check
// chaski/net-queue, as this checkout has built it, on both hosts.
import { existsSync, readFileSync } from 'node:fs';
import { makeCertificate, missingCertificate } from '../lib/certificate.mjs';
import { isTlsSize } from '../lib/peer.mjs';

const ENTRY = new URL('../../dist/net-queue/index.js', import.meta.url);
const HOST = '127.0.0.1';
const CLOSE_MS = 10_000;
const TLS = process.env.BENCH_TLS === '1';
/** Without sessions that outlive their connection, and without signs of life. */
const PLAIN = process.env.BENCH_PLAIN === '1' ? { sessionTimeoutMs: 0, keepAliveMs: 0 } : {};

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'chaski/net-queue',
  modes: [
    'callback',
    'iterate',
    'batch',
    'acked-each',
    'acked-all',
    'echo',
    'paced',
    'flood-put',
    'flood-try',
  ],
  variants: {
    'chaski-thread': { env: { CHASKI_HOST: 'thread' } },
    'chaski-loop': { env: { CHASKI_HOST: 'loop' } },
    'chaski-plain-thread': {
      env: { CHASKI_HOST: 'thread', BENCH_PLAIN: '1' },
      modes: ['batch', 'callback'],
    },
    'chaski-plain-loop': {
      env: { CHASKI_HOST: 'loop', BENCH_PLAIN: '1' },
      modes: ['batch', 'callback'],
    },
    'chaski-tls': {
      env: { CHASKI_HOST: 'thread', BENCH_TLS: '1' },
      modes: ['callback', 'batch'],
      fits: isTlsSize,
      missing: async () => missingBuild() ?? missingCertificate(),
    },
  },
  missing: async () => missingBuild(),
  version: () =>
    JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version,
  receive,
  send,
};

function missingBuild() {
  return existsSync(ENTRY) ? undefined : 'dist/ is not built (npm run build)';
}

/** @param {'server' | 'client'} purpose @param {number} port @param {object} [security] @returns {Promise<any>} */
async function open(purpose, port, security) {
  const { open } = await import(ENTRY.href);
  return open('tcp', purpose, { host: HOST, port, ...PLAIN, ...(security && { security }) });
}

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const security = TLS ? makeCertificate() : undefined;
  const queue = await open('server', 0, security);
  run.listening({ port: queue.address().port, ca: security?.cert });
  const { deliver, check } = run;
  const { release } = await import(ENTRY.href);
  check.letGo = release;
  if (run.mode === 'iterate') void iterate(queue, deliver);
  else if (run.mode === 'batch') void iterateBatches(queue, check);
  else
    return subscribed(queue, run.echo ? (view) => (deliver(view), void queue.put(view)) : deliver);
  return { close: () => queue.close({ force: true }) };
}

/** @param {any} queue @param {import('../lib/peer.mjs').Deliver} take */
function subscribed(queue, take) {
  let subscription = queue.subscribe(take);
  return {
    pause: () => subscription.close(),
    resume: () => void (subscription = queue.subscribe(take)),
    close: () => queue.close({ force: true }),
  };
}

/** @param {any} queue @param {import('../lib/peer.mjs').Deliver} deliver */
async function iterate(queue, deliver) {
  for await (const message of queue) deliver(message.data);
}

/** @param {any} queue @param {import('../lib/payload.mjs').Check} check */
async function iterateBatches(queue, check) {
  for await (const batch of queue.batches()) {
    const { memory, length } = batch;
    for (let i = 0; i < length; i++) check.takeAt(memory, batch.offset(i), batch.byteLengthAt(i));
  }
}

/** @param {import('../lib/run.mjs').SendRun} run @returns {Promise<import('../lib/peer.mjs').Sender>} */
async function send(run) {
  const { port, ca } = run.address;
  const queue = await open('client', port, ca && { ca });
  if (run.mode === 'echo') queue.subscribe((/** @type {Uint8Array} */ data) => run.replied(data));
  return {
    put(message) {
      queue.put(message);
      return !queue.needDrain;
    },
    putBatch(packed) {
      queue.putMany(packed);
      return !queue.needDrain;
    },
    putAcked: (message) => queue.put(message),
    offer: (message) => void queue.put(message),
    tryOffer: (message) => queue.trySend(message),
    room: () => queue.writable(),
    finish: () => queue.close({ timeoutMs: CLOSE_MS }),
  };
}
