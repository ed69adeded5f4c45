// @ts-check
// The command line. parseOptions() turns arguments into a value that the rest of the program need not check again, or throws a
// UsageError that says which argument is wrong.

import { parseArgs } from 'node:util';
import { printable } from './failure.mjs';

export const USAGE = `Usage: npm start -- [options] [file ... | -]

Ingests records through net-queue into a Kaska log: producer processes put them one by one, a consumer process appends them to
topics on disk and acknowledges them after fsync. At the end every record in the log is compared with its source. The next run
goes on at the next offset.

  file ...          files to ingest, a record a line (a line over 16 MiB travels in pieces)
  -                 ingests standard input
                    without either: the cities of the world, again and again

  --producers N     producer processes, 1 to 64                     default 2
  --bytes SIZE      stop after so much: 5000000, 64MiB, 1GiB        default 1GiB for the cities, else no bound
  --seconds N       stop after so long                              default 20 for the cities, else no bound
  --out DIR         the folder of the log                           default: examples/ingest/.data
  --fresh           begin with an empty log in the default folder
  --crash[=N]       kill the consumer N times on the way, 1 to 100  default 5
  --stall-seconds N fail when nothing has moved for so long         default 30
  --unix            connect through a UNIX socket                   default: TCP on the loopback interface
  --help            show this
`;

const MOST_PRODUCERS = 64;
const MOST_CRASHES = 100;
/** Of --crash alone. */
const CRASHES = 5;
const UNITS = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** No bound on bytes; a number, since it travels as JSON. */
export const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/**
 * @typedef {object} Options
 * @property {'cities' | 'files' | 'stdin'} input
 * @property {string[]} files as the user named them
 * @property {number} producers
 * @property {number} bytes
 * @property {number} seconds may be Infinity
 * @property {number} stallSeconds
 * @property {string | undefined} out
 * @property {boolean} fresh
 * @property {number} crashes
 * @property {boolean} unix
 * @property {boolean} help
 */

export class UsageError extends Error {}

/**
 * @param {readonly string[]} args
 * @returns {Options}
 */
export function parseOptions(args) {
  const { values, positionals } = parse(args);
  if (positionals.includes('-') && positionals.length > 1) {
    throw new UsageError("'-' is standard input and stands alone, not beside files");
  }
  if (positionals.includes('')) throw new UsageError('a file name is empty');
  if (values.out === '') throw new UsageError('--out needs the name of a folder');
  if (values.out !== undefined && values.fresh) {
    throw new UsageError('--fresh empties the default folder only, not one that --out names');
  }
  const input = positionals.length === 0 ? 'cities' : positionals[0] === '-' ? 'stdin' : 'files';
  const cities = input === 'cities';
  return {
    input,
    files: input === 'files' ? positionals : [],
    producers:
      values.producers === undefined ? 2 : whole('--producers', values.producers, MOST_PRODUCERS),
    bytes: values.bytes === undefined ? (cities ? 2 ** 30 : UNBOUNDED) : size(values.bytes),
    seconds: values.seconds === undefined ? (cities ? 20 : Infinity) : seconds(values.seconds),
    stallSeconds:
      values['stall-seconds'] === undefined
        ? 30
        : seconds(values['stall-seconds'], '--stall-seconds'),
    out: values.out,
    fresh: values.fresh ?? false,
    crashes: values.crash === undefined ? 0 : whole('--crash', values.crash, MOST_CRASHES),
    unix: values.unix ?? false,
    help: values.help ?? false,
  };
}

/** @param {readonly string[]} args */
function parse(args) {
  try {
    return parseArgs({
      // The only option whose value may be left out.
      args: args.map((arg) => (arg === '--crash' ? `--crash=${CRASHES}` : arg)),
      allowPositionals: true,
      options: {
        producers: { type: 'string' },
        bytes: { type: 'string' },
        seconds: { type: 'string' },
        'stall-seconds': { type: 'string' },
        out: { type: 'string' },
        fresh: { type: 'boolean' },
        crash: { type: 'string' },
        unix: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(printable(/** @type {Error} */ (error).message), { cause: error });
  }
}

/**
 * @param {string} option
 * @param {string} text
 * @param {number} most
 */
function whole(option, text, most) {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= 1 && value <= most) return value;
  throw new UsageError(`${option} ${printable(text)}: a whole number from 1 to ${most} is needed`);
}

/** @param {string} text */
function size(text) {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text) ?? [];
  const factor = UNITS[/** @type {keyof typeof UNITS} */ (unit.toUpperCase() || 'B')];
  const value = factor && digits ? Math.floor(Number(digits) * factor) : NaN;
  if (value >= 1 && value <= UNBOUNDED) return value;
  throw new UsageError(
    `--bytes ${printable(text)}: a size such as 5000000, 64MiB or 1GiB is needed`,
  );
}

/**
 * @param {string} text
 * @param {string} [option]
 */
function seconds(text, option = '--seconds') {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value > 0 && value <= 2_000_000) return value;
  throw new UsageError(`${option} ${printable(text)}: a number above 0 is needed`);
}
