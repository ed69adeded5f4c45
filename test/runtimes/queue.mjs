// A program of a user, in any runtime: a server and a client in one process exchange messages, close, and nothing is
// left that would keep the process alive. Prints what it found as one line of JSON.
import { existsSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { open, release } from 'chaski/net-queue';

const [protocol, path] = process.argv.slice(2);
const messages = 10_000;
const largeBytes = 3 * 2 ** 20;

const place = protocol === 'unix' ? { path } : { port: 0 };
const server = await open({ protocol, purpose: 'server', ...place });
const client = await open({ protocol, purpose: 'client', ...server.address() });

// Numbers, texts and bytes of many lengths: each kind of payload that there is.
const payload = (i) =>
  i % 3 === 0
    ? { i, text: 'é'.repeat(i % 50) }
    : i % 3 === 1
      ? `${i}`
      : new Uint8Array(i % 300).fill(i);
const same = (a, b) =>
  a instanceof Uint8Array
    ? b instanceof Uint8Array && Buffer.compare(a, b) === 0
    : JSON.stringify(a) === JSON.stringify(b);

const puts = [];
for (let i = 0; i < messages; i += 1) puts.push(client.put(payload(i)));
let received = 0;
let wrong = 0;
for await (const { data, peer } of server) {
  if (peer !== client.id || !same(payload(received), data)) wrong += 1;
  received += 1;
  if (received === messages) break;
}
await Promise.all(puts);

const large = new Uint8Array(largeBytes);
for (let i = 0; i < largeBytes; i += 1) large[i] = (i * 31 + (i >> 8)) & 0xff;
const answered = server.put(large);
const { data } = await client.get({ timeoutMs: 20_000 });
await answered;
const read = same(large, data);
const released = release(data) && data.length === 0;

const threads = threadNames();
await client.close();
await server.close();
writeSync(
  1,
  JSON.stringify({
    received,
    wrong,
    acknowledged: puts.length === messages,
    large: read,
    released,
    closed: client.closed && server.closed,
    threads,
  }),
);

/** Names of our threads, where the runtime lets us ask: each host has threads of its own. */
function threadNames() {
  const tasks = '/proc/self/task';
  if (process.versions.deno || !existsSync(tasks)) return [];
  const names = readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/comm`, 'utf8').trim());
  return [...new Set(names.filter((name) => name.startsWith('chaski-')))];
}
