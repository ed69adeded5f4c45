// Callbacks of results are called when the calls under way have ended, as the reactions of promises are, and in the order in
// which the results were settled. So none is called in the middle of a put, and each may put, close and what else it likes.

/** Something that calls somebody's callback. */
export interface Reaction {
  /** Calls it. Never throws. */
  react(): void;
}

/** Has `reaction` react in a microtask, behind those that were given before. */
export function later(reaction: Reaction): void {
  // One microtask for all that settle together.
  if (due.length === 0) void settled.then(serve);
  due.push(reaction);
}

function serve(): void {
  const now = due;
  due = [];
  for (const reaction of now) reaction.react();
}

let due: Reaction[] = [];
const settled: Promise<void> = Promise.resolve();
