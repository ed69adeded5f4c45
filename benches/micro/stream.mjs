// What one operation of Stream costs, beside the cheapest JavaScript could do and what a crossing would add.
//
//   npm run build && node benches/micro/stream.mjs
//
// One process, 64 B chunks cut from a 64 KiB slab, best of five runs of each. A call into the addon costs 130 ns (free function on
// a handle) to 450 ns (method of a class) before it does anything: a Stream in Rust could not be faster than these.
import { arch, cpus } from 'node:os';

import { Stream } from '../../dist/shared/stream.js';

const chunkBytes = 64;
const count = 1024;
const slab = new Uint8Array(chunkBytes * count);
for (let at = 31; at < slab.length; at += 32) slab[at] = 0x0a;
const chunks = Array.from({ length: count }, (_, i) =>
  slab.subarray(i * chunkBytes, (i + 1) * chunkBytes),
);
const out = new Uint8Array(chunkBytes);

/** Each returns how many operations it has done. */
const cases = {
  'subarray of a slab, alone': () => {
    let sum = 0;
    for (let i = 0; i < count; i += 1)
      sum += slab.subarray(i * chunkBytes, (i + 1) * chunkBytes).length;
    return sum / chunkBytes;
  },
  'array push + shift, alone': () => {
    const queue = [];
    for (const chunk of chunks) queue.push(chunk);
    let sum = 0;
    while (queue.length > 0) sum += queue.shift().length;
    return sum / chunkBytes;
  },
  'write + readChunk': () => {
    const stream = new Stream();
    for (const chunk of chunks) stream.write(chunk);
    let n = 0;
    while (stream.readChunk() !== undefined) n += 1;
    return n;
  },
  'read(64), whole chunks': () => drain((stream) => stream.read(chunkBytes), new Stream(chunks)),
  'read(16), within a chunk': () => drain((stream) => stream.read(16), new Stream(chunks)),
  'read1(16)': () => drain((stream) => stream.read1(16), new Stream(chunks)),
  'read(96), over a border (copy)': () => drain((stream) => stream.read(96), new Stream(chunks)),
  'readInto(64 B)': () => drain((stream) => stream.readInto(out), new Stream(chunks)),
  'readLine, 32 B lines': () => drain((stream) => stream.readLine(), new Stream(chunks)),
  'peek(8) + skip(16)': () =>
    drain((stream) => stream.peek(8) && stream.skip(16), new Stream(chunks)),
};

console.log(`node ${process.version}, ${arch()}, ${cpus()[0]?.model}`);
for (const [name, run] of Object.entries(cases))
  console.log(name.padEnd(34), `${best(run).toFixed(0)} ns`);

function drain(step, stream) {
  let n = 0;
  while (step(stream) !== undefined) n += 1;
  return n;
}

function best(run) {
  let lowest = Infinity;
  for (let round = 0; round < 6; round += 1) {
    const start = performance.now();
    let operations = 0;
    while (performance.now() - start < 200) operations += run();
    const ns = ((performance.now() - start) * 1e6) / operations;
    // The first round warms up.
    if (round > 0) lowest = Math.min(lowest, ns);
  }
  return lowest;
}
