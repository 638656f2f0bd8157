/**
 * Where voxels lie, in the patient and on the screen. No DOM.
 *
 * World is patient LPS in millimetres, index is (k, j, i) with integers at voxel centres, as in
 * backend.domain.geometry; `anatomicalAxes` is the counterpart of Geometry.anatomical_axes and is tested against it.
 * On a plane, (u, v) are the indices along its two array axes: pixels stay in the array's order and only the
 * transform to the screen turns or flips them.
 *
 * @typedef {{axis: number, sense: number}} SignedAxis  array axis 0-2 and +1 or -1
 * @typedef {{k: number, j: number, i: number}} Index
 * @typedef {{name: string, label: string, normal: number, x: SignedAxis, y: SignedAxis,
 *   width: number, height: number, depth: number, stepX: number, stepY: number}} Plane
 *   width, height, depth: voxels along x, y and the normal; stepX, stepY: distance between neighbours in the unit
 * @typedef {{zoom: number, u: number, v: number, flipH: boolean, flipV: boolean, turns: number}} View
 *   zoom 1 fits the pane; (u, v) is the point of the image at the pane's centre; turns: quarter turns clockwise
 * @typedef {[number, number, number, number, number, number]} Matrix  canvas order: x = a u + c v + e, y = b u + d v + f
 * @typedef {{shape: number[], affine: number[][], unit: string, modality: string, colour?: boolean, unsafe?: string[]}} Grid
 */

const PERMUTATIONS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
const [L, P, S] = [0, 1, 2];

/** Radiological display: patient right on the image's left, head up, nose left on sagittal. */
const PLANES = [
  { name: "axial", label: "Axial", normal: S, x: [L, 1], y: [P, 1] },
  { name: "coronal", label: "Coronal", normal: P, x: [L, 1], y: [S, -1] },
  { name: "sagittal", label: "Sagittal", normal: L, x: [P, 1], y: [S, -1] },
];

/** Modalities whose single images can be axial slices. */
const TOMOGRAPHIC = new Set(["CT", "MR", "PT", "NM"]);

/** Modalities whose frames are time, views or tiles when the file states no orientation. */
const FRAMED = new Set(["CR", "DX", "MG", "XA", "RF", "US", "IVUS", "ES", "SM", "GM", "XC", "OP", "OPT", "OCT", "IVOCT"]);

const ZOOM_RANGE = [0.25, 40];
const DEEP_FROM = 0.15; // depth over width under which reformatted planes show next to nothing

/** Distance between neighbours along (k, j, i). @param {number[][]} affine @returns {number[]} */
export function spacing(affine) {
  return [0, 1, 2].map((c) => Math.sqrt(affine[0][c] ** 2 + affine[1][c] ** 2 + affine[2][c] ** 2));
}

/**
 * For L, P and S in turn the array axis that runs closest to it; all three differ.
 * @param {number[][]} affine @returns {SignedAxis[]}
 */
export function anatomicalAxes(affine) {
  const step = spacing(affine);
  const cosine = (/** @type {number} */ world, /** @type {number} */ axis) => affine[world][axis] / step[axis];
  let best = PERMUTATIONS[0];
  let bestSum = -1;
  for (const order of PERMUTATIONS) {
    const sum = order.reduce((total, axis, world) => total + Math.abs(cosine(world, axis)), 0);
    if (sum > bestSum) [best, bestSum] = [order, sum];
  }
  return best.map((axis, world) => ({ axis, sense: cosine(world, axis) >= 0 ? 1 : -1 }));
}

/**
 * Whether side letters may be shown. A projection or photograph has no position in the patient; importers then write
 * a plain grid, which would read as axial.
 * @param {Grid} series
 */
export function sidesKnown(series) {
  const { affine, modality } = series;
  if (series.colour) return false;
  const axes = anatomicalAxes(affine);
  const single = series.shape[0] === 1;
  if (single && axes[S].axis !== 0) return true;
  if (series.unit !== "mm") return false;
  const plain = isPlain(affine);
  // Planar scintigrams are as common as slices, one or several; only a direction of their own tells them apart.
  if (single) return TOMOGRAPHIC.has(modality) && !plain && !(modality === "NM" && isAxial(affine));
  if (modality === "NM") return !plain;
  return !FRAMED.has(modality) || axes.some(({ axis, sense }, world) => axis !== 2 - world || sense < 0);
}

/** Whether a voxel's place in the patient may be shown. A stated direction alone, as of a radiograph, gives none. */
export function positionKnown(/** @type {Grid} */ series) {
  if (series.unit !== "mm" || !sidesKnown(series)) return false;
  return !((isFramed(series) || series.modality === "NM") && atOrigin(series.affine));
}

/** Whether the images of a series are frames (time, views, tiles) and not slices. @param {Grid} series */
export function isFramed(series) {
  return series.colour === true || FRAMED.has(series.modality) || (series.modality === "NM" && !sidesKnown(series));
}

