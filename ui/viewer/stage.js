/**
 * The panes of one open series: which planes are shown, where, in which window, and when they are drawn.
 *
 * @typedef {import("./geometry.js").Index} Index
 * @typedef {import("./geometry.js").Plane} Plane
 * @typedef {import("./window.js").Window} Window
 * @typedef {{series_uid: string, modality: string, description: string, shape: number[], affine: number[][],
 *   unit: string, unsafe?: string[], dtype: string, colour: boolean, quantity: string, slope: number, intercept: number,
 *   windows: Window[], inverted: boolean, padding: number | null}} Series
 */

import { element } from "./corners.js";
import { fittedView, limit, onPlane, planesOf, spacing, toScreen, zoomed } from "./geometry.js";
import { prefer } from "./memory.js";
import { Pane } from "./pane.js";
import { PLAIN, lookupTable } from "./window.js";

const TIMINGS_KEPT = 600;

/** Panes and what they show. Viewer adds loading, overlays and tools. */
export class Stage extends EventTarget {
  /** @param {HTMLElement} root */
  constructor(root) {
    super();
    this.root = root;
    root.classList.add("vw-root");
    this.grid = element("div", "vw-grid", root);
    /** Milliseconds of the latest draws of an image. @type {number[]} */
    this.timings = [];
    /** @type {Series | null} */
    this.series = null;
    /** @type {import("./volume.js").Volume | null} */
    this.volume = null;
    /** @type {Index} the voxel all planes pass through */
    this.cursor = { k: 0, j: 0, i: 0 };
    /** @type {Window} */
    this.window = PLAIN;
    this.inverted = false;
    this.strong = false;
    /** @type {"single" | "three"} */
    this.layout = "single";
    /** @type {Pane | null} the only pane drawn while a drag lasts */
    this.held = null;
    this.frame = 0;
    this.panes = [0, 1, 2].map(() => new Pane(this));
    /** @type {Pane} the large one, or the only one */
    this.main = this.panes[0];
    /** @type {Pane | null} the large one of three, to come back to after one was maximised */
    this.large = null;
    /** @type {Pane} the one that keys act on */
    this.active = this.panes[0];
  }

