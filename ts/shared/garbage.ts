// Being told that an object was collected.

/**
 * Calls `then` some time after `object` was collected, or never; `then` must not hold `object`.
 *
 * All of the package share one registry that lives as long as the program. One that is itself collected while it has something to
 * tell ends the notices of every registry of the process, those of other packages and of Node too: V8 up to that of Node 22 posts
 * one task at a time, which finds nothing and does not say that it is done.
 */
export function whenCollected(object: WeakKey, then: () => void): void {
  registry.register(object, then);
}

const registry: FinalizationRegistry<() => void> = new FinalizationRegistry((then) => {
  then();
});
