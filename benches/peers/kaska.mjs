// @ts-check
// Kaska, in the process that uses it.
import { readFileSync } from 'node:fs';
import { Kaska } from '../../dist/kaska/index.js';
import { split } from '../lib/log-run.mjs';

const root = new URL('../../', import.meta.url);
const TOPIC = 'bench';

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'Kaska, embedded',
  topology: 'alone',
  modes: ['log-append', 'log-single', 'log-read', 'log-open'],
  variants: {
    kaska: {},
    'kaska-array': { env: { BENCH_ARRAY: '1' }, modes: ['log-append'] },
  },
  version: () => JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).version,
  log,
};

/** @param {import('../lib/peer.mjs').Spec} spec @returns {Promise<import('../lib/log-run.mjs').Log>} */
async function log({ folder, log: load }) {
  const kaska = await Kaska.open({ dir: folder });
  const durable = load?.durable ?? false;
  const topic =
    kaska.topics.get(TOPIC) ??
    (await kaska.createTopic(TOPIC, { flush: durable ? 'always' : 'os' }));
  const options = { acks: durable ? 'all' : 1 };
  const asArray = process.env['BENCH_ARRAY'] === '1';
  /** @type {Buffer[] | undefined} */
  let values;
  /** @param {import('../lib/log-run.mjs').Records} records */
  const append = (records) => {
    if (load?.batch === 1) return topic.append(records.data, options);
    if (!asArray) return topic.appendBatch(records, options);
    values ??= split(records);
    return topic.appendBatch(
      values.map((value) => ({ value })),
      options,
    );
  };
  return {
    append,
    read: async (onRecords) => {
      let all = 0;
      let sum = 0;
      for await (const batch of topic.batches({ from: 'start', until: 'end' })) {
        if (load?.views) for (const { value } of batch) sum += value[0];
        all += batch.length;
        onRecords(batch.length);
      }
      if (Number.isNaN(sum)) throw new Error('a record was empty');
      return all;
    },
    syncs: () => kaska.stats().syncs ?? 0,
    close: () => kaska.close(),
  };
}
