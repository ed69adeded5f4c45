// @ts-check
import { parseArgs } from 'node:util';

export const HELP = `npm run bench -- [options]

  --quick               the targets only, in about two minutes; shows the order of things, not the last digit
  --only a,b            cases whose id contains one of these
  --with a,b            contenders whose name starts with one of these
  --runs N              runs of each contender, in turn (default 5; quick: 3)
  --seconds S           timed window of a run (default 1; quick: 0.35)
  --warmup S            before it (default 0.6; quick: 0.3)
  --list                shows cases and contenders, measures nothing
`;

/** @param {string[]} args */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      with: { type: 'string' },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      warmup: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  return {
    quick,
    list: values.list,
    help: values.help,
    only: values.only?.split(','),
    with: values.with?.split(','),
    runs: positive(values.runs, quick ? 3 : 5),
    seconds: positive(values.seconds, quick ? 0.35 : 1),
    warmup: positive(values.warmup, quick ? 0.3 : 0.6),
  };
}

/** @param {string | undefined} text @param {number} otherwise */
function positive(text, otherwise) {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`not a positive number: ${text}`);
  return value;
}
