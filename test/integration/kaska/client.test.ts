// The calls of the original Kaska: each line of what they return, which errors they know, and what is said of their borders; and
// what is decided where the original says nothing.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Client, Kaska } from 'chaski/kaska';

import { rejection } from '../net-queue/support/waiting.ts';
import { Logs, texts } from './support/logs.ts';

const logs = new Logs();
afterEach(logs.clear);

const notFound = { code: 'ERR_CHASKI_NOT_FOUND' };
const exists = { code: 'ERR_CHASKI_EXISTS' };

let kaska: Kaska;
let client: Client;

beforeEach(async () => {
  kaska = await logs.open();
  client = kaska.client();
});

/** What `poll()` gives next, as a text. */
async function poll(from: Client = client): Promise<string | null> {
  const polled = await from.poll();
  return polled && `${polled.topic} ${polled.offset} ${Buffer.from(polled.msg).toString()}`;
}

describe('createTopic', () => {
  it('returns 0, and fails if the topic exists', async () => {
    expect(await client.createTopic('t')).toBe(0);
    expect(await rejection(client.createTopic('t'))).toMatchObject(exists);
  });
});

describe('ntopics', () => {
  it('is the number of topics', async () => {
    expect(await client.ntopics()).toBe(0);
    await client.createTopic('a');
    await client.createTopic('b');
    expect(await client.ntopics()).toBe(2);
  });
});

describe('sendMsg', () => {
  it('returns the offset where it is stored; the first is 0', async () => {
    await client.createTopic('t');
    expect(await client.sendMsg('t', 'a')).toBe(0);
    expect(await client.sendMsg('t', Uint8Array.of(0, 255))).toBe(1);
  });

  it('fails if there is no such topic, and makes none', async () => {
    expect(await rejection(client.sendMsg('t', 'a'))).toMatchObject(notFound);
    expect(await client.ntopics()).toBe(0);
  });

  it('does nothing with an empty message, which is no error: 0', async () => {
    await client.createTopic('t');
    await client.sendMsg('t', 'a');
    expect(await client.sendMsg('t', '')).toBe(0);
    expect(await client.sendMsg('t', new Uint8Array(0))).toBe(0);
    expect(await client.endOffset('t')).toBe(1);
  });
});

describe('msgLength', () => {
  it('is the length of that message; 0 where there is none', async () => {
    await client.createTopic('t');
    await client.sendMsg('t', 'four');
    await client.sendMsg('t', new Uint8Array(100_000));
    expect(await client.msgLength('t', 0)).toBe(4);
    expect(await client.msgLength('t', 1)).toBe(100_000);
    expect(await client.msgLength('t', 2)).toBe(0);
    expect(await client.msgLength('t', -1)).toBe(0);
    await kaska.topic('t').append(null);
    expect(await client.msgLength('t', 2)).toBe(0);
  });

  it('fails if there is no such topic', async () => {
    expect(await rejection(client.msgLength('t', 0))).toMatchObject(notFound);
  });
});

describe('endOffset', () => {
  it('is the last offset + 1, 0 of an empty topic', async () => {
    await client.createTopic('t');
    expect(await client.endOffset('t')).toBe(0);
    await client.sendMsg('t', 'a');
    await client.sendMsg('t', 'b');
    expect(await client.endOffset('t')).toBe(2);
  });

  it('fails if there is no such topic', async () => {
    expect(await rejection(client.endOffset('t'))).toMatchObject(notFound);
  });
});

describe('subscribe', () => {
  it('returns to how many it subscribed: unknown and repeated names are skipped', async () => {
    await client.createTopic('a');
    await client.createTopic('b');
    expect(await client.subscribe(['a', 'none', 'b', 'a'])).toBe(2);
  });

  it('fails if it is subscribed to something already: it does not add up', async () => {
    await client.createTopic('a');
    await client.createTopic('b');
    await client.subscribe(['a']);
    expect(await rejection(client.subscribe(['b']))).toMatchObject(exists);
    expect(await rejection(client.subscribe([]))).toMatchObject(exists);
    expect(() => client.position('b')).toThrow(expect.objectContaining(notFound));
  });

  it('begins at the end: only later messages are seen', async () => {
    await client.createTopic('t');
    await client.sendMsg('t', 'before');
    await client.subscribe(['t']);
    expect(client.position('t')).toBe(1);
    expect(await poll()).toBeNull();
    await client.sendMsg('t', 'after');
    expect(await poll()).toBe('t 1 after');
  });

  it('stays unsubscribed if it matches nothing: 0', async () => {
    await client.createTopic('t');
    expect(await client.subscribe(['none'])).toBe(0);
    expect(await client.subscribe([])).toBe(0);
    expect(await rejection(client.poll())).toMatchObject(notFound);
    expect(await client.subscribe(['t'])).toBe(1);
  });
});

