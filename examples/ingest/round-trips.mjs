// @ts-check
// How long it takes from put() until the record is on disk and acknowledged: measured on some records, so that measuring costs
// nothing that could be measured. One in 256 is taken, and any when no measurement is under way (a slow source has few).

const ONE_IN = 256;

export class RoundTrips {
  #asked = 0;
  #underWay = 0;
  /** @type {number[]} milliseconds */
  #measured = [];

  /** Records known to be acknowledged: up to the last one that was measured. */
  acknowledged = 0;

  /** Whether the next record should be measured; to be asked for each. */
  get wanted() {
    return this.#asked++ % ONE_IN === 0 || this.#underWay === 0;
  }

  /**
   * @param {Promise<void>} result of a put() just now
   * @param {number} record the how many-th it is
   */
  async measure(result, record) {
    const start = performance.now();
    this.#underWay += 1;
    try {
      await result;
      this.#measured.push(performance.now() - start);
      this.acknowledged = Math.max(this.acknowledged, record);
    } catch {
      // Whoever put the record hears of it.
    } finally {
      this.#underWay -= 1;
    }
  }

  /** What was measured since the last time. */
  take() {
    return this.#measured.splice(0);
  }
}
