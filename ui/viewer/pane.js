/**
 * One plane on one canvas, with a second canvas for marks and DOM text on top.
 *
 * @typedef {import("./geometry.js").Plane} Plane
 * @typedef {import("./geometry.js").View} View
 * @typedef {import("./geometry.js").Matrix} Matrix
 * @typedef {"pixels" | "image" | "marks"} Part  what must be drawn again; each includes those after it
 */

import { Corners, element, figure } from "./corners.js";
import {
  fittedView, isFramed, positionKnown, scaleBar, scaleOf, sideLetters, sidesKnown, slicePosition, turnedWords, viewMatrix,
} from "./geometry.js";
import { drawMarks } from "./marks.js";
import { fillSlice } from "./slice.js";

const MOST_PIXELS_PER_POINT = 1.5; // software rendering pays for every pixel (see tests/bench/bench_viewer.py)
const PARTS = ["pixels", "image", "marks"];
const COMPACT = 340;
const COARSE_FROM = 2e6; // pixels of a picture too large to look up afresh in every frame of a drag

/** A view of the host's series: plane, zoom and slice. */
export class Pane {
  /** @param {import("./viewer.js").Viewer} host */
  constructor(host) {
    this.host = host;
    this.root = element("div", "vw-pane", host.grid);
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "img");
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "vw-image", this.root));
    this.overlay = /** @type {HTMLCanvasElement} */ (element("canvas", "vw-marks", this.root));
    this.canvas.setAttribute("aria-hidden", "true");
    this.overlay.setAttribute("aria-hidden", "true");
    this.corners = new Corners(this.root);
    this.bitmap = document.createElement("canvas");
    /** @type {Plane | null} */
    this.plane = null;
    /** @type {View | null} */
    this.view = null;
    [this.width, this.height, this.ratio] = [0, 0, 1];
    /** @type {Part | null} */
    this.stale = null;
    new ResizeObserver(() => this.resize()).observe(this.root);
  }

  /** @param {Plane} plane @param {View | undefined} view */
  show(plane, view) {
    this.plane = plane;
    this.view = view ? { ...view } : fittedView(plane);
    this.root.dataset.plane = plane.name;
    this.step = 0;
    this.resample(1);
    this.touch("pixels");
  }

  /** Make room for every `step`-th pixel. */
  resample(/** @type {number} */ step) {
    if (step === this.step) return;
    this.step = step;
    [this.bitmap.width, this.bitmap.height] = [Math.ceil(this.plane.width / step), Math.ceil(this.plane.height / step)];
    this.picture = new ImageData(this.bitmap.width, this.bitmap.height);
    this.words = new Uint32Array(this.picture.data.buffer);
  }

  /** While a large picture is dragged, no more of its pixels than the screen shows; all of them once it is let go. */
  suitableStep() {
    const { plane, host } = this;
    if (host.held !== this || !host.volume.complete || plane.width * plane.height < COARSE_FROM) return 1;
    const perPixel = scaleOf(plane, this.view, this.width, this.height) * Math.min(plane.stepX, plane.stepY) * this.ratio;
    return Math.max(1, Math.floor(1 / perPixel));
  }

  /** The index of the slice on show. */
  get slice() {
    const { k, j, i } = this.host.cursor;
    return [k, j, i][this.plane.normal];
  }

  /** @returns {Matrix} (u, v) to CSS pixels of the pane */
  get matrix() {
    return viewMatrix(this.plane, this.view, this.width, this.height);
  }

  /** Distance between slices in the unit. */
  get stepNormal() {
    return this.host.spacing[this.plane.normal];
  }

  get onScreen() {
    return this.plane !== null && this.width > 0 && !this.root.hidden;
  }

  /** Ask for a redraw in the next frame. @param {Part} part */
  touch(part) {
    if (this.stale === null || PARTS.indexOf(part) < PARTS.indexOf(this.stale)) this.stale = part;
    this.host.schedule();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.root;
    if (width === 0 || height === 0) return;
    [this.width, this.height] = [width, height];
    this.ratio = Math.min(window.devicePixelRatio || 1, MOST_PIXELS_PER_POINT);
    for (const canvas of [this.canvas, this.overlay]) {
      [canvas.width, canvas.height] = [Math.round(width * this.ratio), Math.round(height * this.ratio)];
    }
    this.root.classList.toggle("vw-compact", width < COMPACT);
    this.touch("image");
    if (this.plane && this.host.volume) this.host.drawNow(this); // a resized canvas is blank until drawn
  }

  /** Draw what is stale. @returns {number | null} milliseconds when the image itself was drawn */
  draw() {
    const stale = this.stale;
    this.stale = null;
    if (!stale || !this.onScreen) return null;
    const start = performance.now();
    if (stale === "pixels") this.fill();
    if (stale !== "marks") this.paint();
    this.mark();
    const spent = performance.now() - start;
    if (stale !== "marks") this.write();
    return stale === "marks" ? null : spent;
  }

  fill() {
    this.resample(this.suitableStep());
    fillSlice(this.host.volume, this.plane, this.slice, this.host.lookup(), this.words, this.step);
    this.bitmap.getContext("2d")?.putImageData(this.picture, 0, 0);
  }

  paint() {
    const ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.fillStyle = "#000";
    ctx.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const matrix = this.matrix.map((v) => v * this.ratio);
    ctx.setTransform(...matrix);
    ctx.imageSmoothingEnabled = true;
    // Mipmaps keep a large radiograph from shimmering; magnified slices need none.
    ctx.imageSmoothingQuality = Math.hypot(matrix[0], matrix[1]) < 0.5 ? "medium" : "low";
    ctx.drawImage(this.bitmap, -0.5, -0.5, this.bitmap.width * this.step, this.bitmap.height * this.step);
  }

  mark() {
    const ctx = /** @type {CanvasRenderingContext2D} */ (this.overlay.getContext("2d"));
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const tags = drawMarks(ctx, this, this.host.scene());
    this.corners.name(tags, this.width, this.height);
  }

  /** The words in the corners. */
  write() {
    const { series, window: grey } = this.host;
    const { plane, view } = this;
    const scale = scaleOf(plane, view, this.width, this.height);
    const calibrated = series.unit === "mm";
    const several = plane.depth > 1;
    const framed = isFramed(series);
    const missing = plane.normal === 0 && !this.host.volume.has[this.slice];
    this.corners.write({
      series: series.description || series.modality,
      plane: several ? plane.label : "",
      window: series.colour ? "" : grey.name || "Custom",
      level: series.colour ? "" : `W ${amount(grey.width)}  L ${amount(grey.centre)}`,
      turned: turnedWords(view),
      slice: several ? `${framed ? "Frame " : ""}${this.slice + 1} / ${plane.depth}` : "",
      position: several && positionKnown(series) ? `${figure(slicePosition(series.affine, plane, this.slice), 1)} mm` : "",
      zoom: `${Math.round(scale * Math.min(plane.stepX, plane.stepY) * 100)} %`,
      use: "Research use",
      wait: missing ? "Loading slice…" : "",
      ...(sidesKnown(series) ? sideLetters(series.affine, plane, this.matrix) : {}),
    });
    this.writeBar(scale, calibrated);
    const where = several ? `, ${framed ? "frame" : "slice"} ${this.slice + 1} of ${plane.depth}` : "";
    const label = `${plane.label} view${where}`;
    if (this.root.getAttribute("aria-label") !== label) this.root.setAttribute("aria-label", label);
  }

  /** Lengths across slices mean nothing where their positions cannot be trusted. */
  writeBar(/** @type {number} */ scale, /** @type {boolean} */ calibrated) {
    if (this.plane.normal !== 0 && this.host.series.unsafe?.length) {
      this.corners.bar(null, "Not to scale");
      return;
    }
    const { length, pixels } = scaleBar(scale, Math.min(120, this.width / 3));
    const digits = Math.max(0, -Math.floor(Math.log10(length)));
    this.corners.bar(pixels, `${length.toFixed(digits)} ${calibrated ? "mm" : "px"}`);
  }
}

/** A window's number: whole where units are coarse, else two digits that count. */
function amount(/** @type {number} */ value) {
  return figure(value, Math.abs(value) >= 20 || Number.isInteger(value) ? 0 : 2);
}
