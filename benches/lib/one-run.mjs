// @ts-check
// One run of one contender in one case: starts both halves, leads them through it, gives back what they measured.
import { Disturbance } from './disturbance.mjs';
import { launch } from './launch.mjs';
import { listeningHalf } from './peer.mjs';
import { Talk } from './talk.mjs';

const GRACE_MS = 20_000;
const FLOOD_MS = 120_000;

/**
 * @typedef {object} RunResult
 * @property {string} [error]
 * @property {number} [size] payload bytes
 * @property {number} [others] what other processes used meanwhile, as a share of one core
 * @property {number} [rate] messages a second, at the receiver
 * @property {any} [receive] @property {any} [send] @property {any} [latencies]
 * @property {number} [group] appends a sync, of a log
 * @property {{ receive: number, send: number }} [rssMax] @property {{ receive: number, send: number }} [rssGrowth]
 */

/**
 * @param {import('./peer.mjs').Peer} peer @param {import('./peer.mjs').Spec} spec @param {Record<string, string>} env
 * @returns {Promise<RunResult>}
 */
export async function oneRun(peer, spec, env) {
  /** @type {Record<string, any>} */
  const shared = {};
  const pair = launch(peer, spec, env, shared);
  const limit =
    (spec.warmup + spec.seconds) * 1e3 + (spec.mode.startsWith('flood') ? FLOOD_MS : GRACE_MS);
  let timer;
  try {
    return await Promise.race([
      lead(peer, spec, pair, shared),
      new Promise(
        (_, reject) =>
          (timer = setTimeout(
            () => reject(new Error(`killed after ${limit / 1e3} s, waiting for ${shared.stage}`)),
            limit,
          )),
      ),
    ]);
  } catch (error) {
    return { error: String(/** @type {any} */ (error)?.message ?? error) };
  } finally {
    clearTimeout(timer);
    pair.kill();
  }
}

/**
 * @param {import('./peer.mjs').Peer} peer @param {import('./peer.mjs').Spec} spec @param {import('./launch.mjs').Pair} pair
 * @param {Record<string, any>} shared @returns {Promise<RunResult>}
 */
async function lead(peer, spec, pair, shared) {
  const stage = (/** @type {string} */ name) => (shared.stage = name);
  const first = new Talk(pair.first, stage);
  shared.address = (await first.heard('listening')).address;
  const second = new Talk(pair.second(), stage);
  const [receiver, sender] = listeningHalf(peer) === 'receive' ? [first, second] : [second, first];
  await Promise.all([receiver.heard('ready'), sender.heard('ready')]);
  const disturbance = new Disturbance();
  receiver.say({ type: 'begin' });
  sender.say({ type: 'begin' });
  const rssGrowth = spec.mode.startsWith('flood') ? await flood(receiver, sender) : undefined;
  const { sent, result: send } = await sender.heard('sent');
  const others = disturbance.share();
  const known = spec.mode !== 'flood-put';
  receiver.say({ type: 'expect', count: known ? sent : null });
  const receive = await receiver.heard('result');
  const bad = validity(receive, known ? sent : undefined);
  if (bad) return { error: bad, others };
  return {
    rate: receive.count / receive.seconds,
    others,
    receive,
    send,
    latencies: receive.latencies ?? send.latencies,
    rssMax: { receive: receiver.child.rssMax, send: sender.child.rssMax },
    rssGrowth,
  };
}

/** The consumer pauses; what both sides grow by while the sender offers is measured. @param {Talk} receiver @param {Talk} sender */
async function flood(receiver, sender) {
  await sender.heard('flooding');
  receiver.say({ type: 'pause' });
  await receiver.heard('paused');
  const children = { receive: receiver.child, send: sender.child };
  for (const child of Object.values(children)) {
    child.sample();
    child.rssMax = child.rss;
  }
  const before = { receive: receiver.child.rss, send: sender.child.rss };
  sender.say({ type: 'flood' });
  await sender.heard('offered');
  for (const child of Object.values(children)) child.sample();
  const growth = {
    receive: receiver.child.rssMax - before.receive,
    send: sender.child.rssMax - before.send,
  };
  receiver.say({ type: 'resume' });
  return growth;
}

/** @param {any} receive @param {number | undefined} sent @returns {string | undefined} */
function validity(receive, sent) {
  if (receive.wrong > 0)
    return `${receive.wrong} of ${receive.received} messages were wrong or out of order`;
  if (sent !== undefined && receive.received !== sent)
    return `${sent} messages were sent, ${receive.received} arrived`;
  if (!(receive.seconds > 0)) return 'the timed window was not reached';
  return undefined;
}
