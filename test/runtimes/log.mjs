// A program of a user, in any runtime: a log that is written, read and closed, twice, in the folder `dir` or ':memory:'; a worker thread
// uses it too. Nothing is left that would keep the process alive. Prints what it found as one line of JSON.
import { writeSync } from 'node:fs';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Kaska } from 'chaski/kaska';

const records = 5000;
const largeBytes = 3 * 2 ** 20;

if (isMainThread) {
  const dir = process.argv.at(-1);
  const runs = [];
  for (let run = 0; run < (dir === ':memory:' ? 1 : 2); run += 1) runs.push(await use(dir, run));
  writeSync(1, JSON.stringify(runs));
} else {
  const kaska = await Kaska.open({ dir: workerData });
  const { offset } = await kaska.topic('t').append('of a thread');
  await kaska.close();
  parentPort.postMessage(offset);
}

async function use(dir, run) {
  const kaska = await Kaska.open({ dir });
  const topic =
    run === 0 ? await kaska.createTopic('t', { compression: 'zstd' }) : kaska.topic('t');
  const first = topic.endOffset();

  const results = Array.from({ length: records }, (_, i) =>
    topic.append(`${i} é`, {
      key: `${i % 7}`,
      headers: { run: `${run}` },
      acks: i % 2 ? 1 : 'all',
    }),
  );
  const told = await Promise.all(results);
  const inOrder = told.every(({ offset }, i) => offset === first + i);

  const large = new Uint8Array(largeBytes).map((_, i) => (i * 31 + (i >> 8)) & 0xff);
  const batch = await topic.appendBatch({ data: large, lengths: largeBytes });
  const writer = await topic.writer('loader');
  const next = (writer.lastSequence() ?? -1) + 1;
  await writer.appendBatch(['once'], { sequence: next });
  const again = await writer.appendBatch(['once'], { sequence: next });

  let [read, wrong] = [0, 0];
  for await (const record of topic.read({ from: first })) {
    const i = record.offset - first;
    if (i < records && record.text() !== `${i} é`) wrong += 1;
    if (i < records && record.headers[0][0] !== 'run') wrong += 1;
    if (i === records && Buffer.compare(record.value, large) !== 0) wrong += 1;
    read += 1;
    if (record.text() === 'once') break;
  }
  const positions = kaska.positions('me');
  const before = positions.committed('t') ?? -1;
  await positions.commit('t', first + read);

  const client = kaska.client();
  await client.subscribe(['t']);
  await client.sendMsg('t', 'polled');
  const polled = await client.poll();

  const thread = dir === ':memory:' ? -1 : (await fromThread(dir)) - first;
  const refused = await kaska.deleteTopic('none').catch(({ code }) => code);
  const { damaged } = await kaska.verify();
  await kaska.close();
  return {
    first,
    inOrder,
    large: batch.offset - first,
    again: again.count,
    read,
    wrong,
    before,
    polled: polled?.offset - first,
    thread,
    refused,
    damaged: damaged.length,
    closed: kaska.closed,
  };
}

function fromThread(dir) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: dir });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
