/**
 * What the viewer remembers: the view of every series while the page lives, and the reader's layout and window preset
 * for a modality in localStorage. Nothing of a patient is stored.
 *
 * @typedef {{layout?: string, preset?: string}} Preference
 * @typedef {{cursor: import("./geometry.js").Index, window: import("./window.js").Window | null, inverted: boolean,
 *   views: Record<string, import("./geometry.js").View>, main: string}} SeriesState
 */

/** @type {Map<string, SeriesState>} */
const states = new Map();

/** @returns {SeriesState | undefined} */
export function recall(/** @type {string} */ seriesUid) {
  return states.get(seriesUid);
}

export function remember(/** @type {string} */ seriesUid, /** @type {SeriesState} */ state) {
  states.set(seriesUid, state);
}

/** @returns {Preference} */
export function preference(/** @type {string} */ modality) {
  try {
    const found = JSON.parse(localStorage.getItem(key(modality)) ?? "{}");
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {}; // storage is blocked or was written by something else: the defaults serve
  }
}

/** @param {Preference} change */
export function prefer(/** @type {string} */ modality, change) {
  try {
    localStorage.setItem(key(modality), JSON.stringify({ ...preference(modality), ...change }));
  } catch {
    // Storage is full or blocked; the choice then lasts until the page is closed.
  }
}

function key(/** @type {string} */ modality) {
  return `overread.viewer.${modality}`;
}
