/**
 * The image viewer: opens a series in an element and tells the page what the reader does. CONTRIBUTING.md names the JSON.
 *
 * Events (CustomEvent.detail): box {box, plane}, boxchange {id, box, before, region}, point {k, j, i, positive, plane},
 * delete {id}, hover {id}, select {id}, menu {x, y, index, id}, probe {lps, index, value, unit, ids},
 * slice {plane, index}, window {centre, width, name}, toolchange {tool, positive}, layoutchange {layout},
 * progress {fraction}, firstimage {milliseconds}, drawn {milliseconds, plane}, loaded {milliseconds},
 * error {what, found, next}. Slices and voxels are indices from 0. A probe's lps is [x, y, z] in mm, null
 * when the place in the patient is not known; its index is [k, j, i], null outside the image.
 *
 * @typedef {import("./geometry.js").Index} Index
 * @typedef {import("./window.js").Window} Window
 * @typedef {import("./overlay.js").Overlay} Overlay
 * @typedef {import("./stage.js").Series} Series
 */

import { element } from "./corners.js";
import { isDeep, positionKnown, upright, world } from "./geometry.js";
import { MaskStore } from "./mask.js";
import { prefer, preference, recall, remember } from "./memory.js";
import { Overlays, isMask } from "./overlay.js";
import { Stage } from "./stage.js";
import { TOOLS, Tools } from "./tools.js";
import { ReaderError, VolumeLoader } from "./volume.js";
import { CT_PRESETS, presetsOf } from "./window.js";

const REDRAW_WHILE_LOADING = 250; // ms between redraws of planes that fill up as slices arrive
const EMPTY = "Open a case from the worklist";

export class Viewer extends Stage {
  /** @param {HTMLElement} root positioned and sized by the page; the viewer fills it */
  constructor(root) {
    super(root);
    this.message = element("div", "vw-message", root);
    this.bar = element("div", "vw-progress", root);
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", "Loading scan");
    this.masks = new MaskStore((sha256) => `/api/masks/${sha256}`, () => this.touch("marks"), (e) => this.report(e));
    this.overlays = new Overlays((region) => this.masks.get(region));
    this.tools = new Tools(this);
    for (const pane of this.panes) this.tools.attach(pane);
    /** @type {VolumeLoader | null} */
    this.loader = null;
    this.setTool("window");
    this.setState("empty", EMPTY);
  }

  /**
   * Show a series. Resolves to true once its first image is on the screen, to false when it could not be shown (an
   * "error" event says why) or when another series was opened meanwhile.
   * @param {Series} series @param {{voxelsUrl: string, signal?: AbortSignal}} options @returns {Promise<boolean>}
   */
  async open(series, { voxelsUrl, signal }) {
    const start = performance.now();
    this.close();
    this.setState("loading", "Loading…");
    const state = recall(series.series_uid);
    const k = state?.cursor.k ?? series.shape[0] >> 1;
    let loader = null;
    try {
      loader = this.loader = new VolumeLoader(series, voxelsUrl, {
        onSlice: (at) => this.arrived(at), onProgress: (fraction) => this.progressed(fraction),
      });
      signal?.addEventListener("abort", () => loader === this.loader && this.close(), { once: true });
      await loader.first(k);
      if (loader !== this.loader) return false;
      this.present(series, loader.volume, k, state);
    } catch (error) {
      if (loader === this.loader) this.fail(error);
      return false;
    }
    this.emit("firstimage", { milliseconds: performance.now() - start });
    this.stream(loader, k, start);
    return true;
  }

  /** Put the first slice on the screen. */
  present(/** @type {Series} */ series, volume, /** @type {number} */ k, state) {
    const liked = preference(series.modality);
    [this.series, this.volume] = [series, volume];
    this.cursor = state?.cursor ?? { k, j: series.shape[1] >> 1, i: series.shape[2] >> 1 };
    this.inverted = state?.inverted ?? false;
    this.layout = liked.layout === "single" || liked.layout === "three" ? liked.layout
      : isDeep(series) ? "three" : "single";
    this.offered = presetsOf(series, this.sample());
    const preset = series.quantity === "HU" && this.offered.find((w) => w.name === liked.preset && CT_PRESETS.includes(w));
    this.setPlanes(series, state);
    this.applyWindow(state?.window ?? (preset || this.offered[0]));
    this.setState("ready", "");
    this.arrange();
    for (const pane of this.panes) this.drawNow(pane);
  }