/** The grid that importers write when a file states no orientation: only the pixel spacing is real. */
function isPlain(/** @type {number[][]} */ affine) {
  return isAxial(affine) && atOrigin(affine) && affine[2][0] === 1;
}

/** Whether i, j and k run exactly along L, P and S. @param {number[][]} affine */
function isAxial(affine) {
  const step = spacing(affine);
  return [0, 1, 2].every((r) => affine[r][2 - r] / step[2 - r] > 1 - 1e-9);
}

/** @param {number[][]} affine */
function atOrigin(affine) {
  return affine[0][3] === 0 && affine[1][3] === 0 && affine[2][3] === 0;
}

/**
 * The planes a series can be looked at in, the acquired one first. Three for a calibrated grey volume, else one.
 * @param {Grid} series @returns {Plane[]}
 */
export function planesOf(series) {
  const step = spacing(series.affine);
  const build = (/** @type {string} */ name, /** @type {string} */ label, /** @type {number} */ normal,
    /** @type {SignedAxis} */ x, /** @type {SignedAxis} */ y) => ({
    name, label, normal, x, y,
    width: series.shape[x.axis], height: series.shape[y.axis], depth: series.shape[normal],
    stepX: step[x.axis], stepY: step[y.axis],
  });
  if (!sidesKnown(series)) return [build("image", "Image", 0, { axis: 2, sense: 1 }, { axis: 1, sense: 1 })];
  const axes = anatomicalAxes(series.affine);
  const planes = PLANES.map((p) => {
    const along = ([world, sense]) => ({ axis: axes[world].axis, sense: axes[world].sense * sense });
    return build(p.name, p.label, axes[p.normal].axis, along(p.x), along(p.y));
  });
  planes.sort((a, b) => a.normal - b.normal);
  if (series.shape[0] > 1) return planes;
  return [{ ...planes[0], name: "image", label: "Image" }];
}

/** Whether a stack is thick enough to be worth reformatting. @param {Grid} series */
export function isDeep(series) {
  const [k, j, i] = spacing(series.affine).map((step, axis) => step * series.shape[axis]);
  return k >= DEEP_FROM * Math.max(j, i);
}

/** LPS of a (k, j, i) index. @param {number[][]} affine @param {number[]} index @returns {number[]} */
export function world(affine, [k, j, i]) {
  return [0, 1, 2].map((r) => affine[r][0] * k + affine[r][1] * j + affine[r][2] * i + affine[r][3]);
}

/** Where a plane lies along its own normal, in mm from the origin of LPS. @param {number[][]} affine */
export function slicePosition(affine, /** @type {Plane} */ plane, /** @type {number} */ slice) {
  const step = spacing(affine)[plane.normal];
  const at = [0, 0, 0];
  at[plane.normal] = slice;
  const point = world(affine, at);
  const normal = [0, 1, 2].map((r) => affine[r][plane.normal] / step);
  const major = normal.reduce((m, v, r) => (Math.abs(v) > Math.abs(normal[m]) ? r : m), 0);
  return Math.sign(normal[major]) * (point[0] * normal[0] + point[1] * normal[1] + point[2] * normal[2]);
}

/** A view that fits the plane. @param {Plane} plane @returns {View} */
export function fittedView(plane) {
  return { zoom: 1, u: (plane.width - 1) / 2, v: (plane.height - 1) / 2, flipH: false, flipV: false, turns: 0 };
}

/** The view without flips and turns. @param {View} view @returns {View} */
export function upright(view) {
  return { ...view, flipH: false, flipV: false, turns: 0 };
}

/** How a view is flipped and turned, in words; empty for the default. @param {View} view */
export function turnedWords({ flipH, flipV, turns }) {
  if (flipH && flipV && turns === 2) return ""; // these undo each other
  const words = [turns ? `Rotated ${90 * turns}°` : "", flipH ? "Flipped left-right" : "", flipV ? "Flipped top-bottom" : ""];
  return words.filter(Boolean).join(" · ");
}

/** Screen pixels per unit (mm or px). @param {Plane} plane @param {View} view */
export function scaleOf(plane, view, /** @type {number} */ width, /** @type {number} */ height) {
  const x = plane.width * plane.stepX;
  const y = plane.height * plane.stepY;
  const [across, down] = view.turns % 2 ? [y, x] : [x, y];
  return Math.min(width / across, height / down) * view.zoom;
}

/** (u, v) to pixels of a pane of this size. @param {Plane} plane @param {View} view @returns {Matrix} */
export function viewMatrix(plane, view, /** @type {number} */ width, /** @type {number} */ height) {
  const scale = scaleOf(plane, view, width, height);
  const sx = scale * plane.stepX * plane.x.sense;
  const sy = scale * plane.stepY * plane.y.sense;
  const cos = [1, 0, -1, 0][view.turns % 4];
  const sin = [0, 1, 0, -1][view.turns % 4];
  const [h, w] = [view.flipH ? -1 : 1, view.flipV ? -1 : 1]; // on the screen, after the turn
  const [a, b, c, d] = [h * cos * sx, w * sin * sx, h * -sin * sy, w * cos * sy];
  return [a, b, c, d, width / 2 - (a * view.u + c * view.v), height / 2 - (b * view.u + d * view.v)];
}

