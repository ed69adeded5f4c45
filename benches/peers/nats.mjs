// @ts-check
// nats.js core through nats-server, without acknowledgement.
import { connect } from '@nats-io/transport-node';
import { packageVersion } from '../lib/versions.mjs';

const SUBJECT = 'bench';
const REPLY = 'bench.reply';
/** A publisher has no back-pressure: it waits for the server after so many bytes. */
const BURST_BYTES = 262_144;

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'nats.js core through nats-server',
  modes: ['callback', 'echo', 'paced'],
  services: ['nats-server'],
  fits: (size) => size < 8 * 1024 * 1024,
  version: () => packageVersion('@nats-io/nats-core'),
  receive,
  send,
};

/** @param {import('../lib/run.mjs').ReceiveRun} run */
async function receive(run) {
  const connection = await connect({ servers: run.services['nats-server'] });
  const { deliver, echo } = run;
  connection.subscribe(SUBJECT, {
    callback: (error, message) => {
      if (error) throw error;
      deliver(message.data);
      if (echo) connection.publish(REPLY, message.data);
    },
  });
  await connection.flush();
  run.listening(SUBJECT);
  return { close: () => connection.close() };
}

/** @param {import('../lib/run.mjs').SendRun} run */
async function send(run) {
  const connection = await connect({ servers: run.services['nats-server'] });
  connection.subscribe(REPLY, { callback: (_error, message) => run.replied(message.data) });
  await connection.flush();
  return new NatsSender(connection);
}

class NatsSender {
  #burst = 0;

  /** @param {import('@nats-io/transport-node').NatsConnection} connection */
  constructor(connection) {
    this.connection = connection;
  }

  /** @param {Uint8Array} message */
  put(message) {
    this.connection.publish(SUBJECT, message);
    this.#burst += message.length;
    if (this.#burst < BURST_BYTES) return true;
    this.#burst = 0;
    return false;
  }

  room() {
    return this.connection.flush();
  }

  finish() {
    return this.connection.flush();
  }
}
