// @ts-check
// What chaski must reach, as ratios within one benchmark run.

const HOSTS = ['chaski-thread', 'chaski-loop'];

/**
 * @typedef {object} Target
 * @property {string} what
 * @property {'at least' | 'at most'} sense
 * @property {number} floor
 * @property {string} unit
 * @property {(results: import('./lib/results.mjs').Results) => import('./lib/stats.mjs').Spread | undefined} measure
 * @property {boolean} [worst] the worst run decides, not the median
 */

/** @type {Target[]} */
export const targets = [
  ...rates('64b-batch', '64 B batches', [['slab', 1.3]]),
  cpu('64b-batch', '64 B batches', 'slab', 'chaski-thread'),
  ...rates('64b-callback', '64 B put and callback', [
    ['slab', 1],
    ['ws', 5],
    ['zeromq', 20],
    ['nats', 10],
  ]),
  ...rates('64b-iterate', '64 B put and for await', [['slab', 0.7]]),
  ...rates('64b-acked-each', '64 B acked, awaited one by one', [['slab', 0.8]]),
  ...rates('64b-acked-all', '64 B acked, Promise.all', [
    ['slab', 0.8],
    ['jetstream', 50],
    ['bullmq', 50],
    ['grpc', 100],
  ]),
  ...rates('1mib-callback', '1 MiB', [
    ['slab', 1.2],
    ['slab-joined', 1.2],
    ['zeromq', 1.2],
    ['ws', 6],
    ['ws-client', 6],
  ]),
  ...rates('100b-callback', '100 B', [['python', 100]]),
  ...rates('8mib-callback', '8 MiB', [['python', 2]]),
  rate(
    '8 MiB, Python to chaski / Python to Python',
    ['8mib-callback', 'python-to-chaski'],
    ['8mib-callback', 'python'],
    1,
  ),
  cpu('1mib-callback', '1 MiB', 'slab', 'chaski-thread'),
  cpu('1mib-callback', '1 MiB', 'slab-joined', 'chaski-thread'),
  ...['thread', 'loop'].map((host) =>
    rate(
      `64 B batches, with sessions and signs of life / without, ${host}`,
      ['64b-batch', `chaski-${host}`],
      ['64b-batch', `chaski-plain-${host}`],
      0.85,
    ),
  ),
  rate(
    '64 B batches over TLS, chaski-tls / slab-tls',
    ['64b-batch', 'chaski-tls'],
    ['64b-batch', 'slab-tls'],
    1,
  ),
  cpu('64b-batch', '64 B batches over TLS', 'slab-tls', 'chaski-tls'),
  rate(
    '1 MiB over TLS, chaski-tls / slab-tls',
    ['1mib-callback', 'chaski-tls'],
    ['1mib-callback', 'slab-tls'],
    1.3,
  ),
  cpu('1mib-callback', '1 MiB over TLS', 'slab-tls', 'chaski-tls'),
  ratioOfRoundTrips('chaski-loop', 1.2),
  ratioOfRoundTrips('chaski-thread', 2.5),
  ...HOSTS.map(loopDelay),
  ...HOSTS.flatMap((host) => [
    growth('flood-put', 'put()', host),
    growth('flood-try', 'trySend()', host),
  ]),
  ...logs(),
];

/** @returns {Target[]} */
function logs() {
  const sync = ['log-append-sync-1', 'log-append-sync-8'];
  const [first, eight] = ['1 in flight, synced', '8 in flight, synced'];
  const named = (/** @type {number} */ i) => `batches of 100 x 100 B, ${i === 0 ? first : eight}`;
  return [
    ...sync.map((id, i) =>
      rate(`${named(i)}, kaska / raw-log`, [id, 'kaska'], [id, 'raw-log'], 0.9),
    ),
    floor(
      'batches of 100 x 100 B, not synced',
      'log-append',
      'rate',
      'at least',
      5,
      'M records/s',
      1e6,
    ),
    floor('reading batches', 'log-read-batches', 'rate', 'at least', 20, 'M records/s', 1e6),
    floor('reading, a view a record', 'log-read-views', 'rate', 'at least', 5, 'M records/s', 1e6),
    floor('single append p50, not synced', 'log-single', 'p50', 'at most', 20, 'µs', 1),
    {
      what: 'single append p50, synced, kaska / raw-log',
      sense: 'at most',
      floor: 1.5,
      unit: '×',
      measure: (results) =>
        results.quotient('p50', ['log-single-sync', 'kaska'], ['log-single-sync', 'raw-log']),
    },
    floor('opening 1 GiB after SIGKILL', 'log-open-killed', 'p50', 'at most', 1_000, 'ms', 1e3),
    floor('opening 10 GiB closed in order', 'log-open-clean', 'p50', 'at most', 50, 'ms', 1e3),
    ...sync.map((id) =>
      overIdle(
        `event-loop delay p99 over idle, ${id}`,
        ['log-idle', 'log-idle'],
        [id, 'kaska'],
        10,
      ),
    ),
    ...['sqlite', 'redis-streams', 'jetstream-file'].flatMap((peer) => [
      ...sync.map((id, i) => rate(`${named(i)}, kaska / ${peer}`, [id, 'kaska'], [id, peer], 5)),
      rate(
        `single records by 256 callers, synced, kaska / ${peer}`,
        ['log-records-sync', 'kaska'],
        ['log-records-sync', peer],
        5,
      ),
    ]),
  ];
}

