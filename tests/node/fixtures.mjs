/** Small values the tests of the viewer share. */

/** A grid with axes along L, P and S: k to the head, 2 mm slices of 0.5 mm pixels. */
export function grid(shape = [20, 30, 40], more = {}) {
  const affine = [[0, 0, 0.5, -10], [0, 0.5, 0, -20], [2, 0, 0, 100], [0, 0, 0, 1]];
  return { shape, affine, unit: "mm", modality: "CT", colour: false, unsafe: [], dtype: "int16", quantity: "HU",
    slope: 1, intercept: 0, windows: [], inverted: false, padding: null, series_uid: "1.2.3", description: "", ...more };
}

/** Bits of a box as backend/imaging/mask.py packs them. `inside(k, j, i)` on the series' grid. */
export function packed(box, inside) {
  const rowBytes = (box.i1 - box.i0 + 8) >> 3;
  const bytes = new Uint8Array((box.k1 - box.k0 + 1) * (box.j1 - box.j0 + 1) * rowBytes);
  let row = 0;
  for (let k = box.k0; k <= box.k1; k++) for (let j = box.j0; j <= box.j1; j++, row++) {
    for (let i = box.i0; i <= box.i1; i++) {
      const n = i - box.i0;
      if (inside(k, j, i)) bytes[row * rowBytes + (n >> 3)] |= 1 << (n & 7);
    }
  }
  return bytes;
}
