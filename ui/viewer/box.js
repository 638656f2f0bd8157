/**
 * Boxes on a plane: corners are voxel indices and inclusive, as Box3D. No DOM.
 *
 * @typedef {{k0: number, j0: number, i0: number, k1: number, j1: number, i1: number}} Box
 * @typedef {{x0: number, y0: number, x1: number, y1: number}} Rect  on the screen
 * @typedef {{part: "handle" | "border" | "body", hx: number, hy: number}} Grip
 * @typedef {import("./geometry.js").Plane} Plane
 * @typedef {import("./geometry.js").Matrix} Matrix
 * @typedef {import("./geometry.js").Index} Index
 */

import { fromScreen, limit, toScreen } from "./geometry.js";

const ENDS = /** @type {const} */ ([["k0", "k1"], ["j0", "j1"], ["i0", "i1"]]);

/** First and last index along an array axis. @param {Box} box @returns {[number, number]} */
export function range(box, /** @type {number} */ axis) {
  return [box[ENDS[axis][0]], box[ENDS[axis][1]]];
}

/** The box with another range along an axis. @param {Box} box @returns {Box} */
export function withRange(box, /** @type {number} */ axis, /** @type {number} */ low, /** @type {number} */ high) {
  return { ...box, [ENDS[axis][0]]: low, [ENDS[axis][1]]: high };
}

/** The box between two voxels. @param {Index} a @param {Index} b @returns {Box} */
export function boxBetween(a, b) {
  const [k0, k1] = [Math.min(a.k, b.k), Math.max(a.k, b.k)];
  const [j0, j1] = [Math.min(a.j, b.j), Math.max(a.j, b.j)];
  const [i0, i1] = [Math.min(a.i, b.i), Math.max(a.i, b.i)];
  return { k0, j0, i0, k1, j1, i1 };
}

/** @param {Box} box @param {Index} index */
export function contains(box, { k, j, i }) {
  return k >= box.k0 && k <= box.k1 && j >= box.j0 && j <= box.j1 && i >= box.i0 && i <= box.i1;
}

/** @param {Box} box @param {Plane} plane */
export function crosses(box, plane, /** @type {number} */ slice) {
  const [low, high] = range(box, plane.normal);
  return slice >= low && slice <= high;
}

/** @param {Box} box @returns {Index} */
export function centreOf(box) {
  return { k: (box.k0 + box.k1) >> 1, j: (box.j0 + box.j1) >> 1, i: (box.i0 + box.i1) >> 1 };
}

/** The outer edges of the box's voxels on the screen. @param {Box} box @param {Plane} plane @param {Matrix} m @returns {Rect} */
export function rectOf(box, plane, m) {
  const [u0, u1] = range(box, plane.x.axis);
  const [v0, v1] = range(box, plane.y.axis);
  const [ax, ay] = toScreen(m, u0 - 0.5, v0 - 0.5);
  const [bx, by] = toScreen(m, u1 + 0.5, v1 + 0.5);
  return { x0: Math.min(ax, bx), y0: Math.min(ay, by), x1: Math.max(ax, bx), y1: Math.max(ay, by) };
}

/** The eight handles; hx, hy in -1, 0, 1 name the edges that each one moves. @param {Rect} r */
export function handlesOf(r) {
  const xs = [r.x0, (r.x0 + r.x1) / 2, r.x1];
  const ys = [r.y0, (r.y0 + r.y1) / 2, r.y1];
  const all = [-1, 0, 1].flatMap((hy) => [-1, 0, 1].map((hx) => ({ hx, hy, x: xs[hx + 1], y: ys[hy + 1] })));
  return all.filter((h) => h.hx !== 0 || h.hy !== 0);
}

/** What of a box lies under the pointer; handles only when they are shown. @param {Rect} r @returns {Grip | null} */
export function gripAt(r, /** @type {number} */ x, /** @type {number} */ y, withHandles = true, reach = 6) {
  const outside = x < r.x0 - reach || x > r.x1 + reach || y < r.y0 - reach || y > r.y1 + reach;
  if (outside) return null;
  if (withHandles) {
    const near = handlesOf(r).filter((h) => Math.max(Math.abs(h.x - x), Math.abs(h.y - y)) <= reach);
    near.sort((a, b) => Math.hypot(a.x - x, a.y - y) - Math.hypot(b.x - x, b.y - y));
    if (near.length) return { part: "handle", hx: near[0].hx, hy: near[0].hy };
  }
  const edge = Math.min(Math.abs(x - r.x0), Math.abs(x - r.x1), Math.abs(y - r.y0), Math.abs(y - r.y1));
  return { part: edge <= reach ? "border" : "body", hx: 0, hy: 0 };
}

/**
 * The box with one handle dragged to (x, y): edges snap to the borders between voxels, stay on the grid, and may cross.
 * @param {Box} box @param {Plane} plane @param {Matrix} m @param {{hx: number, hy: number}} grip @returns {Box}
 */
export function resized(box, plane, m, grip, /** @type {number} */ x, /** @type {number} */ y) {
  const r = rectOf(box, plane, m);
  const [ax, bx] = grip.hx < 0 ? [x, r.x1] : grip.hx > 0 ? [r.x0, x] : [r.x0, r.x1];
  const [ay, by] = grip.hy < 0 ? [y, r.y1] : grip.hy > 0 ? [r.y0, y] : [r.y0, r.y1];
  const [ua, va] = fromScreen(m, ax, ay);
  const [ub, vb] = fromScreen(m, bx, by);
  const along = withRange(box, plane.x.axis, ...between(ua, ub, plane.width));
  return withRange(along, plane.y.axis, ...between(va, vb, plane.height));
}

/** First and last voxel between two borders, at least one. @returns {[number, number]} */
function between(/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ count) {
  const low = limit(Math.round(Math.min(a, b) + 0.5), 0, count - 1);
  const high = limit(Math.round(Math.max(a, b) - 0.5), 0, count - 1);
  return [low, Math.max(low, high)];
}

/** The box moved by whole voxels and kept on the grid. @param {Box} box @param {Plane} plane @returns {Box} */
export function moved(box, plane, /** @type {number} */ du, /** @type {number} */ dv) {
  const shift = (/** @type {Box} */ b, /** @type {number} */ axis, /** @type {number} */ by, /** @type {number} */ count) => {
    const [low, high] = range(b, axis);
    const step = limit(Math.round(by), -low, count - 1 - high);
    return withRange(b, axis, low + step, high + step);
  };
  return shift(shift(box, plane.x.axis, du, plane.width), plane.y.axis, dv, plane.height);
}

/** @param {Box} a @param {Box} b */
export function sameBox(a, b) {
  return ENDS.flat().every((key) => a[key] === b[key]);
}
