/**
 * Whether anything in `root` is nested deeper than `most` levels, where what holds itself ends. In constant stack space: this is
 * for what a stranger has built.
 */
export function isDeeper(root: unknown, most: number): boolean {
  // Levels below each container that was looked at; 0 while it is being looked at.
  const heights = new Map<object, number>();
  const path: Step[] = [];
  const enter = (value: unknown): number => {
    const children = childrenOf(value);
    if (children === undefined) return 0;
    const known = heights.get(value as object);
    if (known !== undefined) return known;
    heights.set(value as object, 0);
    path.push({ container: value as object, children, height: 1 });
    return 0;
  };
  enter(root);
  for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
    if (path.length > most) return true;
    const { value, done } = step.children.next();
    if (done === true) {
      path.pop();
      heights.set(step.container, step.height);
      const parent = path.at(-1);
      if (parent !== undefined) parent.height = Math.max(parent.height, step.height + 1);
      continue;
    }
    const height = enter(value);
    if (path.length + height > most) return true;
    step.height = Math.max(step.height, height + 1);
  }
  return false;
}

interface Step {
  readonly container: object;
  readonly children: Iterator<unknown, unknown>;
  height: number;
}

function childrenOf(value: unknown): Iterator<unknown, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return Array.prototype.values.call(value);
  if (value instanceof Set) return value.values();
  if (value instanceof Map) return both(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  return Object.values(value).values();
}

function* both(map: Map<unknown, unknown>): Generator<unknown, void, undefined> {
  for (const [key, value] of map) {
    yield key;
    yield value;
  }
}
