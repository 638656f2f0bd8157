/**
 * One plane of a volume as RGBA. No DOM.
 *
 * @typedef {import("./geometry.js").Plane} Plane
 * @typedef {import("./volume.js").Volume} Volume
 */

/** @returns {{base: number, u: number, v: number}} offsets in voxels */
function strides(/** @type {number[]} */ shape, /** @type {Plane} */ plane, /** @type {number} */ slice) {
  const step = [shape[1] * shape[2], shape[2], 1];
  return { base: step[plane.normal] * slice, u: step[plane.x.axis], v: step[plane.y.axis] };
}

/**
 * Fill `out` (rows in array order) with every `step`-th voxel of a slice. Voxels that have not arrived stay transparent.
 * @param {Volume} volume complete when step > 1 @param {Plane} plane @param {Uint32Array} table see lookupTable
 * @param {Uint32Array} out ceil(height / step) rows of ceil(width / step)
 */
export function fillSlice(volume, plane, /** @type {number} */ slice, table, out, step = 1) {
  const { base, u, v } = strides(volume.shape, plane, slice);
  const size = { width: Math.ceil(plane.width / step), height: Math.ceil(plane.height / step) };
  const fill = volume.channels === 3 ? fillColour : fillGrey;
  fill(volume.bits, size, { base, u: u * step, v: v * step }, table, out);
  if (!volume.complete) blankMissing(volume, plane, slice, out);
}

function fillGrey(bits, { width, height }, step, table, out) {
  for (let v = 0, n = 0; v < height; v++) {
    let at = step.base + v * step.v;
    for (let u = 0; u < width; u++, n++, at += step.u) out[n] = table[bits[at]];
  }
}

function fillColour(bits, { width, height }, step, table, out) {
  for (let v = 0, n = 0; v < height; v++) {
    let at = 3 * (step.base + v * step.v);
    for (let u = 0; u < width; u++, n++, at += 3 * step.u) {
      out[n] = 0xff000000 | (table[bits[at]] & 0xff) | (table[bits[at + 1]] & 0xff00) | (table[bits[at + 2]] & 0xff0000);
    }
  }
}

/** A slice that is not here yet must not look like tissue of value zero. */
function blankMissing(volume, plane, slice, out) {
  const { width, height } = plane;
  for (let k = 0; k < volume.shape[0]; k++) {
    if (volume.has[k]) continue;
    if (plane.normal === 0) {
      if (k === slice) out.fill(0);
    } else if (plane.y.axis === 0) out.fill(0, k * width, (k + 1) * width);
    else for (let v = 0; v < height; v++) out[v * width + k] = 0;
  }
}
