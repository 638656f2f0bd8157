/**
 * What is drawn on top of the image and what lies under the pointer. No DOM.
 *
 * @typedef {import("./box.js").Box} Box
 * @typedef {import("./mask.js").MaskRegion} MaskRegion
 * @typedef {import("./mask.js").PackedMask} PackedMask
 * @typedef {import("./geometry.js").Index} Index
 * @typedef {Index & {positive: boolean}} Point
 * @typedef {{id: string, label: string, state: string, regions: (Box | MaskRegion)[], points?: Point[],
 *   editable?: boolean, visible?: boolean, diameter_mm?: number}} Overlay
 * @typedef {{id: string, region: number, box: Box, grip: import("./box.js").Grip | null}} BoxHit
 */

import { centreOf, contains, crosses, gripAt, rectOf } from "./box.js";
import { onPlane, toScreen } from "./geometry.js";

/** Colour and sign of each state; the sign stands in the tag so that colour is never the only cue. */
export const STATES = {
  proposed: { colour: "#e0a93b", sign: "◇", dash: [] },
  unsure: { colour: "#e0a93b", sign: "?", dash: [] },
  accepted: { colour: "#4cc38a", sign: "✓", dash: [] },
  rejected: { colour: "#e5605e", sign: "✕", dash: [4, 4] },
  edited: { colour: "#a78bfa", sign: "✎", dash: [] },
  added: { colour: "#35b6e6", sign: "+", dash: [] },
  preview: { colour: "#35b6e6", sign: "…", dash: [6, 3] },
  spot: { colour: "#9aa4b2", sign: "◎", dash: [2, 3] },
};

/** Points are shown on their own slice and, fainter, this far to each side. */
export const POINT_REACH = 2;

/** @param {Box | MaskRegion} region @returns {region is MaskRegion} */
export function isMask(region) {
  return "sha256" in region;
}

/** The box that bounds a region. @param {Box | MaskRegion} region @returns {Box} */
export function boundsOf(region) {
  return isMask(region) ? region.box : region;
}

/** The overlays of the open series with what the reader points at. */
export class Overlays {
  /** @param {(region: MaskRegion) => PackedMask | undefined} maskOf */
  constructor(maskOf) {
    this.maskOf = maskOf;
    /** @type {Overlay[]} */
    this.items = [];
    this.highlighted = new Set();
    /** @type {string | null} */
    this.selected = null;
    /** @type {string | null} */
    this.hovered = null;
    this.shown = true;
    /** A box drawn by the reader that the page has not answered yet. @type {Box | null} */
    this.pending = null;
    /** A box while it is dragged. @type {{id: string, region: number, box: Box} | null} */
    this.edit = null;
  }

  /** @param {Overlay[]} items */
  set(items) {
    this.items = items.map((item) => ({ ...item, regions: [...(item.regions ?? [])], points: [...(item.points ?? [])] }));
    this.pending = null;
    if (this.selected !== null && !this.find(this.selected)) this.selected = null;
    if (this.hovered !== null && !this.find(this.hovered)) this.hovered = null;
  }

  find(/** @type {string | null} */ id) {
    return this.items.find((item) => item.id === id);
  }

  /** Items on the screen, with the box under the reader's hand in place of the stored one. */
  visible() {
    if (!this.shown) return [];
    return this.items.filter((item) => item.visible !== false).map((item) => (
      this.edit?.id === item.id
        ? { ...item, regions: item.regions.map((r, n) => (n === this.edit?.region ? this.edit.box : r)) } : item));
  }

  /** Whether a box shows its handles with this tool. @param {Overlay} item */
  hasHandles(item, /** @type {string} */ tool) {
    if (!item.editable || tool === "point") return false;
    return this.selected === item.id || (this.hovered === item.id && (tool === "select" || tool === "box"));
  }

  /**
   * Boxes of a slice under (x, y), the selected one first, then the smallest.
   * @param {import("./pane.js").Pane} pane @returns {BoxHit[]}
   */
  boxesAt(pane, /** @type {string} */ tool, /** @type {number} */ x, /** @type {number} */ y, reach = 6) {
    const hits = [];
    for (const item of this.visible()) {
      item.regions.forEach((box, region) => {
        if (isMask(box) || !crosses(box, pane.plane, pane.slice)) return;
        const rect = rectOf(box, pane.plane, pane.matrix);
        const grip = gripAt(rect, x, y, this.hasHandles(item, tool), reach);
        const size = (rect.x1 - rect.x0) * (rect.y1 - rect.y0);
        if (grip) hits.push({ id: item.id, region, box, grip, order: item.id === this.selected ? -1 : size });
      });
    }
    return hits.sort((a, b) => a.order - b.order);
  }

  /** Ids of everything that holds a voxel, the smallest first. @param {Index} index @returns {string[]} */
  idsAt(index) {
    const found = [];
    for (const item of this.visible()) {
      const sizes = item.regions.filter((r) => this.holds(r, index)).map(sizeOf);
      if (sizes.length) found.push({ id: item.id, size: Math.min(...sizes) });
    }
    return found.sort((a, b) => a.size - b.size).map((f) => f.id);
  }

  /** @param {Box | MaskRegion} region @param {Index} index */
  holds(region, index) {
    if (!isMask(region)) return contains(region, index);
    return this.maskOf(region)?.has(index) ?? false;
  }

  /** The overlay whose point lies within reach of (x, y). @param {import("./pane.js").Pane} pane */
  pointAt(pane, /** @type {number} */ x, /** @type {number} */ y, reach = 10) {
    for (const item of this.visible()) {
      for (const point of item.points ?? []) {
        const [slice, u, v] = onPlane(pane.plane, point);
        const [px, py] = toScreen(pane.matrix, u, v);
        if (Math.abs(slice - pane.slice) <= POINT_REACH && Math.hypot(px - x, py - y) <= reach) return item.id;
      }
    }
    return null;
  }

  /** Where to look for an overlay: the middle of its largest region. @returns {Index | null} */
  placeOf(/** @type {string} */ id) {
    const item = this.find(id);
    if (!item) return null;
    const largest = [...item.regions].sort((a, b) => sizeOf(b) - sizeOf(a))[0];
    if (largest) return (isMask(largest) && this.maskOf(largest)?.centre()) || centreOf(boundsOf(largest));
    return item.points?.[0] ?? null;
  }
}

/** Voxels. @param {Box | MaskRegion} region */
function sizeOf(region) {
  if (isMask(region)) return region.voxels;
  return (region.k1 - region.k0 + 1) * (region.j1 - region.j0 + 1) * (region.i1 - region.i0 + 1);
}
