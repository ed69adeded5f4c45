// @ts-check
// What is measured: cases, each with the contenders that can take part in it.

const SIZES = {
  '16b': 16,
  '64b': 64,
  '1kib': 1_024,
  '64kib': 65_536,
  '1mib': 1_048_576,
  '8mib': 8_388_608,
};
const RATES = { '1k': 1_000, '10k': 10_000, '100k': 100_000 };
const FLOOD_SIZE = 1_024;
const HOSTS = ['chaski-thread', 'chaski-loop'];
const PYTHON = ['python', 'python-to-chaski'];
const TLS = ['chaski-tls', 'slab-tls'];
const LOGS = ['sqlite', 'sqlite-together', 'redis-streams', 'jetstream-file'];
/** Who can leave out the sync. */
const UNSYNCED = ['kaska', 'kaska-array', 'raw-log', 'sqlite-together'];
const PLAIN = ['chaski-plain-thread', 'chaski-plain-loop'];

/**
 * @typedef {object} Case
 * @property {string} id
 * @property {string} title
 * @property {import('./lib/peer.mjs').Mode} mode
 * @property {number} size
 * @property {number} [rate]
 * @property {import('./lib/log-run.mjs').LogLoad} [log] what a log is asked to do
 * @property {'rate' | 'latency' | 'growth' | 'idle' | 'log' | 'log-latency' | 'log-opening' | 'log-idle'} kind which table it makes
 * @property {string[]} [field] who takes part; everybody who can if absent
 * @property {string[]} [quick] who takes part with --quick; nobody if absent
 */

/** @type {Record<string, string[]>} */
const QUICK = {
  '64b-batch': [...HOSTS, ...PLAIN, 'slab', 'slab-columns', ...TLS],
  '64b-callback': [...HOSTS, 'slab', 'ws', 'zeromq', 'nats'],
  '64b-iterate': [...HOSTS, 'slab'],
  '64b-acked-all': [...HOSTS, 'slab', 'jetstream', 'bullmq', 'grpc'],
  '64b-acked-each': [...HOSTS, 'slab'],
  '1mib-callback': [
    ...HOSTS,
    'slab',
    'slab-joined',
    ...TLS,
    'zeromq',
    'ws',
    'ws-client',
    'raw-64k',
    'raw-1m',
  ],
  '64b-echo': [...HOSTS, 'slab'],
  '100b-callback': [...HOSTS, ...PYTHON],
  '8mib-callback': [...HOSTS, ...PYTHON],
  'flood-put': HOSTS,
  'flood-try': HOSTS,
  idle: ['idle'],
  'log-idle': ['log-idle'],
  'log-append-sync-1': ['kaska', 'raw-log', ...LOGS],
  'log-append-sync-8': ['kaska', 'raw-log', ...LOGS],
  'log-records-sync': ['kaska', 'raw-log', ...LOGS],
  'log-append': ['kaska', 'kaska-array', 'raw-log'],
  'log-read-batches': ['kaska', 'raw-log'],
  'log-read-views': ['kaska'],
  'log-single': ['kaska', 'raw-log'],
  'log-single-sync': ['kaska', 'raw-log', ...LOGS],
  'log-open-killed': ['kaska'],
};

/** @type {Case[]} */
export const cases = [
  {
    id: 'idle',
    title: 'Idle processes',
    mode: /** @type {const} */ ('idle'),
    size: 64,
    kind: /** @type {const} */ ('idle'),
  },
  ...oneWay('callback', 'one put and one callback with a view a message', Object.keys(SIZES)),
  {
    id: '100b-callback',
    title: '100 B one way, one put and one callback a message, beside the Python package',
    mode: /** @type {const} */ ('callback'),
    size: 100,
    kind: /** @type {const} */ ('rate'),
    field: [...HOSTS, ...PYTHON],
  },
  ...oneWay('batch', 'batches, no views', ['16b', '64b', '1kib', '64kib']),
  ...oneWay('iterate', 'one put and one step of `for await` a message (slab: callback)', [
    '64b',
    '1kib',
  ]),
  ...oneWay('acked-each', 'a promise for each message, windows of 4,096 awaited one by one', [
    '64b',
    '1kib',
  ]),
  ...oneWay('acked-all', 'a promise for each message, windows of 4,096 awaited with Promise.all', [
    '64b',
    '1kib',
  ]),
  ...Object.keys(SIZES)
    .slice(1, 3)
    .map((name) => timed(`${name}-echo`, `${label(name)} round trips, closed loop`, 'echo', name)),
  ...Object.entries(RATES).map(([name, rate]) =>
    timed(
      `64b-paced-${name}`,
      `64 B one way, open loop, ${name} messages/s, from the intended time`,
      'paced',
      '64b',
      rate,
    ),
  ),
  flood('flood-put', '10 GB offered to a paused consumer by un-awaited put()'),
  flood('flood-try', '10 GB offered to a paused consumer by trySend()'),
  ...logs(),
].map((one) => ({ ...one, quick: QUICK[one.id] }));

