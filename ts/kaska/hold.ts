// Who keeps the process alive: an open log, unless `unref()` was called; and what is under way in any case, as with fs promises.

export class Hold {
  readonly #tell: (keeps: boolean) => void;
  /** Since `ref()`, and from the beginning. */
  #always = true;
  #underWay = 0;

  /** `tell` is called when it changes whether the process is kept alive. */
  constructor(tell: (keeps: boolean) => void) {
    this.#tell = tell;
  }

  /** Whether it keeps the process alive when nothing is under way. */
  set always(on: boolean) {
    if (this.#always === on) return;
    this.#always = on;
    if (this.#underWay === 0) this.#tell(on);
  }

  /** Something that is awaited has begun. */
  begin(): void {
    this.#underWay += 1;
    if (this.#underWay === 1 && !this.#always) this.#tell(true);
  }

  /** It is done. */
  end(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0 && !this.#always) this.#tell(false);
  }
}
