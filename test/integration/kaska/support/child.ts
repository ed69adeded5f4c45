// Other processes that use a log.
import { Child } from '../../net-queue/support/child.ts';
import type { ChildOptions } from '../../net-queue/support/child.ts';

/** Starts `program` of the fixtures of kaska. */
export function child(program: string, setup: object, options?: ChildOptions): Child {
  return new Child(new URL(`../fixtures/${program}`, import.meta.url), setup, options);
}
