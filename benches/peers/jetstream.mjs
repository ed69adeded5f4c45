// @ts-check
// NATS JetStream, stream in memory: a publish is acknowledged once the stream has it. The consumer is an ordered one (no acks of its
// own), its fastest.
import {
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { packageVersion } from '../lib/versions.mjs';

const STREAM = 'bench-acked';
const SUBJECT = 'bench.acked';
const LIMIT = 256 * 1024 * 1024;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'NATS JetStream, in memory',
  modes: ['acked-each', 'acked-all'],
  services: ['nats-server'],
  version: () => packageVersion('@nats-io/jetstream'),
  receive,
  send,
};

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const connection = await connect({ servers: run.services['nats-server'] });
  const manager = await jetstreamManager(connection);
  await manager.streams.delete(STREAM).catch(() => {});
  await manager.streams.add({
    name: STREAM,
    subjects: [SUBJECT],
    storage: StorageType.Memory,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_bytes: LIMIT,
  });
  const consumer = await jetstream(connection).consumers.get(STREAM);
  const { deliver } = run;
  const messages = await consumer.consume({
    max_messages: 4_096,
    callback: (message) => deliver(message.data),
  });
  run.listening(STREAM);
  return {
    close: async () => {
      messages.stop();
      await manager.streams.delete(STREAM);
      await connection.close();
    },
  };
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const connection = await connect({ servers: run.services['nats-server'] });
  const client = jetstream(connection);
  return {
    putAcked: (/** @type {Uint8Array} */ message) =>
      client.publish(SUBJECT, message, { timeout: 20_000 }),
    finish: () => connection.flush(),
  };
}