/** A figure of Kaska's that is held against a number. @param {string} what @param {string} id @param {string} reading @param {Target['sense']} sense @param {number} least @param {string} unit @param {number} scale @returns {Target} */
function floor(what, id, reading, sense, least, unit, scale) {
  return {
    what,
    sense,
    floor: least,
    unit,
    measure: (results) => {
      const found = results.spread(id, 'kaska', reading);
      if (found === undefined) return undefined;
      const { median, min, max, runs } = found;
      return { median: median / scale, min: min / scale, max: max / scale, runs };
    },
  };
}

/** @param {string} id @param {string} what @param {[peer: string, floor: number][]} floors @returns {Target[]} */
function rates(id, what, floors) {
  return floors.flatMap(([peer, floor]) =>
    HOSTS.map((host) => rate(`${what}, ${host} / ${peer}`, [id, host], [id, peer], floor)),
  );
}

/** @param {string} what @param {[string, string]} above @param {[string, string]} below @param {number} floor @returns {Target} */
function rate(what, above, below, floor) {
  return {
    what,
    sense: 'at least',
    floor,
    unit: '×',
    measure: (results) => results.quotient('rate', above, below),
  };
}

/** @param {string} id @param {string} what @param {string} peer @param {string} host @returns {Target} */
function cpu(id, what, peer, host) {
  return {
    what: `${what}: JS-thread time a message, both sides, ${host} / ${peer}`,
    sense: 'at most',
    floor: 1 / 3,
    unit: '×',
    measure: (results) => results.quotient('bothJs', [id, host], [id, peer]),
  };
}

/** @param {string} host @param {number} floor @returns {Target} */
function ratioOfRoundTrips(host, floor) {
  return {
    what: `64 B round trip p50, ${host} / slab`,
    sense: 'at most',
    floor,
    unit: '×',
    measure: (results) => results.quotient('p50', ['64b-echo', host], ['64b-echo', 'slab']),
  };
}

/** @param {string} host @returns {Target} */
function loopDelay(host) {
  const what = `event-loop delay p99 of the consumer, 64 B put and callback, over idle, ${host}`;
  return overIdle(what, ['idle', 'idle'], ['64b-callback', host], 5);
}

/** @param {string} what @param {[id: string, contender: string]} still @param {[id: string, contender: string]} busy @param {number} most @returns {Target} */
function overIdle(what, still, busy, most) {
  return {
    what,
    sense: 'at most',
    floor: most,
    unit: 'ms',
    measure: (results) => {
      const idle = results.spread(...still, 'loopDelay')?.median;
      const loaded = results.spread(...busy, 'loopDelay');
      if (idle === undefined || loaded === undefined) return undefined;
      return {
        median: loaded.median - idle,
        min: loaded.min - idle,
        max: loaded.max - idle,
        runs: loaded.runs,
      };
    },
  };
}

/** @param {string} id @param {string} call @param {string} host @returns {Target} */
function growth(id, call, host) {
  return {
    what: `RSS growth of the worse side, consumer paused, 10 GB by ${call}, ${host}`,
    sense: 'at most',
    floor: 64,
    unit: 'MiB',
    worst: true,
    measure: (results) => results.spread(id, host, 'growth'),
  };
}

/** @param {Target} target @param {import('./lib/results.mjs').Results} results */
export function judge(target, results) {
  const measured = target.measure(results);
  if (measured === undefined) return { target, measured, reached: undefined };
  const atLeast = target.sense === 'at least';
  const decisive = target.worst ? (atLeast ? measured.min : measured.max) : measured.median;
  return {
    target,
    measured,
    reached: atLeast ? decisive >= target.floor : decisive <= target.floor,
  };
}
