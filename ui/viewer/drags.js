/**
 * What a pointer does between going down and going up. Each drag draws at once and tells the page only at its end.
 *
 * @typedef {import("./pane.js").Pane} Pane
 * @typedef {import("./viewer.js").Viewer} Viewer
 * @typedef {{move: (x: number, y: number) => void, end: () => void, cancel: () => void}} Drag  x, y: pixels of the pane
 */

import { boxBetween, moved, resized, sameBox } from "./box.js";
import { fromScreen, panned, viewMatrix, voxelAt, zoomed } from "./geometry.js";

const ZOOM_PER_PIXEL = 0.006;

/** Horizontal = width, vertical = level, in steps that suit the width. @param {Viewer} viewer @returns {Drag} */
export function windowDrag(viewer, x0, y0) {
  const start = { ...viewer.window };
  const gain = start.width / 300;
  const finest = viewer.series.quantity === "HU" ? 1 : start.width / 1000;
  const round = (/** @type {number} */ value) => Math.round(value / finest) * finest;
  return {
    move(x, y) {
      const width = Math.max(finest, round(start.width + (x - x0) * gain));
      viewer.applyWindow({ ...start, centre: round(start.centre + (y - y0) * gain), width, name: "Custom" });
    },
    end() {},
    cancel: () => viewer.applyWindow(start),
  };
}

/** @param {Pane} pane @returns {Drag} */
export function panDrag(pane, x0, y0) {
  const start = pane.view;
  const matrix = pane.matrix;
  return viewDrag(pane, (x, y) => panned(pane.plane, start, matrix, x - x0, y - y0));
}

/** Up magnifies, about the point where the drag began. @param {Pane} pane @returns {Drag} */
export function zoomDrag(pane, x0, y0) {
  const start = pane.view;
  return viewDrag(pane, (_, y) => (
    zoomed(pane.plane, start, Math.exp((y0 - y) * ZOOM_PER_PIXEL), x0, y0, pane.width, pane.height)));
}

/** @param {Pane} pane @returns {Drag} */
function viewDrag(pane, /** @type {(x: number, y: number) => import("./geometry.js").View} */ viewAt) {
  const start = pane.view;
  const show = (/** @type {import("./geometry.js").View} */ view) => {
    pane.view = view;
    pane.touch("image");
  };
  return { move: (x, y) => show(viewAt(x, y)), end() {}, cancel: () => show(start) };
}

/** One finger: the whole stack over the height of the pane. @param {Viewer} viewer @param {Pane} pane @returns {Drag} */
export function scrollDrag(viewer, pane, y0) {
  const start = pane.slice;
  const perSlice = Math.max(4, pane.height / pane.plane.depth);
  return {
    move: (_, y) => viewer.showSlice(pane, start + Math.round((y - y0) / perSlice)),
    end() {},
    cancel: () => viewer.showSlice(pane, start),
  };
}

/** A new box on this slice, from voxel to voxel. @param {Viewer} viewer @param {Pane} pane @returns {Drag} */
export function newBoxDrag(viewer, pane, x0, y0) {
  const before = viewer.overlays.pending;
  const at = (x, y) => voxelAt(pane.plane, pane.slice, fromScreen(pane.matrix, x, y), true);
  const corner = at(x0, y0);
  return {
    move(x, y) {
      viewer.overlays.pending = boxBetween(corner, at(x, y));
      pane.touch("marks");
    },
    end() {
      const box = viewer.overlays.pending;
      if (box) viewer.emit("box", { box, plane: pane.plane.name });
    },
    cancel() {
      viewer.overlays.pending = before;
      pane.touch("marks");
    },
  };
}

/** Moves or resizes a box of an overlay. @param {Viewer} viewer @param {Pane} pane @returns {Drag} */
export function editBoxDrag(viewer, pane, /** @type {import("./overlay.js").BoxHit} */ hit, x0, y0) {
  const { overlays } = viewer;
  const { id, region, box: before, grip } = hit;
  const matrix = viewMatrix(pane.plane, pane.view, pane.width, pane.height);
  const [u0, v0] = fromScreen(matrix, x0, y0);
  return {
    move(x, y) {
      const [u, v] = fromScreen(matrix, x, y);
      const box = grip.part === "handle" ? resized(before, pane.plane, matrix, grip, x, y)
        : moved(before, pane.plane, u - u0, v - v0);
      overlays.edit = { id, region, box };
      pane.touch("marks");
    },
    end() {
      const box = overlays.edit?.box;
      overlays.edit = null;
      const item = overlays.find(id);
      if (!box || !item || sameBox(box, before)) return;
      item.regions[region] = box; // stands until the page answers with setOverlays
      viewer.emit("boxchange", { id, box, before, region });
    },
    cancel() {
      overlays.edit = null;
      pane.touch("marks");
    },
  };
}

/** Two fingers: the image follows both. @param {Pane} pane */
export function pinch(pane, /** @type {{x: number, y: number}[]} */ from, /** @type {{x: number, y: number}[]} */ to) {
  const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const spread = ([a, b]) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
  const [before, after] = [middle(from), middle(to)];
  const shifted = panned(pane.plane, pane.view, pane.matrix, after.x - before.x, after.y - before.y);
  pane.view = zoomed(pane.plane, shifted, spread(to) / spread(from), after.x, after.y, pane.width, pane.height);
  pane.touch("image");
}
