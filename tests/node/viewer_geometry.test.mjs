import assert from "node:assert/strict";
import test from "node:test";

import * as g from "../../ui/viewer/geometry.js";
import { grid } from "./fixtures.mjs";

const near = (a, b, tolerance = 1e-6) => assert.ok(Math.abs(a - b) < tolerance, `${a} is not ${b}`);

test("an axial stack is shown radiologically in three planes", () => {
  const series = grid();
  const planes = g.planesOf(series);
  assert.deepEqual(planes.map((p) => p.name), ["axial", "coronal", "sagittal"]);
  const sides = planes.map((p) => g.sideLetters(series.affine, p, g.viewMatrix(p, g.fittedView(p), 400, 300)));
  assert.deepEqual(sides[0], { left: "R", right: "L", top: "A", bottom: "P" });
  assert.deepEqual(sides[1], { left: "R", right: "L", top: "H", bottom: "F" });
  assert.deepEqual(sides[2], { left: "A", right: "P", top: "H", bottom: "F" });
});

test("storage order does not change what is left on the screen", () => {
  const flipped = grid([20, 30, 40], { affine: [[0, 0, -0.5, 10], [0, -0.5, 0, 20], [-2, 0, 0, 100], [0, 0, 0, 1]] });
  for (const p of g.planesOf(flipped)) {
    const sides = g.sideLetters(flipped.affine, p, g.viewMatrix(p, g.fittedView(p), 200, 200));
    assert.equal(sides.left, p.name === "sagittal" ? "A" : "R");
    assert.equal(sides.top, p.name === "axial" ? "A" : "H");
  }
});

test("the acquired plane comes first", () => {
  const sagittal = grid([20, 30, 40], { affine: [[3, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]] });
  assert.equal(g.planesOf(sagittal)[0].name, "sagittal");
});

test("letters follow flips and turns", () => {
  const series = grid();
  const plane = g.planesOf(series)[0];
  const sides = (change) => g.sideLetters(series.affine, plane, g.viewMatrix(plane, { ...g.fittedView(plane), ...change }, 400, 300));
  assert.equal(sides({ flipH: true }).left, "L");
  assert.equal(sides({ flipV: true }).top, "P");
  assert.deepEqual(sides({ turns: 1 }), { left: "P", right: "A", top: "R", bottom: "L" });
  assert.deepEqual(sides({ turns: 1, flipH: true }), { left: "A", right: "P", top: "R", bottom: "L" });
});

test("an oblique plane names its second direction", () => {
  const t = Math.PI / 6;
  const affine = [[0, 0, Math.cos(t), 0], [0, 1, Math.sin(t), 0], [1, 0, 0, 0], [0, 0, 0, 1]];
  const series = grid([5, 9, 9], { affine });
  const plane = g.planesOf(series)[0];
  assert.equal(g.sideLetters(series.affine, plane, g.viewMatrix(plane, g.fittedView(plane), 90, 90)).right, "LP");
});

test("projections, photographs and uncalibrated pictures claim no sides", () => {
  const plain = [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]];
  const one = (more) => grid([1, 30, 40], { affine: plain, ...more });
  assert.equal(g.sidesKnown(one({ modality: "DX" })), false);
  assert.equal(g.sidesKnown(one({ modality: "OT", unit: "px" })), false);
  assert.equal(g.sidesKnown(grid([30, 30, 40], { affine: plain, modality: "US" })), false, "frames of a film are time");
  const stated = [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]; // Patient Orientation L\H, upside down
  const series = one({ modality: "DX", affine: stated });
  assert.equal(g.sidesKnown(series), true);
  const [plane] = g.planesOf(series);
  assert.equal(plane.name, "image");
  assert.equal(g.sideLetters(stated, plane, g.viewMatrix(plane, g.fittedView(plane), 90, 90)).top, "H");
  const [shown] = g.planesOf(one({ modality: "DX" }));
  assert.deepEqual([shown.x, shown.y], [{ axis: 2, sense: 1 }, { axis: 1, sense: 1 }]);
});

test("a single image is axial only when its file says so", () => {
  // What the importer writes without an orientation: pixel spacing alone is real.
  const unstated = [[0, 0, 2.4, 0], [0, 2.4, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]];
  const placed = [[0, 0, 0.66, -158.1], [0, 0.66, 0, -179], [5, 0, 0, -75.7], [0, 0, 0, 1]];
  const known = (modality, affine, shape = [1, 30, 40]) => g.sidesKnown(grid(shape, { affine, modality }));
  for (const modality of ["CT", "MR", "PT"]) assert.equal(known(modality, placed), true, modality);
  for (const modality of ["CT", "MR", "PT", "NM", "OT"]) assert.equal(known(modality, unstated), false, modality);
  for (const modality of ["NM", "OT", "US", "XA", "CR", "DX", "RF", "MG", "SM"]) assert.equal(known(modality, placed), false, modality);
  const thick = unstated.map((row, r) => (r === 2 ? [5, 0, 0, 0] : row));
  assert.equal(known("CT", thick), true, "a thickness is stated only with a plane");
  const tilted = [[0, 0, 1, 0], [-0.1, 0.995, 0, 0], [0.995, 0.1, 0, 0], [0, 0, 0, 1]];
  assert.equal(known("NM", tilted), true, "a direction of its own");
  assert.equal(known("NM", unstated, [2, 30, 40]), false, "anterior and posterior view of one bone scan");
  assert.equal(known("NM", placed, [60, 30, 40]), true, "a SPECT stack");
});

