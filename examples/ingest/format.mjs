// @ts-check
// Numbers as people read them.

const INTEGER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const UNITS = ['byte', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** 1234567 → '1,234,567' @param {number} value */
export const count = (value) => INTEGER.format(value);

/**
 * 1 → '1 record', 2 → '2 records'
 * @param {number} value
 * @param {string} noun
 */
export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;

/** 1 → '1 byte', 1536 → '1.50 KiB' @param {number} value */
export function bytes(value) {
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? plural(value, 'byte') : `${digits(value)} ${UNITS[unit]}`;
}

/** Bytes a second → '172 MB/s' @param {number} value */
export const megabytes = (value) => `${digits(value / 1e6)} MB/s`;

/** 0.25 → '250 µs', 12.34 → '12.3 ms', 61000 → '1 min 1 s' @param {number} ms */
export function duration(ms) {
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`;
  if (ms < 999.5) return `${digits(ms)} ms`;
  if (ms < 59_950) return `${digits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Three digits: 1.23, 12.3, 123. @param {number} value */
function digits(value) {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}
