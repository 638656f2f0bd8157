/** Numbers and short phrases as a reader sees them: units always, no more digits than the image supports. */

const MINUS = "\u2212";

/** @param {number} value @param {number} digits after the point @returns {string} with a true minus sign */
export function number(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
}

function significant(value, figures) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const digits = Math.max(0, figures - 1 - Math.floor(Math.log10(size)));
  return number(value, Math.min(digits, 4));
}

/** @param {{name: string, value: number, unit: string}} measurement @returns {string} e.g. "2.13 L", "9.4 mm" */
export function measurement({ name, value, unit }) {
  if (!Number.isFinite(value)) return "";
  if (unit === "px" && name === "area") return `${number(value, 0)} px\u00b2`;
  if (unit === "px" && name === "volume") return plural(number(value, 0), "voxel");
  if (unit === "mL" && Math.abs(value) >= 1000) return `${number(value / 1000, 2)} L`;
  if (unit === "mL") return `${significant(value, 3)} mL`;
  if (unit === "mm2") return `${significant(value / 100, 3)} cm\u00b2`;
  if (unit === "mm") return `${number(value, Math.abs(value) >= 100 ? 0 : 1)} mm`;
  if (unit === "HU" || unit === "px") return `${number(value, 0)} ${unit}`;
  if (unit === "1" || unit === "") return number(value, 2);
  return `${significant(value, 3)} ${unit}`;
}

/**
 * Measurements with their names; the sides of a box as one phrase, width first.
 * @param {{name: string, value: number, unit: string}[]} measurements extents in the order (k, j, i)
 * @returns {string[]} e.g. ["box 31 \u00d7 30 mm"], ["volume 14.5 mL", "HU mean 43 HU"]
 */
export function sizes(measurements) {
  const sides = measurements.filter(({ name }) => name === "extent").reverse();
  const others = measurements.filter(({ name }) => name !== "extent").map((m) => `${m.name} ${measurement(m)}`);
  if (sides.length === 0) return others;
  const { unit } = sides[0];
  const digits = unit === "mm" && sides.some(({ value }) => value < 10) ? 1 : 0;
  return [`box ${sides.map(({ value }) => number(value, digits)).join(" \u00d7 ")} ${unit}`, ...others];
}

/** The pixel value under the cursor with its unit. */
export function pixelValue(value, unit) {
  if (Array.isArray(value)) return `RGB ${value.join(" ")}`;
  if (!Number.isFinite(value)) return "";
  if (unit === "HU") return `${number(value, 0)} HU`;
  if (unit === "SUVbw") return `SUVbw ${number(value, 2)}`;
  return `value ${number(value, Number.isInteger(value) ? 0 : 1)}`;
}

/** @param {{modality: string, body_part: string, description: string}} series */
export function seriesTitle(series) {
  const part = (series.body_part || "").toLowerCase().replaceAll("_", " ");
  return [series.modality, part].filter(Boolean).join(" ");
}

/** @param {number[]} shape (k, j, i) */
export function extent(shape) {
  return shape[0] > 1 ? `${shape[0]} slices` : `${shape[2]} \u00d7 ${shape[1]} pixels`;
}

/** @param {number|string} count @param {string} one singular @param {string} [many] plural */
export function plural(count, one, many = `${one}s`) {
  return `${count} ${Number(count) === 1 ? one : many}`;
}

/** One measured figure of an expert, e.g. "Dice 0.94 ± 0.02 (n 20, held out)". */
export function accuracy(figure) {
  const spread = figure.spread ? ` ${figure.spread}` : "";
  const where = figure.development ? "development data" : figure.data;
  return `${figure.metric} ${number(figure.value, 2)}${spread} (n ${figure.n}${where ? `, ${where}` : ""})`;
}

/**
 * The probe line.
 * @param {{lps: number[]|null, index: number[], value: number|number[], unit: string}|null} probe
 * @param {{unit: string, modality: string}|null} series
 * @param {string[]} names findings under the cursor
 */
export function probeLine(probe, series, names) {
  if (!probe || !series || !probe.index) return "";
  const parts = [];
  if (series.unit === "mm" && probe.lps) parts.push(`LPS ${probe.lps.map((v) => number(v, 1)).join(" ")} mm`);
  parts.push(`voxel ${probe.index.map((v) => Math.round(v)).join(" ")}`);
  parts.push(pixelValue(probe.value, probe.unit));
  parts.push(...names);
  return parts.filter(Boolean).join(" \u00b7 ");
}
