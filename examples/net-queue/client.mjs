// @ts-check
// The client of the Python package's README: puts one message, takes the answer.
//   node examples/net-queue/client.mjs [port]
import * as nq from 'chaski/net-queue';

const port = Number(process.argv[2] ?? 51_966);
const queue = nq.new({ purpose: nq.Purpose.CLIENT, port });

// A client may put before it is connected.
await queue.put('Hello, Server!');
const message = await queue.get();
console.log('got', message.data);
await queue.close();