  /** Load the rest behind the reader's back. */
  async stream(/** @type {VolumeLoader} */ loader, /** @type {number} */ k, /** @type {number} */ start) {
    try {
      await loader.rest(k);
      if (loader !== this.loader) return;
      this.refine();
      this.touch("pixels");
      this.emit("loaded", { milliseconds: performance.now() - start });
    } catch (error) {
      if (loader === this.loader) this.report(error);
    }
  }

  /** Windows taken from the pixels were made of one slice at first. */
  refine() {
    this.offered = presetsOf(this.series, this.sample());
    const same = this.offered.find((w) => w.name === this.window.name && !CT_PRESETS.includes(w));
    if (same) this.applyWindow(same);
  }

  sample() {
    return this.volume.complete ? this.volume.stored : this.volume.slice(this.cursor.k);
  }

  /** A slice has come in. */
  arrived(/** @type {number} */ k) {
    if (!this.series) return;
    for (const pane of this.panes) if (pane.plane?.normal === 0 && pane.slice === k) pane.touch("pixels");
  }

  progressed(/** @type {number} */ fraction) {
    this.bar.style.transform = `scaleX(${fraction})`;
    this.bar.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
    this.bar.hidden = fraction >= 1;
    const now = performance.now();
    if (!this.series || (now - (this.redrawn ?? 0) < REDRAW_WHILE_LOADING && fraction < 1)) return;
    this.redrawn = now;
    this.emit("progress", { fraction });
    for (const pane of this.panes) if (pane.plane && pane.plane.normal !== 0) pane.touch("pixels");
  }

  /** @param {import("./pane.js").Pane} pane */
  needSlice(pane) {
    if (pane.plane.normal !== 0 || !pane.onScreen || !this.loader) return;
    this.loader.want(pane.slice).catch((error) => this.report(error));
  }

  /** Leave the series; its view is remembered. */
  close() {
    this.tools.cancel();
    this.loader?.abort();
    this.loader = null;
    if (this.series) {
      const views = Object.fromEntries(this.panes.flatMap((p) => (p.plane ? [[p.plane.name, upright(p.view)]] : [])));
      const { cursor, window, inverted } = this;
      remember(this.series.series_uid, { cursor, window, inverted, views, main: this.main.plane?.name ?? "" });
    }
    [this.series, this.volume] = [null, null];
    this.overlays.set([]);
    this.overlays.highlighted.clear();
    this.bar.hidden = true;
    this.setState("empty", EMPTY);
  }

  /** @param {"empty" | "loading" | "ready" | "error"} state */
  setState(state, /** @type {string} */ text) {
    this.root.dataset.state = state;
    this.message.textContent = text;
    this.message.setAttribute("role", state === "error" ? "alert" : "status");
    this.grid.hidden = state !== "ready";
  }

  /** Nothing can be shown. */
  fail(/** @type {unknown} */ error) {
    const problem = this.report(error);
    this.close();
    this.setState("error", `${[problem.what, problem.found, problem.next].filter(Boolean).join(". ")}.`);
  }

  /** Tell the page what went wrong; bugs go on to the console as they are. @returns {import("./volume.js").Problem} */
  report(/** @type {unknown} */ error) {
    const known = error instanceof ReaderError;
    if (!known) console.error(error);
    const problem = known ? error.problem : { what: "The viewer stopped", found: String(error), next: "Reload the page" };
    this.emit("error", problem);
    return problem;
  }

