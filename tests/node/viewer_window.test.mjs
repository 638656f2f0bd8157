import assert from "node:assert/strict";
import test from "node:test";

import { CT_PRESETS, greyOf, lookupTable, percentiles, presetsOf, windowOver } from "../../ui/viewer/window.js";
import { grid } from "./fixtures.mjs";

const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);
const window = (centre, width, name = "LINEAR") => ({ centre, width, name: "", function: name });

test("LINEAR as in the examples of PS3.3 C.11.2.1.2.1", () => {
  // c=2048, w=4096: 0 is black, 4095 white; c=2048, w=1: a step at 2047.5; c=0, w=100: -50 black, 49 white.
  near(greyOf(window(2048, 4096), 0), 0);
  near(greyOf(window(2048, 4096), 4095), 1);
  near(greyOf(window(2048, 1), 2047), 0);
  near(greyOf(window(2048, 1), 2048), 1);
  near(greyOf(window(0, 100), -50), 0);
  near(greyOf(window(0, 100), 49), 1);
  near(greyOf(window(0, 100), -0.5), 0.5);
});

test("LINEAR_EXACT and SIGMOID", () => {
  near(greyOf(window(0, 100, "LINEAR_EXACT"), 50), 1);
  near(greyOf(window(0, 100, "LINEAR_EXACT"), -50), 0);
  near(greyOf(window(0, 100, "LINEAR_EXACT"), 25), 0.75);
  near(greyOf(window(10, 40, "SIGMOID"), 10), 0.5);
  near(greyOf(window(10, 40, "SIGMOID"), 20), 1 / (1 + Math.exp(-1)));
  near(greyOf(window(0.5, 0.5), 0.5), 0.5);
});

test("the table maps every stored value, signed ones too", () => {
  const pixels = grid(undefined, { slope: 2, intercept: -100 });
  const table = lookupTable(pixels, window(0, 201));
  const bits = (value) => new Uint16Array(new Int16Array([value]).buffer)[0];
  const grey = (value) => table[bits(value)] & 255;
  for (const stored of [-32768, -1, 0, 25, 50, 75, 32767]) {
    assert.equal(grey(stored), Math.round(255 * greyOf(window(0, 201), stored * 2 - 100)), String(stored));
  }
  assert.ok(table.every((word) => word >>> 24 === 255 && (word & 255) === ((word >> 8) & 255)));
});

test("MONOCHROME1 is shown inverted, the reader's invert turns it back, padding stays black", () => {
  const pixels = { ...grid(), dtype: "uint8", inverted: true, padding: 255 };
  const table = lookupTable(pixels, window(128, 256));
  assert.equal(table[0] & 255, 255);
  assert.equal(table[255] & 255, 0);
  assert.equal(lookupTable(pixels, window(128, 256), true)[0] & 255, 0);
  assert.equal(lookupTable(pixels, window(128, 256), true)[255] & 255, 0);
  assert.equal(lookupTable({ ...grid(), padding: -2000 }, window(0, 100))[65536 - 2000] & 255, 0);
});

test("percentiles leave padding out", () => {
  const stored = Int16Array.from({ length: 3000 }, (_, n) => (n < 2000 ? -2000 : n - 2000));
  assert.deepEqual(percentiles(stored, [0, 0.5, 1], -2000), [0, 500, 999]);
  assert.equal(percentiles(stored.subarray(0, 10), [0.5], -2000), null);
  const found = windowOver({ ...grid(), padding: -2000, slope: 0.5 }, stored);
  assert.ok(found.centre > 240 && found.centre < 260 && found.width > 480 && found.width < 500);
});

test("a constant image still gets a window", () => {
  assert.ok(windowOver(grid(), new Int16Array(100)).width > 0);
});

test("the file's own windows come first, CT presets only for Hounsfield units", () => {
  const own = { centre: 1, width: 2, name: "", function: "SIGMOID" };
  const ct = presetsOf(grid(undefined, { windows: [own] }), new Int16Array(9));
  assert.deepEqual([ct[0].name, ct[0].function, ct[1]], ["File 1", "SIGMOID", CT_PRESETS[0]]);
  const mr = presetsOf(grid(undefined, { quantity: "1" }), new Int16Array(9));
  assert.deepEqual(mr.map((w) => w.name), ["Auto", "Full range"]);
});
