// @ts-check
// SQLite by better-sqlite3, a row a record, WAL and synchronous=FULL: a transaction for each append. `sqlite-together` is an
// application that gathers what is in flight into one transaction, since SQLite blocks and shares no sync by itself.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { split } from '../lib/log-run.mjs';
import { packageVersion } from '../lib/versions.mjs';

const HERE = fileURLToPath(new URL('../', import.meta.url));
const ADDON = join(HERE, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node');

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'SQLite (better-sqlite3), WAL',
  topology: 'alone',
  modes: ['log-append', 'log-single'],
  variants: {
    sqlite: {},
    'sqlite-together': { env: { BENCH_TOGETHER: '1' }, modes: ['log-append'] },
  },
  version: () => packageVersion('better-sqlite3'),
  missing,
  log,
};

/** Its own installation would load a binary from outside of the registry: it is compiled here, with the headers of this Node. */
async function missing() {
  if (existsSync(ADDON)) return undefined;
  const prefix = dirname(dirname(process.execPath));
  if (!existsSync(join(prefix, 'include/node/node_version.h')))
    return `better-sqlite3 is compiled with the headers of Node, and there are none below ${prefix}/include`;
  const env = {
    ...process.env,
    npm_config_ignore_scripts: 'false',
    npm_config_build_from_source: 'true',
    npm_config_nodedir: prefix,
  };
  const { status } = spawnSync('npm', ['rebuild', 'better-sqlite3'], {
    cwd: HERE,
    env,
    stdio: 'ignore',
  });
  return status === 0 && existsSync(ADDON) ? undefined : 'better-sqlite3 could not be compiled';
}

/** @param {import('../lib/peer.mjs').Spec} spec @returns {Promise<import('../lib/log-run.mjs').Log>} */
async function log({ folder, log: load }) {
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(join(String(folder), 'log.sqlite'));
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${load?.durable ? 'FULL' : 'OFF'}`);
  database.exec('CREATE TABLE IF NOT EXISTS records (place INTEGER PRIMARY KEY, value BLOB)');
  const insert = database.prepare('INSERT INTO records (value) VALUES (?)');
  /** @type {Buffer[] | undefined} */
  let values;
  const store = database.transaction((/** @type {number} */ times) => {
    for (let i = 0; i < times; i++) for (const value of values ?? []) insert.run(value);
  });
  /** @param {import('../lib/log-run.mjs').Records} records @param {number} times */
  const append = (records, times) => {
    values ??= split(records);
    store(times);
    return Promise.resolve();
  };
  const together = process.env['BENCH_TOGETHER'] === '1';
  return {
    ...(together ? { appendTogether: append } : { append: (records) => append(records, 1) }),
    close: () => void database.close(),
  };
}
