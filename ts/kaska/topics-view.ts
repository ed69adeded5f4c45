import { showAs } from '../shared/shown.ts';
import type { Topic } from './topic.ts';

/** What users see of a map of topics: it changes as the map does, and nobody can change it. */
export class TopicsView implements ReadonlyMap<string, Topic> {
  readonly #topics: ReadonlyMap<string, Topic>;

  static {
    showAs(this, 'Topics', (view) => new Map(view));
  }

  constructor(topics: ReadonlyMap<string, Topic>) {
    this.#topics = topics;
  }

  get size(): number {
    return this.#topics.size;
  }

  get(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  has(name: string): boolean {
    return this.#topics.has(name);
  }

  forEach(
    callback: (topic: Topic, name: string, topics: ReadonlyMap<string, Topic>) => void,
    thisArg?: unknown,
  ): void {
    for (const [name, topic] of this.#topics) callback.call(thisArg, topic, name, this);
  }

  keys(): MapIterator<string> {
    return this.#topics.keys();
  }

  values(): MapIterator<Topic> {
    return this.#topics.values();
  }

  entries(): MapIterator<[string, Topic]> {
    return this.#topics.entries();
  }

  [Symbol.iterator](): MapIterator<[string, Topic]> {
    return this.#topics[Symbol.iterator]();
  }
}
