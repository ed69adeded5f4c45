// What is done to a log by chance, and to a model of it.
import fc from 'fast-check';

/** A record as the model has it; a time that nobody gave is not known. */
export interface Stored {
  readonly value: string | null;
  readonly key: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
  readonly time: number | undefined;
}

const names = ['a', 'b', 'c', '../d'];
export const clients = ['me', 'you'];
const writers = ['loader', 'other'];

const topic = fc.constantFrom(...names);
const partition = fc.nat(2);
const time = fc.integer({ min: -5, max: 40 }).map((n) => n * 1000);
/** Now and then so long that segments follow each other. */
const text = fc.oneof(
  { weight: 30, arbitrary: fc.string({ maxLength: 40, unit: 'binary' }).map(scalars) },
  { weight: 2, arbitrary: fc.nat(300_000).map((length) => 'x'.repeat(length)) },
);
const stored = fc.record({
  value: fc.option(text, { freq: 8 }),
  key: fc.option(fc.constantFrom('', 'k', 'key of more', 'ä'), { freq: 2 }),
  headers: fc.array(fc.tuple(fc.constantFrom('', 'h', 'ü'), fc.option(text, { freq: 4 })), {
    maxLength: 2,
  }),
  time: fc.option(time, { nil: undefined, freq: 10 }),
});
const acks = fc.constantFrom('all' as const, 'all' as const, 1 as const);

const create = fc.record({
  is: fc.constant('create' as const),
  topic,
  partitions: fc.constantFrom(1, 1, 2, 3),
  compression: fc.constantFrom('none', 'none', 'lz4', 'zstd', 'gzip', 'snappy'),
  flush: fc.constantFrom('always', 'always', 'os'),
});

const step = fc.oneof(
  { weight: 3, arbitrary: create },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('delete' as const), topic }) },
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant('append' as const),
      topic,
      partition: fc.option(partition, { nil: undefined }),
      records: fc.array(stored, { minLength: 1, maxLength: 8 }),
      acks,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant('batch' as const),
      topic,
      partition,
      records: fc.array(stored, { maxLength: 12 }),
      acks,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('packed' as const),
      topic,
      partition,
      values: fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 12 }),
      acks,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      is: fc.constant('named' as const),
      topic,
      writer: fc.constantFrom(...writers),
      partition,
      ahead: fc.integer({ min: -6, max: 1 }),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      is: fc.constant('read' as const),
      topic,
      partition,
      from: fc.integer({ min: -1, max: 30 }),
      by: fc.constantFrom('records', 'batches'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('time' as const), topic, partition, time }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('commit' as const),
      client: fc.constantFrom(...clients),
      topic,
      partition,
      offset: fc.nat(20),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('follow' as const), topic, partition }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('advance' as const), count: fc.nat(5) }) },
  {
    weight: 3,
    arbitrary: fc.record({ is: fc.constant('subscribe' as const), topics: fc.subarray(names) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('unsubscribe' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('seek' as const),
      topic,
      offset: fc.integer({ min: -2, max: 20 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ is: fc.constant('poll' as const), count: fc.nat(6) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('send' as const),
      topic,
      value: fc.string({ maxLength: 10 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('reopen' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constantFrom('force' as const, 'kill' as const),
      topic,
      records: fc.array(fc.tuple(partition, fc.string({ maxLength: 300 })), { maxLength: 40 }),
    }),
  },
);

/** Something to do with a log. */
export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
/** That one of them. */
export type Of<Is extends Step['is']> = Extract<Step, { is: Is }>;

/** A sequence of them, which begins with topics. */
export function steps(maxLength: number): fc.Arbitrary<Step[]> {
  const made = fc.array(create, { minLength: 2, maxLength: 4, size: 'max' });
  const done = fc.array(step, { minLength: 1, maxLength, size: 'max' });
  return fc.tuple(made, done).map((both) => both.flat());
}

/** What UTF-8 can say: no half of a pair. */
function scalars(value: string): string {
  return Buffer.from(value).toString();
}