test("frames, tiles, photographs and radiographs have no position in mm", () => {
  const plain = [[0, 0, 0.3, 0], [0, 0.3, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]];
  const frames = (modality, more) => grid([30, 30, 40], { affine: plain, modality, ...more });
  for (const series of [frames("US"), frames("XA"), frames("SM", { colour: true }), frames("NM"), frames("MR", { unit: "px" })]) {
    assert.equal(g.positionKnown(series), false, series.modality);
  }
  assert.deepEqual([frames("US"), frames("NM"), frames("OT", { colour: true }), grid()].map(g.isFramed), [true, true, true, false]);
  assert.equal(g.positionKnown(grid()), true);
  const chest = grid([1, 30, 40], { modality: "DX", affine: [[0, 0, 0.2, 0], [1, 0, 0, 0], [0, -0.2, 0, 0], [0, 0, 0, 1]] });
  assert.deepEqual([g.sidesKnown(chest), g.positionKnown(chest)], [true, false], "Patient Orientation gives sides alone");
});

test("a view that is not the default says how", () => {
  const view = g.fittedView(g.planesOf(grid())[0]);
  const words = (change) => g.turnedWords({ ...view, zoom: 3, ...change });
  assert.equal(words({}), "");
  assert.equal(words({ flipH: true }), "Flipped left-right");
  assert.equal(words({ flipV: true, turns: 3 }), "Rotated 270° · Flipped top-bottom");
  assert.equal(words({ flipH: true, flipV: true, turns: 2 }), "", "the default again");
  const turned = { ...view, zoom: 3, u: 1, flipV: true, turns: 1 };
  assert.deepEqual(g.upright(turned), { ...view, zoom: 3, u: 1 });
});

test("screen and voxel agree both ways under any view", () => {
  const plane = g.planesOf(grid())[1];
  for (const turns of [0, 1, 2, 3]) for (const flipH of [false, true]) for (const flipV of [false, true]) {
    const m = g.viewMatrix(plane, { zoom: 2.3, u: 11, v: 7, flipH, flipV, turns }, 411, 307);
    const [x, y] = g.toScreen(m, 11, 7);
    near(x, 411 / 2);
    near(y, 307 / 2);
    const [u, v] = g.fromScreen(m, ...g.toScreen(m, 3.25, 14.5));
    near(u, 3.25);
    near(v, 14.5);
  }
});

test("voxels are those whose centre is nearest, and none lie outside", () => {
  const plane = g.planesOf(grid())[0];
  assert.deepEqual(g.voxelAt(plane, 4, [2.49, 5.51]), { k: 4, j: 6, i: 2 });
  assert.deepEqual(g.voxelAt(plane, 4, [-0.49, 0]), { k: 4, j: 0, i: 0 });
  assert.equal(g.voxelAt(plane, 4, [-0.51, 0]), null);
  assert.equal(g.voxelAt(plane, 4, [39.51, 0]), null);
  assert.deepEqual(g.voxelAt(plane, 4, [99, -3], true), { k: 4, j: 0, i: 39 });
});

test("zooming keeps the point under the cursor; panning follows the hand and stays on the image", () => {
  const plane = g.planesOf(grid())[0];
  const view = { ...g.fittedView(plane), turns: 1, flipV: true };
  const m = g.viewMatrix(plane, view, 400, 300);
  const before = g.fromScreen(m, 190, 130);
  const after = g.zoomed(plane, view, 1.7, 190, 130, 400, 300);
  const [x, y] = g.toScreen(g.viewMatrix(plane, after, 400, 300), ...before);
  near(x, 190);
  near(y, 130);
  const [u, v] = g.fromScreen(m, 200, 150);
  const moved = g.panned(plane, view, m, 9, -5);
  const [px, py] = g.toScreen(g.viewMatrix(plane, moved, 400, 300), u, v);
  near(px, 209);
  near(py, 145);
  const far = g.panned(plane, view, m, 1e6, 1e6);
  assert.ok(far.u >= -0.5 && far.u <= plane.width - 0.5 && far.v >= -0.5 && far.v <= plane.height - 0.5);
});

test("a fitted view shows the whole image, turned or not", () => {
  const plane = g.planesOf(grid())[1];
  for (const turns of [0, 1]) {
    const m = g.viewMatrix(plane, { ...g.fittedView(plane), turns }, 200, 500);
    for (const [u, v] of [[-0.5, -0.5], [plane.width - 0.5, plane.height - 0.5]]) {
      const [x, y] = g.toScreen(m, u, v);
      assert.ok(x > -1e-6 && x < 200 + 1e-6 && y > -1e-6 && y < 500 + 1e-6);
    }
  }
});

test("the position of a slice is its LPS coordinate", () => {
  const series = grid();
  const [axial, coronal] = g.planesOf(series);
  near(g.slicePosition(series.affine, axial, 3), 106);
  near(g.slicePosition(series.affine, coronal, 10), -15);
});

test("a scale bar is a round length that fits", () => {
  assert.deepEqual(g.scaleBar(2, 120), { length: 50, pixels: 100 });
  assert.deepEqual(g.scaleBar(0.5, 120), { length: 200, pixels: 100 });
  near(g.scaleBar(300, 120).length, 0.2);
});
