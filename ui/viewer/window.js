/**
 * Stored pixels to grey: Modality LUT, VOI LUT, presentation, in that order (DICOM PS3.3 C.11.1, C.11.2). No DOM.
 *
 * @typedef {{centre: number, width: number, name: string, function: string}} Window
 *   in units of value = stored * slope + intercept; function: LINEAR, LINEAR_EXACT or SIGMOID
 * @typedef {{dtype: string, slope: number, intercept: number, inverted: boolean, padding: number | null,
 *   quantity: string, colour?: boolean, windows?: Window[]}} Pixels
 */

/** Name, width, level in HU. */
const CT = [
  ["Abdomen", 400, 40], ["Mediastinum", 350, 50], ["Lung", 1500, -600], ["Bone", 1800, 400], ["Brain", 80, 40],
  ["Subdural", 200, 75], ["Stroke", 40, 40], ["Liver", 150, 30], ["CTA", 600, 200], ["Spine", 250, 50],
  ["Temporal bone", 2800, 600],
];

/** @type {Window[]} */
export const CT_PRESETS = CT.map(([name, width, centre]) => (
  { name: String(name), width: Number(width), centre: Number(centre), function: "LINEAR" }));

const BLACK = 0xff000000;

/**
 * Grey 0-1 of a value, PS3.3 C.11.2.1.2 and C.11.2.1.3. LINEAR is not defined for widths under 1; it is then taken
 * as LINEAR_EXACT, which is.
 * @param {Window} window
 */
export function greyOf(window, /** @type {number} */ value) {
  const { centre, width } = window;
  if (window.function === "SIGMOID") return 1 / (1 + Math.exp((-4 * (value - centre)) / width));
  if (window.function === "LINEAR_EXACT" || width < 1) return clamp01((value - centre) / width + 0.5);
  if (value <= centre - 0.5 - (width - 1) / 2) return 0;
  if (value > centre - 0.5 + (width - 1) / 2) return 1;
  return (value - (centre - 0.5)) / (width - 1) + 0.5;
}

/**
 * RGBA of every stored value, addressed by its bits: 65536 entries for int16 read as uint16, 256 for uint8.
 * Padding is black whatever the window. `invert` is the reader's own switch on top of MONOCHROME1.
 * @param {Pixels} pixels @param {Window} window @returns {Uint32Array}
 */
export function lookupTable(pixels, window, invert = false) {
  const wide = pixels.dtype === "int16";
  const table = new Uint32Array(wide ? 65536 : 256);
  const dark = pixels.inverted !== invert;
  for (let bits = 0; bits < table.length; bits++) {
    const stored = wide && bits > 32767 ? bits - 65536 : bits;
    const grey = greyOf(window, stored * pixels.slope + pixels.intercept);
    table[bits] = BLACK | (Math.round((dark ? 1 - grey : grey) * 255) * 0x010101);
  }
  if (pixels.padding !== null && pixels.padding !== undefined) table[pixels.padding & (table.length - 1)] = BLACK;
  return table;
}

/**
 * Stored values at the given fractions, padding left out; null when nothing is left.
 * @param {Int16Array | Uint8Array} stored @param {number[]} fractions @returns {number[] | null}
 */
export function percentiles(stored, fractions, padding = null, stride = 1) {
  const low = stored instanceof Int16Array ? -32768 : 0;
  const counts = new Uint32Array(stored instanceof Int16Array ? 65536 : 256);
  let total = 0;
  for (let n = 0; n < stored.length; n += stride) {
    if (stored[n] === padding) continue;
    counts[stored[n] - low]++;
    total++;
  }
  if (total === 0) return null;
  return fractions.map((fraction) => {
    const rank = Math.min(total - 1, Math.floor(fraction * total));
    let seen = 0;
    for (let value = 0; ; value++) {
      seen += counts[value];
      if (seen > rank) return value + low;
    }
  });
}

/**
 * A window that holds the values between two percentiles.
 * @param {Pixels} pixels @param {Int16Array | Uint8Array} stored @param {string} name @returns {Window}
 */
export function windowOver(pixels, stored, fractions = [0.005, 0.995], name = "Auto", stride = 1) {
  const found = percentiles(stored, fractions, pixels.padding, stride) ?? [0, 1];
  const [a, b] = found.map((v) => v * pixels.slope + pixels.intercept);
  const width = Math.max(Math.abs(b - a), Math.abs(pixels.slope) || 1);
  return { centre: (a + b) / 2, width, name, function: "LINEAR_EXACT" };
}

/** Colour is shown as it is: a window that maps 0-255 to itself. */
export const PLAIN = { centre: 127.5, width: 255, name: "As stored", function: "LINEAR_EXACT" };

/**
 * The windows offered for a series: the file's own first, CT's for Hounsfield units, then those taken from the pixels.
 * @param {Pixels} pixels @param {Int16Array | Uint8Array | null} stored @returns {Window[]}
 */
export function presetsOf(pixels, stored) {
  if (pixels.colour) return [PLAIN];
  const own = (pixels.windows ?? []).map((w, n) => ({
    centre: w.centre, width: w.width, function: w.function ?? "LINEAR", name: w.name || `File ${n + 1}`,
  }));
  const list = [...own, ...(pixels.quantity === "HU" ? CT_PRESETS : [])];
  if (stored) {
    const stride = Math.max(1, Math.floor(stored.length / 500000)) | 1;
    if (pixels.quantity !== "HU") list.push(windowOver(pixels, stored, [0.005, 0.995], "Auto", stride));
    list.push(windowOver(pixels, stored, [0, 1], "Full range", stride));
  }
  return list;
}

function clamp01(/** @type {number} */ v) {
  return v < 0 ? 0 : v > 1 ? 1 : v;
}
