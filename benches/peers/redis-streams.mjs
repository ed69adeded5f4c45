// @ts-check
// Redis Streams over a UNIX socket, `appendfsync always`: XADD for each record, those of an append in one pipeline.
import { Redis } from 'ioredis';
import { split } from '../lib/log-run.mjs';
import { packageVersion } from '../lib/versions.mjs';

const STREAM = 'bench';

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'Redis Streams, append-only file synced at each write',
  topology: 'alone',
  modes: ['log-append', 'log-single'],
  services: ['redis-durable'],
  version: () => packageVersion('ioredis'),
  log,
};

/** @param {import('../lib/peer.mjs').Spec} spec @returns {Promise<import('../lib/log-run.mjs').Log>} */
async function log({ services }) {
  const redis = new Redis({ path: services['redis-durable'] });
  await redis.del(STREAM);
  /** @type {Buffer[] | undefined} */
  let values;
  return {
    append: async (records) => {
      values ??= split(records);
      if (values.length === 1) {
        await redis.xadd(STREAM, '*', 'v', /** @type {Buffer} */ (values[0]));
        return;
      }
      const pipeline = redis.pipeline();
      for (const value of values) pipeline.xadd(STREAM, '*', 'v', value);
      const answers = await pipeline.exec();
      for (const [error] of answers ?? []) if (error) throw error;
    },
    close: async () => {
      await redis.del(STREAM);
      await redis.quit();
    },
  };
}
