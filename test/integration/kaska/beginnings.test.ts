// Where a writer with a name begins: what is behind a number that was refused is not its beginning.
import { afterEach, expect, it } from 'vitest';

import { rejection } from '../net-queue/support/waiting.ts';
import { Logs, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const outOfOrder = { code: 'ERR_CHASKI_OUT_OF_ORDER', delivered: 'no' };

it('of a new writer whose first records find no room, nothing later is stored before them', async () => {
  const kaska = await logs.open({ highWaterMark: 1 << 20, onFull: 'error' });
  const topic = await kaska.createTopic('t');
  const writer = await topic.writer('loader');
  const same = await topic.writer('loader', { acks: 1 });
  const filler = topic.append(new Uint8Array(900 << 10));
  const first = Array.from({ length: 100 }, (_, i) => `${i} ${'.'.repeat(3000)}`);
  const refused = [
    writer.appendBatch(first, { sequence: 0 }),
    writer.appendBatch(['100'], { sequence: 100 }),
    same.appendBatch(['101'], { sequence: 101 }),
  ].map((call) => rejection(call));
  expect(await refused[0]).toMatchObject({ code: 'ERR_CHASKI_QUEUE_FULL', delivered: 'no' });
  expect(await refused[1]).toMatchObject(outOfOrder);
  expect(await refused[2]).toMatchObject(outOfOrder);
  await filler;
  expect(await writer.appendBatch(first, { sequence: 0 })).toMatchObject({ count: 100 });
  expect(await same.appendBatch(['100', '101'], { sequence: 100 })).toMatchObject({ count: 2 });
  await topic.flush();
  expect((await texts(topic)).slice(1).map((text) => parseInt(text, 10))).toEqual(
    Array.from({ length: 102 }, (_, i) => i),
  );
});

it('the same of records that are refused for what they are, of each partition by itself', async () => {
  const topic = await (await logs.open()).createTopic('t', { partitions: 2, maxBatchBytes: 1024 });
  const writer = await topic.writer('w');
  const at = (sequence: number, partition: number): { sequence: number; partition: number } => ({
    sequence,
    partition,
  });
  const large = new Uint8Array(5000);
  expect(await rejection(writer.appendBatch([large], at(7, 0)))).toMatchObject({
    code: 'ERR_CHASKI_TOO_LARGE',
  });
  expect(await rejection(writer.appendBatch(['8'], at(8, 0)))).toMatchObject(outOfOrder);
  expect(await writer.appendBatch(['8'], at(8, 1))).toMatchObject({ count: 1 });
  expect(await writer.appendBatch(['6', '7'], at(6, 0))).toMatchObject({ count: 2 });
  expect(await writer.appendBatch(['8'], at(8, 0))).toMatchObject({ count: 1 });
  expect(await texts(topic, 0)).toEqual(['6', '7', '8']);
});
