import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Screen, fit, widthOf } from '../../../examples/ingest/screen.mjs';

class Terminal {
  text = '';
  isTTY?: boolean;
  columns: number;
  rows = 24;

  constructor(isTTY: boolean, columns = 40) {
    if (isTTY) this.isTTY = true;
    this.columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }

  /** What was written since the last time. */
  take(): string {
    const { text } = this;
    this.text = '';
    return text;
  }
}

function viewOf(...lines: string[]) {
  return { frame: () => lines, line: () => lines.join(' ') };
}

function screenOn(terminal: Terminal, environment: Record<string, string> = {}): Screen {
  vi.useFakeTimers();
  const screen = new Screen(terminal, environment);
  onTestFinished(() => {
    screen.settle();
    vi.useRealTimers();
  });
  return screen;
}

describe('a screen on a terminal', () => {
  it('redraws its frame in place, hides the cursor, and takes the frame away', () => {
    const terminal = new Terminal(true);
    const screen = screenOn(terminal);
    screen.show(viewOf('one', 'two'));
    expect(terminal.take()).toBe('\u001b[?25lone\ntwo\n');
    vi.advanceTimersByTime(150);
    expect(terminal.take()).toBe('\u001b[2A\r\u001b[0Jone\ntwo\n');
    screen.settle();
    expect(terminal.take()).toBe('\u001b[2A\r\u001b[0J\u001b[?25h');
    vi.advanceTimersByTime(1000);
    expect(terminal.take()).toBe('');
  });

  it('goes back over the lines that a narrower window has broken', () => {
    const terminal = new Terminal(true, 40);
    const screen = screenOn(terminal);
    screen.show(viewOf('x'.repeat(30), 'y'));
    terminal.take();
    terminal.columns = 20;
    screen.draw();
    expect(terminal.take()).toBe(`\u001b[3A\r\u001b[0J${'x'.repeat(18)}…\ny\n`);
  });

  it('never draws more lines than there are rows', () => {
    const terminal = new Terminal(true);
    terminal.rows = 3;
    const screen = screenOn(terminal);
    screen.show(viewOf('1', '2', '3', '4'));
    expect(terminal.take()).toBe('\u001b[?25l1\n2\n');
  });

  it('gives the cursor back when the process ends', () => {
    const terminal = new Terminal(true);
    const before = process.listeners('exit');
    const screen = screenOn(terminal);
    screen.show(viewOf('one'));
    const listener = process.listeners('exit').find((known) => !before.includes(known));
    terminal.take();
    listener?.(0);
    expect(terminal.take()).toBe('\u001b[?25h');
    screen.settle();
    expect(process.listeners('exit')).toEqual(before);
  });

  it('prints lines that stay in place of the frame', () => {
    const terminal = new Terminal(true);
    const screen = screenOn(terminal);
    screen.show(viewOf('one'));
    terminal.take();
    screen.print('done', '');
    expect(terminal.take()).toBe('\u001b[1A\r\u001b[0J\u001b[?25hdone\n\n');
  });

  it('has colours, unless NO_COLOR asks for none', () => {
    expect(new Screen(new Terminal(true), {}).paint('red', 'x')).toBe('\u001b[31mx\u001b[39m');
    expect(new Screen(new Terminal(true), { NO_COLOR: '' }).paint('red', 'x')).not.toBe('x');
    expect(new Screen(new Terminal(true), { NO_COLOR: '1' }).paint('red', 'x')).toBe('x');
  });
});

describe('a screen where there is no terminal', () => {
  it.each([
    ['a pipe', new Terminal(false), {}],
    ['a dumb terminal', new Terminal(true), { TERM: 'dumb' }],
  ])('prints a line a second: %s', (_, terminal, environment) => {
    const screen = screenOn(terminal, environment);
    screen.show(viewOf('one', 'two'));
    expect(terminal.take()).toBe('');
    vi.advanceTimersByTime(2000);
    expect(terminal.take()).toBe('one two\none two\n');
    screen.settle();
    expect(terminal.take()).toBe('');
    expect(screen.paint('red', 'x')).toBe('x');
  });
});

describe('fit', () => {
  it('cuts a line to columns, not to characters', () => {
    expect(fit('abcdef', 6)).toBe('abcdef');
    expect(fit('abcdef', 5)).toBe('abcd…');
    expect(fit('東京都庁', 5)).toBe('東京…');
    expect(fit('e\u0301e\u0301e\u0301', 3)).toBe('e\u0301e\u0301e\u0301');
    expect(fit('\u001b[31mabcdef\u001b[39m', 3)).toBe('\u001b[31mab…\u001b[0m');
  });

  it('counts columns', () => {
    expect(widthOf('\u001b[1mab\u001b[22m')).toBe(2);
    expect(widthOf('東京')).toBe(4);
    expect(widthOf('🚀')).toBe(2);
  });
});