describe('unsubscribe', () => {
  it('returns 0, and fails if nothing is subscribed', async () => {
    await client.createTopic('t');
    expect(() => client.unsubscribe()).toThrow(expect.objectContaining(notFound));
    await client.subscribe(['t']);
    expect(client.unsubscribe()).toBe(0);
    expect(() => client.unsubscribe()).toThrow(expect.objectContaining(notFound));
    expect(await client.subscribe(['t'])).toBe(1);
  });
});

describe('position', () => {
  it("is this client's offset; of a topic that it is not subscribed to it fails", async () => {
    await client.createTopic('t');
    await client.createTopic('other');
    await client.subscribe(['t']);
    await client.sendMsg('t', 'a');
    expect(client.position('t')).toBe(0);
    await client.poll();
    expect(client.position('t')).toBe(1);
    expect(() => client.position('other')).toThrow(expect.objectContaining(notFound));
    expect(() => client.position('none')).toThrow(expect.objectContaining(notFound));
    client.unsubscribe();
    expect(() => client.position('t')).toThrow(expect.objectContaining(notFound));
  });
});

describe('seek', () => {
  it('returns 0, and is not checked: past the end or below 0 there is nothing', async () => {
    await client.createTopic('t');
    await client.sendMsg('t', 'a');
    await client.sendMsg('t', 'b');
    await client.subscribe(['t']);
    expect(client.seek('t', 0)).toBe(0);
    expect(await poll()).toBe('t 0 a');
    expect(client.seek('t', 100)).toBe(0);
    expect(client.position('t')).toBe(100);
    expect(await poll()).toBeNull();
    expect(client.seek('t', -5)).toBe(0);
    expect(client.position('t')).toBe(-5);
    expect(await poll()).toBeNull();
    expect(client.seek('t', 1)).toBe(0);
    expect(await poll()).toBe('t 1 b');
  });

  it('fails if it is not subscribed to the topic', async () => {
    await client.createTopic('t');
    expect(() => client.seek('t', 0)).toThrow(expect.objectContaining(notFound));
  });
});

