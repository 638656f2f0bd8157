/** Click segmentation: points gather, the server answers with a mask, the reader keeps or discards it. */

import { isMask, newFinding, titleOf } from "./subjects.js";

const TAG = "segment";

export class Segmenter {
  /**
   * @param {Object} parts
   * @param {import("./state.js").Store} parts.store
   * @param {import("./commands.js").Commands} parts.commands
   * @param {import("./review.js").Review} parts.review
   * @param {(body: Object, signal: AbortSignal) => Promise<Object>} parts.prompt
   * @param {(subject: Object) => Promise<string|null>} parts.askReason
   * @param {(error: Error) => void} parts.onError
   */
  constructor({ store, commands, review, prompt, askReason, onError }) {
    Object.assign(this, { store, commands, review, prompt, askReason, onError });
    this.abort = null;
    /** Runs when a preview is kept or discarded. */
    this.onEnd = () => {};
  }

  get preview() { return this.store.state.preview; }

  /** A click on the image. @param {{k: number, j: number, i: number, positive: boolean}} point */
  click({ k, j, i, positive }) {
    const series = this.store.state.openSeries;
    if (!series) return;
    if (!this.preview) this.begin();
    const { points, start, box } = this.preview;
    // There is nothing yet to take away from.
    const first = points.length === 0 && !start && !box;
    const point = { k, j, i, positive: positive || first };
    this.setPoints([...points, point]);
    this.commands.push({
      tag: TAG, label: point.positive ? "Point" : "Negative point",
      undo: () => this.preview && this.setPoints(this.preview.points.slice(0, -1)),
      redo: () => { if (!this.preview) this.begin(); this.setPoints([...this.preview.points, point]); },
    });
  }

  /** What the first click starts from: the selected finding, if it has a region that can be refined. */
  begin() {
    const subject = this.store.subject(this.store.state.selected);
    const here = subject?.kind === "finding" && subject.value.series_uid === this.store.state.openSeries.series_uid;
    const regions = here ? subject.value.regions : [];
    const start = regions.find(isMask) ?? null;
    const box = start ? null : regions.find((region) => !isMask(region)) ?? null;
    const refines = start || box ? subject.id : null;
    this.store.set({ preview: {
      points: [], start, box, refines, name: refines ? titleOf(subject) : "Region", mask: null, measurements: [], site: "",
      milliseconds: null, busy: false,
    } });
  }

  setPoints(points) {
    if (points.length === 0) {
      this.stop();
      return;
    }
    this.store.set({ preview: { ...this.preview, points } });
    this.ask();
  }

  /** Only the newest set of points matters: an answer to an older one is dropped. */
  async ask() {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    const { points, box, start } = this.preview;
    this.store.set({ preview: { ...this.preview, busy: true } });
    try {
      const series = this.store.state.openSeries.series_uid;
      const answer = await this.prompt({ series_uid: series, points, box, start }, abort.signal);
      if (this.abort !== abort || !this.preview) return;
      const { mask, measurements = [], site = "", milliseconds = null } = answer;
      this.store.set({ preview: { ...this.preview, mask, measurements, site, milliseconds, busy: false } });
    } catch (error) {
      if (this.abort !== abort || error.name === "AbortError") return;
      if (this.preview) this.store.set({ preview: { ...this.preview, mask: null, busy: false } });
      this.onError(error);
    }
  }

  /** @param {string} name the reader's name for a new region */
  rename(name) {
    if (this.preview) this.store.set({ preview: { ...this.preview, name } });
  }

  /** Keeps the preview: a new finding, or an edit of the one it refines. @returns {Promise<string|null>} its id */
  async commit() {
    const preview = this.preview;
    if (!preview?.mask || preview.busy) return null;
    const { mask, measurements, points, site } = preview;
    const subject = this.store.subject(preview.refines);
    if (!subject) {
      const made = newFinding(this.store.state.openSeries.series_uid, preview.name.trim() || "Region",
        { regions: [mask], measurements, prompts: points, site });
      this.finish();
      return this.review.add("finding", made);
    }
    // A model is corrected for a reason; the reader's own region is simply refined.
    const reason = subject.proposed ? await this.askReason(subject) : null;
    if ((subject.proposed && reason === null) || this.preview?.mask !== mask) return null;
    this.finish();
    this.review.decide(subject.id, "EDIT", { value: refined(subject.value, preview), reason });
    return subject.id;
  }

  /** Discards the preview; undo brings it back. @returns {boolean} whether there was one */
  cancel() {
    const discarded = this.preview;
    if (!discarded) return false;
    this.stop();
    this.onEnd();
    this.commands.push({
      tag: TAG, label: "Discard preview", undo: () => this.store.set({ preview: { ...discarded, busy: false } }), redo: () => this.stop(),
    });
    return true;
  }

  /** Ends the preview for good: its clicks can no longer be undone one by one. */
  finish() {
    this.stop();
    this.commands.forget(TAG);
    this.onEnd();
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.store.set({ preview: null });
  }
}

/** The finding with the region that was refined replaced by the new mask. */
export function refined(value, { start, box, mask, measurements, points, site }) {
  const replaced = start ?? box;
  return {
    ...value, measurements, prompts: points, site: value.site || site,
    regions: value.regions.map((region) => (sameRegion(region, replaced) ? mask : region)),
  };
}

const sameRegion = (a, b) => JSON.stringify(a) === JSON.stringify(b);
