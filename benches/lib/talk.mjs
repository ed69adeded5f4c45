// @ts-check
// What a child process tells the runner, by type.

/** Messages of one half; its failure rejects whatever is awaited. */
export class Talk {
  /** @type {Map<string, any>} */ #seen = new Map();
  /** @type {Map<string, { resolve: (message: any) => void, reject: (error: Error) => void }>} */ #waiting =
    new Map();
  /** @type {Error | undefined} */ #failure;

  /** @param {import('./launch.mjs').Half} half @param {(name: string) => void} stage is told what is awaited */
  constructor(half, stage) {
    this.stage = stage;
    this.child = half.child;
    this.say = half.say;
    half.listen((message) => this.#take(message));
  }

  /** @param {string} type @returns {Promise<any>} */
  heard(type) {
    this.stage(type);
    if (this.#seen.has(type)) return Promise.resolve(this.#seen.get(type));
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiting.set(type, { resolve, reject }));
  }

  /** @param {any} message */
  #take(message) {
    if (message.type === 'failed' || message.type === 'exit') {
      this.#failure ??= new Error(
        String(message.message || `exit ${message.code ?? message.signal}`).trim(),
      );
      for (const { reject } of this.#waiting.values()) reject(this.#failure);
      this.#waiting.clear();
      return;
    }
    this.#seen.set(message.type, message);
    this.#waiting.get(message.type)?.resolve(message);
    this.#waiting.delete(message.type);
  }
}
