/** Boxes that are kept once they are measured, and in any case before the reader leaves them. */

const UNMEASURED = { measurements: [], site: "" };

export class Measuring {
  /** @param {(seriesUid: string, box: Object) => Promise<{measurements: Object[], site: string}>} measure */
  constructor(measure) {
    this.measure = measure;
    /** @type {Map<any, () => void>} how to keep what still waits */
    this.waiting = new Map();
  }

  /** A box is kept also when it cannot be measured now. */
  facts(seriesUid, box) {
    return this.measure(seriesUid, box).catch(() => UNMEASURED);
  }

  /**
   * Saves once, with the facts when they come, without them when the reader goes on before: a box belongs to the case,
   * series and reader that it was drawn in, which are gone from the page afterwards.
   * @param {any} key what is measured; keeping it again settles the one before
   * @param {Promise<Object>} facts
   * @param {(facts: {measurements: Object[], site: string}) => void} save
   */
  async keep(key, facts, save) {
    this.waiting.get(key)?.();
    const once = (known) => {
      if (this.waiting.get(key) !== keepNow) return;
      this.waiting.delete(key);
      save(known);
    };
    const keepNow = () => once(UNMEASURED);
    this.waiting.set(key, keepNow);
    once(await facts);
  }

  /** Keeps at once whatever still waits. */
  keepAll() {
    for (const keepNow of [...this.waiting.values()]) keepNow();
  }
}
