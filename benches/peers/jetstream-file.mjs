// @ts-check
// NATS JetStream, stream in files, `sync_interval: always`: a publish for each record, all those of an append at once.
import { DiscardPolicy, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { split } from '../lib/log-run.mjs';
import { packageVersion } from '../lib/versions.mjs';

const STREAM = 'bench-log';
const SUBJECT = 'bench.log';

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'NATS JetStream in files, synced at each write',
  topology: 'alone',
  modes: ['log-append', 'log-single'],
  services: ['nats-durable'],
  version: () => packageVersion('@nats-io/jetstream'),
  log,
};

/** @param {import('../lib/peer.mjs').Spec} spec @returns {Promise<import('../lib/log-run.mjs').Log>} */
async function log({ services }) {
  const connection = await connect({ servers: services['nats-durable'] });
  const manager = await jetstreamManager(connection);
  await manager.streams.delete(STREAM).catch(() => {});
  await manager.streams.add({
    name: STREAM,
    subjects: [SUBJECT],
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: 2 ** 30,
  });
  const client = jetstream(connection);
  /** @type {Buffer[] | undefined} */
  let values;
  return {
    append: (records) => {
      values ??= split(records);
      return Promise.all(
        values.map((value) => client.publish(SUBJECT, value, { timeout: 20_000 })),
      );
    },
    close: async () => {
      await manager.streams.delete(STREAM);
      await connection.close();
    },
  };
}