/** @param {import('./lib/peer.mjs').Mode} mode @param {string} what @param {string[]} names @returns {Case[]} */
function oneWay(mode, what, names) {
  return names.map((name) => ({
    id: `${name}-${mode}`,
    title: `${label(name)} one way, ${what}`,
    mode,
    size: size(name),
    kind: 'rate',
  }));
}

/** @param {string} id @param {string} title @param {import('./lib/peer.mjs').Mode} mode @param {string} name @param {number} [rate] @returns {Case} */
function timed(id, title, mode, name, rate) {
  return { id, title, mode, size: size(name), kind: 'latency', rate };
}

/** @param {'flood-put' | 'flood-try'} mode @param {string} title @returns {Case} */
function flood(mode, title) {
  return { id: mode, title, mode, size: FLOOD_SIZE, kind: 'growth' };
}

/** Records of 100 B in a log. @returns {Case[]} */
function logs() {
  const sync = { batch: 100, durable: true };
  const read = { batch: 100, inFlight: 8, durable: false, bytes: 2 ** 28 };
  const left = { ...read, batch: 10_000 };
  /** @param {string} id @param {string} title @param {Case['kind']} kind @param {import('./lib/peer.mjs').LogMode} mode @param {import('./lib/log-run.mjs').LogLoad} log */
  const one = (id, title, kind, mode, log) => ({
    id,
    title,
    mode,
    size: 100,
    kind,
    log,
    field: log.durable ? undefined : UNSYNCED,
  });
  return [
    {
      id: 'log-idle',
      title: 'A process that does nothing',
      mode: 'log-idle',
      size: 100,
      kind: 'log-idle',
      log: { ...read, bytes: 0 },
    },
    ...[1, 8].map((inFlight) =>
      one(
        `log-append-sync-${inFlight}`,
        `Batches of 100 records of 100 B, ${inFlight} in flight, each synced before it is acknowledged`,
        'log',
        'log-append',
        { ...sync, inFlight },
      ),
    ),
    one(
      'log-records-sync',
      'Single records of 100 B by 256 callers, each synced before it is acknowledged',
      'log',
      'log-append',
      { batch: 1, inFlight: 256, durable: true },
    ),
    one(
      'log-append',
      'Batches of 100 records of 100 B, 8 in flight, not synced',
      'log',
      'log-append',
      {
        ...sync,
        durable: false,
        inFlight: 8,
      },
    ),
    one(
      'log-read-batches',
      'Reading 256 MiB from the page cache, batches',
      'log',
      'log-read',
      read,
    ),
    one(
      'log-read-views',
      'Reading 256 MiB from the page cache, a view a record',
      'log',
      'log-read',
      {
        ...read,
        views: true,
      },
    ),
    one('log-single', 'One record of 100 B, awaited, not synced', 'log-latency', 'log-single', {
      batch: 1,
      inFlight: 1,
      durable: false,
    }),
    one('log-single-sync', 'One record of 100 B, awaited, synced', 'log-latency', 'log-single', {
      batch: 1,
      inFlight: 1,
      durable: true,
    }),
    one('log-open-killed', 'Opening 1 GiB after SIGKILL', 'log-opening', 'log-open', {
      ...left,
      bytes: 2 ** 30,
      left: 'killed',
    }),
    one('log-open-clean', 'Opening 10 GiB that were closed in order', 'log-opening', 'log-open', {
      ...left,
      bytes: 10 * 2 ** 30,
      left: 'clean',
    }),
  ];
}

/** @param {string} name */
function size(name) {
  return SIZES[/** @type {keyof typeof SIZES} */ (name)];
}

/** @param {string} name */
function label(name) {
  return name
    .replace(/^(\d+)b$/, '$1 B')
    .replace(/^(\d+)kib$/, '$1 KiB')
    .replace(/^(\d+)mib$/, '$1 MiB');
}
