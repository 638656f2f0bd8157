/**
 * Masks as they lie on disk (backend/imaging/mask.py): one bit a voxel of a box, rows padded to bytes, bit b of byte n
 * in row (k, j) is column i0 + 8 n + b. They stay packed; only the slice on show is unpacked.
 *
 * @typedef {import("./box.js").Box} Box
 * @typedef {{sha256: string, box: Box, voxels: number}} MaskRegion
 * @typedef {import("./geometry.js").Plane} Plane
 */

import { outlines } from "./contour.js";
import { ReaderError, refusal } from "./volume.js";

const SLICES_KEPT = 96;
const AT_ONCE = 4;
const ATTEMPTS = 3;

/** A mask whose bits are here. */
export class PackedMask {
  /** @param {Box} box @param {Uint8Array} bytes */
  constructor(box, bytes) {
    this.box = box;
    this.low = [box.k0, box.j0, box.i0];
    this.size = [box.k1 - box.k0 + 1, box.j1 - box.j0 + 1, box.i1 - box.i0 + 1];
    this.rowBytes = (this.size[2] + 7) >> 3;
    if (bytes.length !== this.size[0] * this.size[1] * this.rowBytes) {
      throw new ReaderError("The file of a mask is damaged", `${bytes.length} bytes`, "Restore the library from a backup");
    }
    this.bytes = bytes;
    /** @type {Map<string, number[][]>} */
    this.loops = new Map();
  }

  /** Whether voxel (k, j, i) of the series is in the mask. */
  has({ k, j, i }) {
    const [dk, dj, di] = [k - this.low[0], j - this.low[1], i - this.low[2]];
    if (dk < 0 || dj < 0 || di < 0 || dk >= this.size[0] || dj >= this.size[1] || di >= this.size[2]) return false;
    return ((this.bytes[(dk * this.size[1] + dj) * this.rowBytes + (di >> 3)] >> (di & 7)) & 1) === 1;
  }

  /**
   * The voxels of one slice of a plane, inside the box.
   * @param {Plane} plane @returns {{bits: Uint8Array, width: number, height: number, u: number, v: number} | null}
   */
  slice(plane, /** @type {number} */ slice) {
    const n = slice - this.low[plane.normal];
    if (n < 0 || n >= this.size[plane.normal]) return null;
    const [ax, ay] = [plane.x.axis, plane.y.axis];
    const [width, height] = [this.size[ax], this.size[ay]];
    const bits = new Uint8Array(width * height);
    const at = [0, 0, 0];
    at[plane.normal] = n;
    for (let v = 0, out = 0; v < height; v++) {
      at[ay] = v;
      for (let u = 0; u < width; u++, out++) {
        at[ax] = u;
        const byte = this.bytes[(at[0] * this.size[1] + at[1]) * this.rowBytes + (at[2] >> 3)];
        bits[out] = (byte >> (at[2] & 7)) & 1;
      }
    }
    return { bits, width, height, u: this.low[ax], v: this.low[ay] };
  }

  /** Outlines on a slice in (u, v), cached. @param {Plane} plane @returns {number[][]} */
  outline(plane, /** @type {number} */ slice) {
    const key = `${plane.normal} ${slice}`;
    let found = this.loops.get(key);
    if (!found) {
      const part = this.slice(plane, slice);
      found = part ? outlines(part.bits, part.width, part.height) : [];
      for (const loop of found) for (let n = 0; n < loop.length; n += 2) {
        loop[n] += part.u;
        loop[n + 1] += part.v;
      }
      if (this.loops.size >= SLICES_KEPT) this.loops.delete(this.loops.keys().next().value);
      this.loops.set(key, found);
    }
    return found;
  }

  /** The middle of the mask on its largest (k) slice, moved to the nearest voxel that is set. @returns {{k: number, j: number, i: number}} */
  centre() {
    const perSlice = this.size[1] * this.rowBytes;
    let [best, most] = [0, -1];
    for (let k = 0; k < this.size[0]; k++) {
      let count = 0;
      for (let n = k * perSlice; n < (k + 1) * perSlice; n++) count += ONES[this.bytes[n]];
      if (count > most) [best, most] = [k, count];
    }
    return this.nearestToMiddle(best);
  }

  nearestToMiddle(/** @type {number} */ k) {
    const set = [];
    for (let j = 0; j < this.size[1]; j++) for (let i = 0; i < this.size[2]; i++) {
      const index = { k: k + this.low[0], j: j + this.low[1], i: i + this.low[2] };
      if (this.has(index)) set.push(index);
    }
    const mean = (/** @type {"j" | "i"} */ axis) => set.reduce((sum, p) => sum + p[axis], 0) / set.length;
    const [mj, mi] = [mean("j"), mean("i")];
    const distance = (p) => (p.j - mj) ** 2 + (p.i - mi) ** 2;
    return set.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  }
}

const ONES = Uint8Array.from({ length: 256 }, (_, n) => n.toString(2).replaceAll("0", "").length);

/** Masks by sha256, fetched when first asked for, a few at once. */
export class MaskStore {
  /** @param {(sha256: string) => string} url @param {() => void} onArrival @param {(error: Error) => void} onError */
  constructor(url, onArrival, onError) {
    Object.assign(this, { url, onArrival, onError });
    /** @type {Map<string, PackedMask>} */
    this.masks = new Map();
    this.asked = new Set();
    this.queue = [];
    this.running = 0;
  }

  /** The mask, or undefined while it is under way. @param {MaskRegion} region */
  get(region) {
    const mask = this.masks.get(region.sha256);
    if (!mask && !this.asked.has(region.sha256)) {
      this.asked.add(region.sha256);
      this.queue.push(region);
      this.next();
    }
    return mask;
  }

  /** Forget what no longer stands on the screen. @param {Set<string>} names */
  retain(names) {
    for (const name of this.masks.keys()) if (!names.has(name)) this.masks.delete(name);
    for (const name of this.asked) if (!names.has(name)) this.asked.delete(name);
    this.queue = this.queue.filter((region) => names.has(region.sha256));
  }

  next() {
    while (this.running < AT_ONCE && this.queue.length) {
      this.running++;
      this.load(this.queue.shift()).catch(this.onError).finally(() => {
        this.running--;
        this.next();
      });
    }
  }

  async load(/** @type {MaskRegion} */ region) {
    const bytes = await fetched(this.url(region.sha256));
    if (!this.asked.has(region.sha256)) return;
    this.masks.set(region.sha256, new PackedMask(region.box, bytes));
    this.onArrival();
  }
}

/** The inflated bytes; a server that is starting again is given a little time. @returns {Promise<Uint8Array>} */
async function fetched(/** @type {string} */ url) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, { credentials: "same-origin" });
      if (!response.ok) throw await refusal(response, "a mask");
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      if (error instanceof ReaderError) throw error;
      if (attempt >= ATTEMPTS) throw new ReaderError("A mask could not be loaded", String(error), "Reload the page");
    }
    await new Promise((resolve) => setTimeout(resolve, 300 * attempt));
  }
}