  /** Tell the page. */
  emit(/** @type {string} */ name, /** @type {unknown} */ detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Give every pane its plane. @param {Series} series @param {import("./memory.js").SeriesState | undefined} state */
  setPlanes(series, state) {
    const planes = planesOf(series);
    this.spacing = spacing(series.affine);
    this.panes.forEach((pane, n) => {
      pane.plane = null;
      if (planes[n]) pane.show(planes[n], state?.views[planes[n].name]);
    });
    this.main = this.panes.find((p) => p.plane && p.plane.name === state?.main) ?? this.panes[0];
    this.active = this.main;
    this.large = null;
  }

  /** Lay the panes out. */
  arrange() {
    const three = this.layout === "three" && this.panes[2].plane !== null;
    this.grid.dataset.layout = three ? "three" : "single";
    for (const pane of this.panes) {
      pane.root.hidden = pane.plane === null || (!three && pane !== this.main);
      pane.root.dataset.main = String(pane === this.main);
      pane.root.dataset.active = String(pane === this.active);
    }
    for (const pane of this.panes) if (!pane.root.hidden) pane.resize();
    this.touch("pixels");
  }

  /** @param {import("./pane.js").Part} part of every pane */
  touch(part) {
    for (const pane of this.panes) if (pane.plane) pane.touch(part);
  }

  /** Draw what is stale in the next frame, however often this is called before it. */
  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      for (const pane of this.panes) if (pane.stale && (!this.held || this.held === pane)) this.drawNow(pane);
    });
  }

  drawNow(/** @type {Pane} */ pane) {
    if (!this.series || !this.volume) return;
    const milliseconds = pane.draw();
    if (milliseconds === null) return;
    this.timings.push(milliseconds);
    if (this.timings.length > TIMINGS_KEPT) this.timings.shift();
    this.emit("drawn", { milliseconds, plane: pane.plane.name });
  }

  /** While a drag lasts only its own pane is drawn; null lets the others catch up. */
  hold(/** @type {Pane | null} */ pane) {
    this.held = pane;
    if (pane !== null) return;
    for (const p of this.panes) if (p.plane) p.touch(p.step > 1 ? "pixels" : "marks");
  }

  /** RGBA of every stored value in the present window. */
  lookup() {
    this.table ??= lookupTable(this.series, this.window, this.inverted);
    return this.table;
  }

  /** @param {Window} window */
  applyWindow(window) {
    this.window = window;
    this.table = null;
    this.touch("pixels");
    this.emit("window", { centre: window.centre, width: window.width, name: window.name });
  }

  /** Move every plane to a voxel; panes other than `from` are panned when it lies outside of them. @param {Index} index */
  goTo(index, /** @type {Pane | null} */ from = null) {
    if (!this.series) return;
    const [nk, nj, ni] = this.series.shape;
    const to = { k: limit(Math.round(index.k), 0, nk - 1), j: limit(Math.round(index.j), 0, nj - 1), i: limit(Math.round(index.i), 0, ni - 1) };
    const before = this.cursor;
    this.cursor = to;
    for (const pane of this.panes) {
      if (!pane.plane) continue;
      const [was, now] = [onPlane(pane.plane, before)[0], onPlane(pane.plane, to)[0]];
      pane.touch(was === now ? "marks" : "pixels");
      if (pane !== from) reveal(pane, to);
      if (was === now) continue;
      this.needSlice(pane);
      this.emit("slice", { plane: pane.plane.name, index: now });
    }
  }

  /** Called when a pane shows another slice. @param {Pane} _pane */
  needSlice(_pane) {}

  /** Show a slice of a pane, the nearest that exists. */
  showSlice(/** @type {Pane} */ pane, /** @type {number} */ slice) {
    const value = [this.cursor.k, this.cursor.j, this.cursor.i];
    value[pane.plane.normal] = limit(slice, 0, pane.plane.depth - 1);
    this.goTo({ k: value[0], j: value[1], i: value[2] }, pane);
  }

  /** Steps of the active pane. */
  scroll(/** @type {number} */ delta) {
    if (this.series) this.showSlice(this.active, this.active.slice + delta);
  }

  first() {
    if (this.series) this.showSlice(this.active, 0);
  }

  last() {
    if (this.series) this.showSlice(this.active, this.active.plane.depth - 1);
  }

  /** The pane that keys act on. */
  activate(/** @type {Pane} */ pane) {
    if (this.active === pane || !pane.plane) return;
    this.active = pane;
    for (const p of this.panes) p.root.dataset.active = String(p === pane);
  }

  /** One pane alone, or all of them again as they were. */
  maximise(pane = this.active) {
    if (!this.series || !this.panes[2].plane) return;
    const three = this.layout === "three";
    [this.main, this.large] = three ? [pane, this.main] : [this.large ?? this.main, null];
    this.setLayout(three ? "single" : "three");
  }

  toggleLayout() {
    this.maximise(this.active);
  }

  /** Make a plane the large one: "axial", "coronal" or "sagittal". */
  showPlane(/** @type {string} */ name) {
    const pane = this.panes.find((p) => p.plane?.name === name);
    if (!pane) return;
    this.main = this.active = pane;
    this.arrange();
  }

  /** @param {"single" | "three"} layout */
  setLayout(layout) {
    this.layout = layout;
    if (layout === "single") this.active = this.main;
    this.arrange();
    if (this.series) prefer(this.series.modality, { layout });
    this.emit("layoutchange", { layout });
  }

  zoomPane(/** @type {Pane} */ pane, /** @type {number} */ factor, /** @type {number} */ x, /** @type {number} */ y) {
    pane.view = zoomed(pane.plane, pane.view, factor, x, y, pane.width, pane.height);
    pane.touch("image");
  }

  zoomBy(/** @type {number} */ factor) {
    if (this.series) this.zoomPane(this.active, factor, this.active.width / 2, this.active.height / 2);
  }

  /** The whole image again; flips and turns stay. */
  fit() {
    const { zoom, u, v } = this.active.plane ? fittedView(this.active.plane) : { zoom: 1, u: 0, v: 0 };
    this.changeView({ zoom, u, v });
  }

  /** Mirror the view, never the pixels: "h" left-right, "v" top-bottom. */
  flip(/** @type {"h" | "v"} */ way) {
    const { flipH, flipV } = this.active.view ?? {};
    this.changeView(way === "h" ? { flipH: !flipH } : { flipV: !flipV });
  }

  /** A quarter turn clockwise as seen on the screen. */
  rotate() {
    const { turns = 0, flipH, flipV } = this.active.view ?? {};
    this.changeView({ turns: (turns + (flipH !== flipV ? 3 : 1)) % 4 });
  }

  /** @param {Partial<import("./geometry.js").View>} change */
  changeView(change) {
    if (!this.series) return;
    this.active.view = { ...this.active.view, ...change };
    this.active.touch("image");
  }

  invert() {
    if (!this.series || this.series.colour) return;
    this.inverted = !this.inverted;
    this.table = null;
    this.touch("pixels");
  }
}

/** Pan a pane so that a voxel lies inside it. @param {Pane} pane @param {Index} index */
function reveal(pane, index) {
  if (!pane.onScreen) return;
  const [, u, v] = onPlane(pane.plane, index);
  const [x, y] = toScreen(pane.matrix, u, v);
  if (x >= 0 && y >= 0 && x <= pane.width && y <= pane.height) return;
  pane.view = { ...pane.view, u, v };
  pane.touch("image");
}