  /** @param {Overlay[]} overlays */
  setOverlays(overlays) {
    this.overlays.set(overlays);
    const masks = this.overlays.items.flatMap((item) => item.regions.filter(isMask));
    this.masks.retain(new Set(masks.map((mask) => mask.sha256)));
    for (const mask of masks) this.masks.get(mask);
    this.touch("marks");
  }

  /** Draw these brighter and all others fainter. @param {string[]} ids */
  highlight(ids) {
    this.overlays.highlighted = new Set(ids);
    this.touch("marks");
  }

  /** @param {string | null} id */
  select(id) {
    this.overlays.selected = this.overlays.find(id)?.id ?? null;
    this.touch("marks");
  }

  /** The reader selects. @param {string | null} id */
  choose(id) {
    if (id === this.overlays.selected) return;
    this.select(id);
    this.emit("select", { id });
  }

  /** The reader points. @param {string | null} id */
  hover(id) {
    if (id === this.overlays.hovered) return;
    this.overlays.hovered = id;
    this.touch("marks");
    this.emit("hover", { id });
  }

  /** Centre every plane on an overlay. @returns {boolean} whether there was a place to go to */
  jumpTo(/** @type {string} */ id) {
    const place = this.series ? this.overlays.placeOf(id) : null;
    if (place) this.goTo(place);
    return place !== null;
  }

  toggleOverlays(shown = !this.overlays.shown) {
    this.overlays.shown = shown;
    this.touch("marks");
  }

  get tool() {
    return this.tools.name;
  }

  setTool(/** @type {string} */ name) {
    if (!TOOLS.includes(name)) throw new RangeError(`no tool is called ${name}`);
    this.tools.cancel();
    this.tools.name = name;
    this.root.dataset.tool = name;
    this.overlays.pending = null;
    this.touch("marks");
    this.emit("toolchange", { tool: name, positive: this.tools.positive });
  }

  /** Whether clicks of the point tool mark "this" (true) or "not this". */
  setPolarity(/** @type {boolean} */ positive) {
    this.tools.positive = positive;
    this.emit("toolchange", { tool: this.tool, positive });
  }

  /** Windows for this series: the file's own first. @returns {Window[]} */
  presets() {
    return this.series ? this.offered : [];
  }

  /** By name (any case) or by place in presets(), from 1. @returns {boolean} whether there is one */
  setPreset(/** @type {string | number} */ which) {
    const list = this.presets();
    const found = typeof which === "number" ? list[which - 1]
      : list.find((w) => w.name.toLowerCase() === which.toLowerCase());
    if (!found) return false;
    this.applyWindow(found);
    if (this.series.quantity === "HU") prefer(this.series.modality, { preset: CT_PRESETS.includes(found) ? found.name : "" });
    return true;
  }

  setWindow(/** @type {number} */ centre, /** @type {number} */ width, name = "Custom") {
    if (this.series && width > 0) this.applyWindow({ centre, width, name, function: "LINEAR" });
  }

  /** Show where the planes meet more strongly while Shift is held. */
  crosshair(/** @type {boolean} */ strong) {
    if (strong === this.strong) return;
    this.strong = strong;
    this.touch("marks");
  }

  /** @returns {import("./marks.js").Scene} */
  scene() {
    const several = this.panes.filter((p) => p.onScreen).length > 1;
    const crosshair = !several ? "none" : this.strong ? "strong" : "faint";
    return { overlays: this.overlays, tool: this.tool, cursor: this.cursor, crosshair };
  }

  /** What lies under the pointer. @param {Index | null} index */
  probe(index) {
    if (!index) return this.emit("probe", { lps: null, index: null, value: null, unit: "", ids: [] });
    const { series } = this;
    const stored = this.volume.at(index);
    const value = typeof stored === "number" ? stored * series.slope + series.intercept : stored;
    const at = [index.k, index.j, index.i];
    const lps = positionKnown(series) ? world(series.affine, at) : null;
    const unit = series.quantity === "1" ? "" : series.quantity;
    return this.emit("probe", { lps, index: at, value, unit, ids: this.overlays.idsAt(index) });
  }
}
