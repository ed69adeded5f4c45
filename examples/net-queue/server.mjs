// @ts-check
// The server of the Python package's README: takes one message, answers to all.
//   node examples/net-queue/server.mjs [port]
import * as nq from 'chaski/net-queue';

const port = Number(process.argv[2] ?? 51_966);
const queue = nq.new({ purpose: nq.Purpose.SERVER, port });
await queue.ready();
console.log('listening', queue.address());

const message = await queue.get();
console.log('got', message.data);
await queue.put('Hello, Client!');
await queue.close();
