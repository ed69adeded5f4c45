// What people are shown: of an object of ours by `console.log()`, and of what somebody else threw.
import { inspect } from 'node:util';
import type { InspectOptions } from 'node:util';

/**
 * `console.log()` shows instances of `type` as `name` and those of their parts that mean something to people. Not a method, because
 * declarations cannot name its symbol.
 */
export function showAs<T extends object>(
  type: { readonly prototype: T },
  name: string,
  parts: (shown: T) => object,
): void {
  Object.defineProperty(type.prototype, inspect.custom, {
    value(this: T, depth: number, options: InspectOptions): string {
      if (depth < 0) return `[${name}]`;
      return `${name} ${inspect(parts(this), { ...options, depth })}`;
    },
  });
}

/** What `read` returns, or, where it throws, something that shows the code, or the name, of the error. */
export function shownOr(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    const { code, name } = error as { code?: unknown; name?: unknown };
    const told = `<${String(code ?? name)}>`;
    return { [inspect.custom]: (): string => told };
  }
}

/** What was thrown, in a line of at most 200 characters. Never throws. */
export function briefly(thrown: unknown): string {
  try {
    const text = thrown instanceof Error ? String(thrown) : inspect(thrown, { depth: 0 });
    const line = text.split('\n', 1)[0] ?? '';
    return line.length > 200 ? `${line.slice(0, 200)}…` : line;
  } catch {
    return 'something that cannot be shown';
  }
}

/** What was thrown, as Node prints it, but no more than the first lines. Never throws. */
export function inLines(thrown: unknown): string {
  try {
    return inspect(thrown, { depth: 1 })
      .split('\n')
      .slice(0, mostLines)
      .join('\n')
      .slice(0, mostText);
  } catch {
    return briefly(thrown);
  }
}

const mostLines = 8;
const mostText = 2000;
