// What pickles cost, beside MessagePack of the same values.
//
//   npm run build && node benches/micro/pickle.mjs
//
// One process, best of five runs of each. `decode` reads what the same serializer wrote; `decode, of CPython` what CPython 3.13 pickled
// (protocol 5), for what is among the fixtures of the tests.
import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';

import { codecOf } from '../../dist/codec/index.js';

const values = {
  'a short text': 'Hello, World!',
  'a record': { id: 1234, name: 'sensor', tags: ['a', 'b'], value: 21.5, ok: true, note: null },
  '100 records': Array.from({ length: 100 }, (_, id) => ({
    id,
    name: `sensor ${id}`,
    tags: ['a', 'b'],
    value: id / 3,
    ok: true,
  })),
  '1,000 floats in a list': Array.from({ length: 1000 }, (_, i) => i / 7),
  '64 KiB of bytes in an object': { data: new Uint8Array(65_536) },
};
const wanted = ['dict', 'tuples', 'uuid', 'long list', 'long dict', '1-d <f8', '2-d C'];
const msgpack = codecOf('msgpack');
const pickle = codecOf('pickle');

console.log(`node ${process.version}, ${arch()}, ${cpus()[0]?.model}`);
console.log(`${''.padEnd(30)}  encode: msgpack   pickle   decode: msgpack   pickle   (ns)`);
for (const [name, value] of Object.entries(values)) {
  const [packed, pickled] = [msgpack, pickle].map((codec) => codec.encode(value).slice());
  const times = [
    best(() => msgpack.encode(value)),
    best(() => pickle.encode(value)),
    best(() => msgpack.decode(msgpack.kind, packed, 0, packed.length)),
    best(() => pickle.decode(pickle.kind, pickled, 0, pickled.length)),
  ].map((ns) => ns.toFixed(0));
  console.log(
    `${name.padEnd(30)}  ${times[0].padStart(15)} ${times[1].padStart(8)}   ${times[2].padStart(15)} ${times[3].padStart(8)}`,
  );
}

const fixtures = new URL('../../test/unit/codec/pickle/fixtures/cpython.jsonl', import.meta.url);
for (const line of readFileSync(fixtures, 'utf8').trim().split('\n')) {
  const { name, protocol, by, hex } = JSON.parse(line);
  if (protocol !== 5 || by !== 'C' || !wanted.includes(name)) continue;
  const bytes = Buffer.from(hex, 'hex');
  const ns = best(() => pickle.decode(pickle.kind, bytes, 0, bytes.length));
  console.log(`decode, of CPython: ${name.padEnd(46)} ${ns.toFixed(0)}`);
}

function best(run) {
  let lowest = Infinity;
  for (let round = 0; round < 6; round += 1) {
    const start = performance.now();
    let operations = 0;
    for (; performance.now() - start < 100; operations += 50) for (let i = 0; i < 50; i += 1) run();
    const ns = ((performance.now() - start) * 1e6) / operations;
    // The first round warms up.
    if (round > 0) lowest = Math.min(lowest, ns);
  }
  return lowest;
}