describe('poll', () => {
  it('gives a message, its topic and offset; null if there is none now', async () => {
    await client.createTopic('t');
    await client.subscribe(['t']);
    expect(await client.poll()).toBeNull();
    await client.sendMsg('t', Uint8Array.of(0, 1, 255));
    expect(await client.poll()).toEqual({ topic: 't', msg: Uint8Array.of(0, 1, 255), offset: 0 });
    expect(await client.poll()).toBeNull();
    const large = new Uint8Array(500_000).fill(7);
    await client.sendMsg('t', large);
    const last = await client.poll();
    expect([last?.offset, Buffer.compare(last?.msg ?? large.subarray(1), large)]).toEqual([1, 0]);
  });

  it('fails if it is not subscribed', async () => {
    expect(await rejection(client.poll())).toMatchObject(notFound);
  });

  it('tells once of a topic that was deleted, and goes on with the others', async () => {
    for (const topic of ['gone', 'kept']) await client.createTopic(topic);
    await client.subscribe(['gone', 'kept']);
    await client.sendMsg('kept', 'a');
    await kaska.deleteTopic('gone');
    await client.createTopic('gone');
    await client.sendMsg('gone', 'of another');
    const polled = await Promise.allSettled([poll(), poll(), poll()]);
    const told = polled.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject(notFound);
    expect(told[0]?.message).toContain("The topic 'gone' was deleted");
    const given = polled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(new Set(given)).toEqual(new Set(['kept 0 a', null]));
    expect(() => client.position('gone')).toThrow(expect.objectContaining(notFound));
    expect(client.position('kept')).toBe(1);
  });

  it('of a client whose only topic was deleted says that it is not subscribed; it can subscribe again', async () => {
    await client.createTopic('t');
    await client.subscribe(['t']);
    await kaska.deleteTopic('t');
    expect((await rejection(poll())).message).toContain("The topic 't' was deleted");
    const error = await rejection(poll());
    expect(error).toMatchObject(notFound);
    expect(error.message).toContain('not subscribed to anything');
    await client.createTopic('t');
    expect(await client.subscribe(['t'])).toBe(1);
    await client.sendMsg('t', 'new');
    expect(await poll()).toBe('t 0 new');
  });

  it('asks the topics in turn, beginning behind the one that gave last, and advances that one only', async () => {
    for (const topic of ['a', 'b', 'c']) await client.createTopic(topic);
    await client.subscribe(['a', 'b', 'c']);
    for (let i = 0; i < 3; i += 1) await client.sendMsg('a', `${i}`);
    await client.sendMsg('c', '0');
    expect(await poll()).toBe('a 0 0');
    expect(client.position('c')).toBe(0);
    expect(await poll()).toBe('c 0 0');
    await client.sendMsg('b', '0');
    expect(await poll()).toBe('a 1 1');
    expect(await poll()).toBe('b 0 0');
    expect(await poll()).toBe('a 2 2');
    expect(await poll()).toBeNull();
  });

  it('skips null and empty values, which others may store, and counts them', async () => {
    await client.createTopic('t');
    await client.subscribe(['t']);
    await kaska.topic('t').appendBatch([null, '', 'x']);
    expect(await poll()).toBe('t 2 x');
    expect(client.position('t')).toBe(3);
    expect(await texts(kaska.topic('t'))).toEqual(['', '', 'x']);
  });

  it('goes round all partitions of a topic; the calls with offsets mean partition 0', async () => {
    const topic = await kaska.createTopic('t', { partitions: 3 });
    await client.subscribe(['t']);
    for (let partition = 0; partition < 3; partition += 1) {
      await topic.append(`${partition}`, { partition });
    }
    const polled = [await poll(), await poll(), await poll()];
    expect(new Set(polled)).toEqual(new Set(['t 0 0', 't 0 1', 't 0 2']));
    expect(await client.sendMsg('t', 'x')).toBe(1);
    expect(await client.endOffset('t')).toBe(2);
  });

  it('is of this client alone', async () => {
    const other = kaska.client();
    await client.createTopic('t');
    await client.subscribe(['t']);
    await other.subscribe(['t']);
    await client.sendMsg('t', 'a');
    expect(await poll()).toBe('t 0 a');
    expect(other.position('t')).toBe(0);
    expect(await poll(other)).toBe('t 0 a');
  });
});

describe('commit and commited', () => {
  it('store an offset by client and topic, without a look at it or a subscription', async () => {
    await client.createTopic('t');
    expect(await client.commit('me', 't', 1000)).toBe(0);
    expect(await client.commited('me', 't')).toBe(1000);
    expect(await client.commit('me', 't', 3)).toBe(0);
    expect(await client.commited('me', 't')).toBe(3);
  });

  it('fail for a topic, and for a client, that there is not', async () => {
    await client.createTopic('t');
    await client.createTopic('other');
    expect(await rejection(client.commit('me', 'none', 0))).toMatchObject(notFound);
    expect(await rejection(client.commited('me', 'none'))).toMatchObject(notFound);
    expect(await rejection(client.commited('me', 't'))).toMatchObject(notFound);
    await client.commit('me', 't', 1);
    expect(await rejection(client.commited('you', 't'))).toMatchObject(notFound);
    expect(await rejection(client.commited('me', 'other'))).toMatchObject(notFound);
  });

  it('survive that the log is opened again; subscription and offsets do not', async () => {
    const dir = await logs.folder();
    const first = await logs.open({ dir });
    await first.createTopic('t');
    await first.client().sendMsg('t', 'a');
    await first.client().commit('me', 't', 1);
    await first.close();
    const second = (await logs.open({ dir })).client();
    expect(await second.commited('me', 't')).toBe(1);
    expect(await second.endOffset('t')).toBe(1);
    expect(() => second.position('t')).toThrow(expect.objectContaining(notFound));
  });
});

describe('names of topics', () => {
  it('have 1 to 65,534 bytes, and are never paths', async () => {
    const longest = 'ä'.repeat(32_767);
    for (const name of ['x', longest, '../../etc', '.', '..', 'a/b', 'C:\\', 'CON', ' ', '\n']) {
      expect(await client.createTopic(name)).toBe(0);
      expect(await client.sendMsg(name, 'm')).toBe(0);
      expect(await client.endOffset(name)).toBe(1);
    }
    for (const name of ['', `${longest}a`, 'a\0b', '\ud800', 5 as never]) {
      expect(await rejection(client.createTopic(name))).toMatchObject({
        code: 'ERR_CHASKI_INVALID_ARGUMENT',
      });
    }
    expect(await client.ntopics()).toBe(10);
  });
});
