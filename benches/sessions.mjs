// @ts-check
// What sessions and many peers cost: `npm run bench:sessions -- [--runs 5] [--peers 1000]`. Prints a table; see README.md.
//
// - 1,000 connected peers of which one sends in turn, against one peer that sends the same
// - resident memory of the server, a peer
// - from a connection that breaks to the first message over the next one
// - from the moment at which a peer is stopped to the event that tells
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { open } from '../dist/net-queue/index.js';

/** Of 64 B, put by one peer before the next one has its turn. */
const MESSAGES = 4_096;
const TURNS = 3_000;
/** Peers that a server has before the memory of more is measured: what it loads and compiles is theirs. */
const WARM = 50;
const CUTS = 100;
const KEEP_ALIVE_MS = 1_000;

const options = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    peers: { type: 'string', default: '1000' },
    child: { type: 'string' },
    port: { type: 'string' },
  },
}).values;

if (options.child === undefined) await main(Number(options.runs), Number(options.peers));
else await clients(Number(options.port), Number(options.child));

/** @param {number} runs @param {number} many */
async function main(runs, many) {
  /** @type {Record<string, number[]>} */
  const figures = {};
  const note = (/** @type {string} */ name, /** @type {number} */ value) =>
    (figures[name] ??= []).push(value);
  for (let run = 0; run < runs; run += 1) {
    const one = await inTurn(1);
    const all = await inTurn(many);
    note('one peer, M messages/s', one.rate / 1e6);
    note(`${many} peers in turn, M messages/s`, all.rate / 1e6);
    note(`${many} peers in turn / one peer (at least 0.8)`, all.rate / one.rate);
    note('KB a peer, server (at most 20)', await memory(many));
    for (const ms of await reconnections()) note('reset to next message, ms (p50 at most 50)', ms);
    note(`stopped peer to event, ms (at most ${3 * KEEP_ALIVE_MS})`, await stopped());
  }
  for (const [name, values] of Object.entries(figures)) {
    values.sort((a, b) => a - b);
    const at = (/** @type {number} */ share) => {
      const value = /** @type {number} */ (values[Math.floor((values.length - 1) * share)]);
      return value.toFixed(value < 100 ? 2 : 0);
    };
    console.log(
      `${name.padEnd(55)} ${at(0.5).padStart(8)}  (${at(0)} to ${at(1)}, n ${values.length})`,
    );
  }
}

/** Resident memory that a server takes for each of so many idle peers, in KB. @param {number} count */
async function memory(count) {
  const server = await open('tcp', 'server', { port: 0, keepAliveMs: KEEP_ALIVE_MS });
  const { port } = /** @type {{ port: number }} */ (server.address());
  const children = [];
  const rss = [];
  for (const more of [WARM, count]) {
    const child = fork(process.argv[1] ?? '', ['--child', String(more), '--port', String(port)]);
    await once(child, 'message');
    children.push(child);
    for (let i = 0; i < 4; i += 1) globalThis.gc?.();
    rss.push(process.memoryUsage.rss());
  }
  for (const child of children) child.kill('SIGKILL');
  await server.close({ force: true });
  const [before = 0, after = 0] = rss;
  return (after - before) / count / 1e3;
}

/** Peers that put in turn, each a turn's worth of messages. @param {number} count */
async function inTurn(count) {
  const server = await open('tcp', 'server', { port: 0, keepAliveMs: KEEP_ALIVE_MS });
  const { port } = /** @type {{ port: number }} */ (server.address());
  const child = fork(process.argv[1] ?? '', ['--child', String(count), '--port', String(port)]);
  await once(child, 'message');
  let taken = 0;
  const total = MESSAGES * TURNS;
  const start = performance.now();
  child.send('go');
  for await (const batch of server.batches()) {
    taken += batch.length;
    if (taken >= total) break;
  }
  const seconds = (performance.now() - start) / 1e3;
  child.kill('SIGKILL');
  await once(child, 'exit');
  await server.close({ force: true });
  return { rate: taken / seconds };
}

/** The other process of inTurn(). @param {number} port @param {number} count */
async function clients(port, count) {
  const queues = [];
  for (let i = 0; i < count; i += 1) {
    queues.push(await open('tcp', 'client', { port, keepAliveMs: KEEP_ALIVE_MS }));
  }
  const message = new Uint8Array(64);
  process.send?.('ready');
  await once(process, 'message');
  for (let turn = 0; turn < TURNS; turn += 1) {
    const queue = /** @type {any} */ (queues[turn % count]);
    for (let i = 0; i < MESSAGES; i += 1) queue.put(message);
    if (queue.needDrain) await queue.writable();
    if (turn % 16 === 15) await new Promise(setImmediate);
  }
  await once(process, 'disconnect');
}

/** Times from a reset to the first message that comes over the next connection. */
async function reconnections() {
  const server = await open('tcp', 'server', { port: 0 });
  const { port } = /** @type {{ port: number }} */ (server.address());
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const relay = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
  });
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  const at = /** @type {import('node:net').AddressInfo} */ (relay.address()).port;
  const client = await open('tcp', 'client', { port: at });
  const times = [];
  for (let i = 0; i < CUTS; i += 1) {
    await client.put(i);
    await server.get();
    await new Promise((resolve) => setTimeout(resolve, 150));
    const start = performance.now();
    for (const socket of sockets) socket.resetAndDestroy();
    client.put('again').catch(() => {});
    await server.get();
    times.push(performance.now() - start);
  }
  await Promise.all([client.close({ force: true }), server.close({ force: true })]);
  relay.close();
  return times;
}

/** How long it takes to notice that a peer's process stands still. */
async function stopped() {
  const server = await open('tcp', 'server', { port: 0, keepAliveMs: KEEP_ALIVE_MS });
  const { port } = /** @type {{ port: number }} */ (server.address());
  const child = fork(process.argv[1] ?? '', ['--child', '1', '--port', String(port)]);
  await once(child, 'message');
  const away = once(server, 'disconnect');
  const start = performance.now();
  child.kill('SIGSTOP');
  await away;
  const ms = performance.now() - start;
  child.kill('SIGKILL');
  await server.close({ force: true });
  return ms;
}