/** @param {Matrix} m @returns {[number, number]} */
export function toScreen([a, b, c, d, e, f], /** @type {number} */ u, /** @type {number} */ v) {
  return [a * u + c * v + e, b * u + d * v + f];
}

/** @param {Matrix} m @returns {[number, number]} (u, v), not rounded */
export function fromScreen([a, b, c, d, e, f], /** @type {number} */ x, /** @type {number} */ y) {
  const det = a * d - b * c;
  return [(d * (x - e) - c * (y - f)) / det, (a * (y - f) - b * (x - e)) / det];
}

/**
 * The voxel at (u, v) of a slice, or null outside the grid unless `clamp`.
 * @param {Plane} plane @param {number} slice @param {[number, number]} uv @returns {Index | null}
 */
export function voxelAt(plane, slice, [u, v], clamp = false) {
  let [ru, rv] = [Math.round(u), Math.round(v)];
  if (clamp) [ru, rv] = [limit(ru, 0, plane.width - 1), limit(rv, 0, plane.height - 1)];
  if (ru < 0 || rv < 0 || ru >= plane.width || rv >= plane.height) return null;
  const index = [0, 0, 0];
  [index[plane.normal], index[plane.x.axis], index[plane.y.axis]] = [slice, ru + 0, rv + 0];
  return { k: index[0], j: index[1], i: index[2] };
}

/** (slice, u, v) of a voxel on a plane. @param {Plane} plane @param {Index} index @returns {[number, number, number]} */
export function onPlane(plane, index) {
  const v = [index.k, index.j, index.i];
  return [v[plane.normal], v[plane.x.axis], v[plane.y.axis]];
}

/** The view moved by screen pixels; its centre stays on the image. @param {View} view @param {Matrix} m @returns {View} */
export function panned(plane, view, [a, b, c, d], /** @type {number} */ dx, /** @type {number} */ dy) {
  const det = a * d - b * c;
  return onImage(plane, { ...view, u: view.u - (d * dx - c * dy) / det, v: view.v - (a * dy - b * dx) / det });
}

/** The view zoomed so that the point under (x, y) stays there. @param {View} view @returns {View} */
export function zoomed(plane, view, factor, x, y, width, height) {
  const zoom = limit(view.zoom * factor, ...ZOOM_RANGE);
  const [u, v] = fromScreen(viewMatrix(plane, view, width, height), x, y);
  const keep = view.zoom / zoom;
  return onImage(plane, { ...view, zoom, u: u + (view.u - u) * keep, v: v + (view.v - v) * keep });
}

/** @param {Plane} plane @param {View} view @returns {View} */
function onImage(plane, view) {
  return { ...view, u: limit(view.u, -0.5, plane.width - 0.5), v: limit(view.v, -0.5, plane.height - 0.5) };
}

/**
 * Letters for the left, right, top and bottom edge of a pane: L R A P H F, two of them on oblique planes.
 * @param {number[][]} affine @param {Plane} plane @param {Matrix} m
 */
export function sideLetters(affine, plane, m) {
  const [x0, y0] = fromScreen(m, 0, 0);
  const towards = (/** @type {number} */ dx, /** @type {number} */ dy) => {
    const [u, v] = fromScreen(m, dx, dy);
    return letters([0, 1, 2].map((r) => affine[r][plane.x.axis] * (u - x0) + affine[r][plane.y.axis] * (v - y0)));
  };
  return { left: towards(-1, 0), right: towards(1, 0), top: towards(0, -1), bottom: towards(0, 1) };
}

/** DICOM PS3.3 C.7.6.1.1.1: the nearest axis first, a second one when it counts. @param {number[]} vector */
function letters(vector) {
  const length = Math.hypot(...vector);
  const names = [["R", "L"], ["A", "P"], ["F", "H"]];
  const parts = vector.map((v, r) => ({ size: Math.abs(v) / length, letter: names[r][v > 0 ? 1 : 0] }));
  parts.sort((a, b) => b.size - a.size);
  return parts.filter((p, n) => n === 0 || p.size > 0.35).map((p) => p.letter).join("");
}

/** A length of 1, 2 or 5 times a power of ten that takes at most `room` pixels. */
export function scaleBar(/** @type {number} */ pixelsPerUnit, /** @type {number} */ room) {
  const most = room / pixelsPerUnit;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = power * (most / power >= 5 ? 5 : most / power >= 2 ? 2 : 1);
  return { length, pixels: length * pixelsPerUnit };
}

/** @returns {number} */
export function limit(/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) {
  return Math.min(high, Math.max(low, value));
}
