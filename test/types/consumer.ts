// A program of somebody who installed chaski: it is compiled against the packed package (see
// test/house/pack.test.ts) under `strict` and `exactOptionalPropertyTypes`, and then run.
import { Kaska } from 'chaski/kaska';
import type { AppendOptions, Record, Topic } from 'chaski/kaska';
import * as nq from 'chaski/net-queue';
import { ChaskiError, open, Protocol, Purpose } from 'chaski/net-queue';
import type { Communicator, CommunicatorOptions, Message } from 'chaski/net-queue';

interface Greeting {
  readonly text: string;
}

const options: CommunicatorOptions<Greeting> = { host: '127.0.0.1', port: 0 };
const server: Communicator<Greeting> = await open(Protocol.TCP, Purpose.SERVER, options);
const address = server.address();
if (address === undefined || !('port' in address)) throw new Error('a TCP server has a port');

const client = await nq.open<Greeting>({ purpose: 'client', port: address.port });
await client.put({ text: 'Hello, Server!' });
const request: Message<Greeting> = await server.get({ timeoutMs: 10_000 });
await server.put({ text: `${request.data.text} Hello, Client!` });
for await (const { data } of client) {
  console.log(data.text);
  break;
}

const stream = nq.Stream.frombytes(Buffer.from('Hello,\nStream!'));
if (stream.readline() === undefined || stream.nchunks !== 1) throw new Error('a line was read');

// @ts-expect-error exactOptionalPropertyTypes: left out is not the same as undefined
const wrong: CommunicatorOptions = { port: undefined };
void wrong;

await client.close();
await server.close();

const refused: unknown = await open({ port: address.port, connectTimeoutMs: 200 }).catch(
  (error: unknown) => error,
);
if (!(refused instanceof ChaskiError)) throw new Error('a server that left cannot be reached');
const code: string = refused.code;
console.log(code.startsWith('ERR_CHASKI_'));

const kaska: Kaska = await Kaska.open({ dir: ':memory:' });
const topic: Topic = await kaska.createTopic('greetings');
const appended: AppendOptions = { key: 'k', acks: 1 };
if ((await topic.append('Hello, Log!', appended)).offset !== 0) throw new Error('it is the first');
await topic.append('more');
const read: Record[] = [];
for await (const record of topic.read({ until: 'end' })) read.push(record);
if (read[0]?.text() !== 'Hello, Log!') throw new Error('it is there');
await kaska.close();
// @ts-expect-error there is no such option
const mistaken: AppendOptions = { retries: 3 };
void mistaken;
