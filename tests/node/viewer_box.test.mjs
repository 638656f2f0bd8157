import assert from "node:assert/strict";
import test from "node:test";

import * as b from "../../ui/viewer/box.js";
import { fittedView, planesOf, toScreen, viewMatrix } from "../../ui/viewer/geometry.js";
import { Overlays } from "../../ui/viewer/overlay.js";
import { grid } from "./fixtures.mjs";

const [AXIAL, CORONAL] = planesOf(grid());
const matrixOf = (plane) => viewMatrix(plane, fittedView(plane), 400, 300);
const BOX = { k0: 4, j0: 5, i0: 6, k1: 4, j1: 9, i1: 12 };

test("corners are inclusive and come in any order", () => {
  assert.deepEqual(b.boxBetween({ k: 4, j: 9, i: 6 }, { k: 4, j: 5, i: 12 }), BOX);
  const r = b.rectOf(BOX, AXIAL, matrixOf(AXIAL));
  const pixel = matrixOf(AXIAL)[0];
  assert.ok(Math.abs(r.x1 - r.x0 - 7 * pixel) < 1e-9 && Math.abs(r.y1 - r.y0 - 5 * pixel) < 1e-9);
});

test("a handle moves its own edges, to the border between voxels", () => {
  const m = matrixOf(AXIAL);
  const [x, y] = toScreen(m, 20.4, 25.6);
  assert.deepEqual(b.resized(BOX, AXIAL, m, { hx: 1, hy: 1 }, x, y), { ...BOX, i1: 20, j1: 25 });
  assert.deepEqual(b.resized(BOX, AXIAL, m, { hx: 1, hy: 0 }, x, y), { ...BOX, i1: 20 });
  assert.deepEqual(b.resized(BOX, AXIAL, m, { hx: 0, hy: -1 }, ...toScreen(m, 0, 1.6)), { ...BOX, j0: 2 });
});

test("edges may cross, stay on the grid, and always hold a voxel", () => {
  const m = matrixOf(AXIAL);
  assert.deepEqual(b.resized(BOX, AXIAL, m, { hx: 1, hy: 0 }, ...toScreen(m, 1.6, 0)), { ...BOX, i0: 2, i1: 5 });
  assert.deepEqual(b.resized(BOX, AXIAL, m, { hx: 1, hy: 1 }, 9999, 9999), { ...BOX, i1: 39, j1: 29 });
  const thin = b.resized(BOX, AXIAL, m, { hx: 1, hy: 0 }, ...toScreen(m, 5.5, 0));
  assert.ok(thin.i0 <= thin.i1);
});

test("thickness comes from another plane", () => {
  const m = matrixOf(CORONAL);
  const r = b.rectOf(BOX, CORONAL, m);
  const up = b.resized(BOX, CORONAL, m, { hx: 0, hy: -1 }, r.x0, r.y0 + m[3] * 3); // m[3] < 0: head is up
  assert.deepEqual(up, { ...BOX, k1: 7 });
});

test("a box keeps its size when pushed against the edge", () => {
  assert.deepEqual(b.moved(BOX, AXIAL, 2.4, -1), { ...BOX, i0: 8, i1: 14, j0: 4, j1: 8 });
  assert.deepEqual(b.moved(BOX, AXIAL, 999, -999), { ...BOX, i0: 33, i1: 39, j0: 0, j1: 4 });
});

test("grips: handles before border before body", () => {
  const r = { x0: 100, y0: 100, x1: 200, y1: 180 };
  assert.deepEqual(b.gripAt(r, 202, 98), { part: "handle", hx: 1, hy: -1 });
  assert.equal(b.gripAt(r, 202, 98, false).part, "border");
  assert.equal(b.gripAt(r, 125, 103).part, "border");
  assert.equal(b.gripAt(r, 140, 130).part, "body");
  assert.equal(b.gripAt(r, 220, 130), null);
});

function scene() {
  const overlays = new Overlays(() => undefined);
  overlays.set([
    { id: "large", label: "", state: "proposed", regions: [{ k0: 4, j0: 0, i0: 0, k1: 6, j1: 20, i1: 30 }], editable: true, visible: true },
    { id: "small", label: "", state: "proposed", regions: [BOX], editable: true, visible: true },
    { id: "off", label: "", state: "rejected", regions: [BOX], editable: true, visible: false },
  ]);
  return overlays;
}

test("the smallest box under the pointer comes first, the selected one before it, hidden ones not at all", () => {
  const overlays = scene();
  const pane = { plane: AXIAL, slice: 4, matrix: matrixOf(AXIAL) };
  const [x, y] = toScreen(pane.matrix, 9, 7);
  assert.deepEqual(overlays.boxesAt(pane, "select", x, y).map((h) => h.id), ["small", "large"]);
  overlays.selected = "large";
  assert.equal(overlays.boxesAt(pane, "select", x, y)[0].id, "large");
  assert.deepEqual(overlays.boxesAt({ ...pane, slice: 6 }, "select", x, y).map((h) => h.id), ["large"]);
  assert.deepEqual(overlays.idsAt({ k: 4, j: 7, i: 9 }), ["small", "large"]);
  overlays.shown = false;
  assert.deepEqual(overlays.idsAt({ k: 4, j: 7, i: 9 }), []);
});

test("what the page handed over is never changed under its hands", () => {
  const regions = [BOX];
  const overlays = new Overlays(() => undefined);
  overlays.set([{ id: "a", label: "", state: "added", regions, editable: true, visible: true }]);
  overlays.find("a").regions[0] = { ...BOX, k1: 9 };
  assert.equal(regions[0], BOX);
  overlays.edit = { id: "a", region: 0, box: { ...BOX, k1: 8 } };
  assert.equal(overlays.visible()[0].regions[0].k1, 8);
});

test("an overlay is looked for where it is largest", () => {
  assert.deepEqual(scene().placeOf("large"), { k: 5, j: 10, i: 15 });
  assert.equal(scene().placeOf("nobody"), null);
});
