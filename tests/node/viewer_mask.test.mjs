import assert from "node:assert/strict";
import test from "node:test";

import { outlines } from "../../ui/viewer/contour.js";
import { planesOf } from "../../ui/viewer/geometry.js";
import { PackedMask } from "../../ui/viewer/mask.js";
import { grid, packed } from "./fixtures.mjs";

const BOX = { k0: 3, j0: 5, i0: 6, k1: 9, j1: 15, i1: 26 };
const inside = (k, j, i) => (k - 6) ** 2 * 4 + (j - 10) ** 2 + ((i - 16) / 2) ** 2 < 27 && (j + i) % 7 !== 0;

/** Even-odd, as the canvas fills. */
function filled(loops, x, y) {
  let odd = false;
  for (const loop of loops) for (let n = 0; n < loop.length; n += 2) {
    const [ax, ay] = [loop[n], loop[n + 1]];
    const m = (n + 2) % loop.length;
    const [bx, by] = [loop[m], loop[m + 1]];
    if ((ay > y) !== (by > y) && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) odd = !odd;
  }
  return odd;
}

test("a packed mask answers for every voxel, and for those outside its box", () => {
  const mask = new PackedMask(BOX, packed(BOX, inside));
  for (let k = 0; k < 20; k++) for (let j = 0; j < 30; j++) for (let i = 0; i < 40; i++) {
    const box = k >= 3 && k <= 9 && j >= 5 && j <= 15 && i >= 6 && i <= 26;
    assert.equal(mask.has({ k, j, i }), box && inside(k, j, i));
  }
});

test("slices of all three planes hold the same voxels", () => {
  const mask = new PackedMask(BOX, packed(BOX, inside));
  for (const plane of planesOf(grid())) {
    let count = 0;
    for (let slice = 0; slice < plane.depth; slice++) {
      const part = mask.slice(plane, slice);
      part?.bits.forEach((bit, n) => {
        const index = [0, 0, 0];
        index[plane.normal] = slice;
        index[plane.x.axis] = part.u + (n % part.width);
        index[plane.y.axis] = part.v + Math.floor(n / part.width);
        assert.equal(bit === 1, mask.has({ k: index[0], j: index[1], i: index[2] }));
        count += bit;
      });
    }
    const all = mask.bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    assert.equal(count, all);
  }
});

test("outlines hold exactly the pixels that are set, whatever the shape", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let trial = 0; trial < 60; trial++) {
    const [width, height, density] = [1 + Math.floor(random() * 12), 1 + Math.floor(random() * 12), random()];
    const bits = Uint8Array.from({ length: width * height }, () => (random() < density ? 1 : 0));
    const loops = outlines(bits, width, height);
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      // A touch off the centre, so that no ray runs along an edge.
      assert.equal(filled(loops, x + 0.013, y + 0.017), bits[y * width + x] === 1, `${width}x${height} at ${x},${y}`);
    }
  }
});

test("a hole has a loop of its own and straight runs have no points between their ends", () => {
  const bits = Uint8Array.from([1, 1, 1, 1, 0, 1, 1, 1, 1]);
  assert.equal(outlines(bits, 3, 3).length, 2);
  assert.ok(outlines(new Uint8Array(10000).fill(1), 100, 100)[0].length <= 18);
});

test("the centre is a voxel of the mask on its largest slice", () => {
  const ring = (k, j, i) => k === 7 && Math.abs(Math.hypot(j - 10, i - 16) - 4) < 1;
  const mask = new PackedMask(BOX, packed(BOX, (k, j, i) => ring(k, j, i) || (k === 4 && j === 8 && i === 8)));
  const centre = mask.centre();
  assert.equal(centre.k, 7);
  assert.ok(mask.has(centre));
});

test("a mask of the wrong length is refused with a sentence", () => {
  assert.throws(() => new PackedMask(BOX, new Uint8Array(5)), (error) => error.problem.what === "The file of a mask is damaged");
});
