// @ts-check

/** @typedef {{ median: number, min: number, max: number, runs: number }} Spread */

/** @param {(number | undefined)[]} values @returns {Spread | undefined} undefined without a single number */
export function spread(values) {
  const sorted = values
    .filter((value) => value !== undefined && Number.isFinite(value))
    .toSorted((a, b) => Number(a) - Number(b));
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]].map(Number);
  return {
    median: (low + high) / 2,
    min: Number(sorted[0]),
    max: Number(sorted.at(-1)),
    runs: sorted.length,
  };
}

/**
 * Quotients of runs that were made in the same round, so that drift of the machine hits both.
 * @param {(number | undefined)[]} above @param {(number | undefined)[]} below @returns {Spread | undefined}
 */
export function quotients(above, below) {
  return spread(
    above.map((value, round) => {
      const divisor = below[round];
      return value === undefined || divisor === undefined ? undefined : value / divisor;
    }),
  );
}
