// @ts-check
// The terminal. On one, a frame of lines is redrawn in place several times a second and leaves no trace when it ends; where there
// is none (a pipe, a file, a log), the same is told in plain lines, one a second. NO_COLOR, narrow windows and resizing are
// respected, and the cursor comes back whatever happens.

const FRAME_MS = 150;
const LINE_MS = 1000;

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ERASE_BELOW = '\u001b[0J';
const RESET = '\u001b[0m';
const up = (/** @type {number} */ rows) => (rows > 0 ? `\u001b[${rows}A` : '');

const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], cyan: [36, 39] };

/**
 * @typedef {(style: keyof typeof STYLES, text: string) => string} Paint
 */

/**
 * @typedef {object} View what a screen shows while something goes on
 * @property {(width: number, paint: Paint) => string[]} frame for a terminal
 * @property {() => string} line for a pipe
 */

/**
 * What a screen needs of process.stdout.
 * @typedef {object} Output
 * @property {(text: string) => unknown} write
 * @property {boolean} [isTTY]
 * @property {number} [columns]
 * @property {number} [rows]
 */

export class Screen {
  #output;
  /** @type {View | undefined} */
  #view;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** @type {string[]} the frame that stands on the terminal */
  #drawn = [];
  #showCursor = () => void this.#output.write(SHOW_CURSOR);

  /**
   * @param {Output} output
   * @param {Record<string, string | undefined>} environment
   */
  constructor(output, environment) {
    this.#output = output;
    this.interactive = output.isTTY === true && environment['TERM'] !== 'dumb';
    const colors = this.interactive && !environment['NO_COLOR'];
    /** @type {Paint} */
    this.paint = (style, text) =>
      colors ? `\u001b[${STYLES[style][0]}m${text}\u001b[${STYLES[style][1]}m` : text;
  }

  /** Shows a view until the next one, or until settle(). @param {View} view */
  show(view) {
    this.#view = view;
    if (this.#timer !== undefined) return;
    if (this.interactive) {
      this.#output.write(HIDE_CURSOR);
      process.on('exit', this.#showCursor);
      this.draw();
    }
    this.#timer = setInterval(() => this.draw(), this.interactive ? FRAME_MS : LINE_MS);
  }

  /** Ends the view and takes its frame away. */
  settle() {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#view = undefined;
    if (!this.interactive) return;
    this.#output.write(this.#erase() + SHOW_CURSOR);
    process.off('exit', this.#showCursor);
  }

  /** Prints lines that stay. @param {string[]} lines */
  print(...lines) {
    this.settle();
    this.#output.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Draws the view once. */
  draw() {
    if (!this.#view) return;
    if (!this.interactive) {
      this.#output.write(`${this.#view.line()}\n`);
      return;
    }
    const { columns = 80, rows = 24 } = this.#output;
    const frame = this.#view.frame(columns, this.paint);
    const lines = frame.slice(0, Math.max(1, rows - 1)).map((line) => fit(line, columns - 1));
    const erase = this.#erase();
    this.#drawn = lines;
    this.#output.write(erase + lines.map((line) => `${line}\n`).join(''));
  }

  /** The way back to where the frame began. A terminal that became narrower has broken its lines. */
  #erase() {
    const { columns = 80 } = this.#output;
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)),
      0,
    );
    this.#drawn = [];
    return up(rows) + (rows > 0 ? `\r${ERASE_BELOW}` : '');
  }
}

// oxlint-disable-next-line no-control-regex
const ESCAPES = /(\u001b\[[0-9;]*m)/;
const NARROW = /^[\p{M}\u200b-\u200f]$/u;
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/** Columns that a character takes. @param {string} character */
const columnsOf = (character) => (NARROW.test(character) ? 0 : WIDE.test(character) ? 2 : 1);

/** Columns that a line takes. @param {string} line */
export function widthOf(line) {
  let width = 0;
  for (const [i, part] of line.split(ESCAPES).entries()) {
    if (i % 2 === 0) for (const character of part) width += columnsOf(character);
  }
  return width;
}

/**
 * The line cut to `width` columns, its colours closed.
 * @param {string} line
 * @param {number} width
 */
export function fit(line, width) {
  if (widthOf(line) <= width) return line;
  let left = width - 1; // one for the ellipsis
  let result = '';
  for (const [i, part] of line.split(ESCAPES).entries()) {
    if (i % 2 === 1) {
      result += part;
      continue;
    }
    for (const character of part) {
      left -= columnsOf(character);
      if (left < 0) return `${result}…${line.includes('\u001b') ? RESET : ''}`;
      result += character;
    }
  }
  return result;
}
