/**
 * Voxels over HTTP: the visible slice first, then the rest as a stream into one array.
 *
 * @typedef {{what: string, found: string, next: string}} Problem  the browser's half of UserError
 */

const ATTEMPTS = 4;
const KEEP_BYTES = 400e6; // volumes of series left behind, so that going back costs nothing

/** Complete volumes by URL, oldest first. @type {Map<string, Volume>} */
const kept = new Map();

/** An error whose sentence is meant for the reader. */
export class ReaderError extends Error {
  constructor(/** @type {string} */ what, found = "", next = "") {
    super(what);
    /** @type {Problem} */
    this.problem = { what, found, next };
  }
}

/** Stored pixels in C order (k, j, i[, 3]); `has[k]` tells which slices have arrived. */
export class Volume {
  /** @param {{shape: number[], dtype: string, colour?: boolean}} series */
  constructor(series) {
    this.shape = series.shape;
    this.channels = series.colour ? 3 : 1;
    const voxels = series.shape[0] * series.shape[1] * series.shape[2] * this.channels;
    const size = series.dtype === "int16" ? 2 : 1;
    try {
      this.buffer = new ArrayBuffer(voxels * size);
    } catch {
      throw new ReaderError("This scan does not fit into the browser's memory", `${Math.round((voxels * size) / 1e6)} MB`,
        "Close other tabs and open it again");
    }
    this.stored = size === 2 ? new Int16Array(this.buffer) : new Uint8Array(this.buffer);
    /** The same bytes unsigned, for the lookup table. */
    this.bits = size === 2 ? new Uint16Array(this.buffer) : new Uint8Array(this.buffer);
    this.bytesPerSlice = this.buffer.byteLength / series.shape[0];
    this.has = new Uint8Array(series.shape[0]);
    this.arrived = 0;
  }

  get complete() {
    return this.arrived === this.shape[0];
  }

  mark(/** @type {number} */ k) {
    if (!this.has[k]) this.arrived++;
    this.has[k] = 1;
  }

  /** Stored pixels of slice k. */
  slice(/** @type {number} */ k) {
    const n = this.stored.length / this.shape[0];
    return this.stored.subarray(k * n, (k + 1) * n);
  }

  /** Stored value (or three of them) of a voxel; null while it is under way. @returns {number | number[] | null} */
  at({ k, j, i }) {
    if (!this.has[k]) return null;
    const n = this.channels * ((k * this.shape[1] + j) * this.shape[2] + i);
    return this.channels === 3 ? Array.from(this.stored.subarray(n, n + 3)) : this.stored[n];
  }
}

/** Fetches one volume. Calls `onSlice(k)`, `onProgress(fraction)`; everything stops with `abort()`. */
export class VolumeLoader {
  /** @param {{onSlice: (k: number) => void, onProgress: (fraction: number) => void}} listeners */
  constructor(series, /** @type {string} */ url, listeners) {
    this.url = url;
    this.listeners = listeners;
    this.stopper = new AbortController();
    this.volume = kept.get(url) ?? new Volume(series);
    /** @type {Map<number, AbortController>} */
    this.wanted = new Map();
  }

  abort() {
    this.stopper.abort();
  }

  /** Resolves when slice k is here. */
  async first(/** @type {number} */ k) {
    if (this.volume.has[k]) return;
    await this.read(k, k + 1, this.stopper.signal);
  }

  /** Streams everything, from slice k to the end and then from the start. */
  async rest(/** @type {number} */ k) {
    const n = this.volume.shape[0];
    if (!this.volume.complete) {
      await this.read(k, n, this.stopper.signal);
      if (k > 0) await this.read(0, k, this.stopper.signal);
    }
    this.listeners.onProgress(1);
    keep(this.url, this.volume);
  }

  /** Fetch slice k out of turn because a reader scrolled there; earlier wishes are dropped. */
  async want(/** @type {number} */ k) {
    if (this.volume.has[k] || this.wanted.has(k) || this.stopper.signal.aborted) return;
    for (const earlier of this.wanted.values()) earlier.abort();
    const stop = new AbortController();
    this.wanted.set(k, stop);
    try {
      await this.read(k, k + 1, AbortSignal.any([stop.signal, this.stopper.signal]));
    } catch (error) {
      if (!stop.signal.aborted && !this.stopper.signal.aborted) throw error;
    } finally {
      this.wanted.delete(k);
    }
  }

  /** Slices [from, to), resumed where a broken connection left off. */
  async read(/** @type {number} */ from, /** @type {number} */ to, /** @type {AbortSignal} */ signal) {
    const size = this.volume.bytesPerSlice;
    const end = to * size;
    let position = from * size;
    for (let attempt = 1; ; attempt++) {
      const before = position;
      try {
        for await (const at of this.stream(position, end, signal)) position = at;
        if (position === end) return;
        throw new TypeError("the connection closed early");
      } catch (error) {
        if (signal.aborted || error instanceof ReaderError) throw error;
        if (position > before) attempt = 1;
        if (attempt >= ATTEMPTS) {
          throw new ReaderError("The scan could not be loaded", String(error instanceof Error ? error.message : error),
            "Check that Overread is still running, then open the case again");
        }
        await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
      }
    }
  }

  /** Yields the byte up to which the volume is filled. A server without Range sends all from byte 0. */
  async *stream(/** @type {number} */ start, /** @type {number} */ end, /** @type {AbortSignal} */ signal) {
    const whole = start === 0 && end === this.volume.buffer.byteLength;
    const headers = whole ? {} : { Range: `bytes=${start}-${end - 1}` };
    const response = await fetch(this.url, { headers, signal, credentials: "same-origin" });
    if (!response.ok || !response.body) throw await refusal(response);
    const target = new Uint8Array(this.volume.buffer);
    const reader = response.body.getReader();
    let at = response.status === 206 ? start : 0;
    try {
      while (at < end) {
        const { done, value } = await reader.read();
        if (done) break;
        const piece = at + value.length > target.length ? value.subarray(0, target.length - at) : value;
        target.set(piece, at);
        this.filled(at, at + piece.length);
        at += piece.length;
        if (at >= start) yield Math.min(at, end);
      }
    } finally {
      reader.cancel().catch(() => {}); // the connection is gone already when this fails
    }
  }

  /** Marks the slices that bytes [a, b) have completed; the stream began at or before `a` on a slice's edge. */
  filled(/** @type {number} */ a, /** @type {number} */ b) {
    const size = this.volume.bytesPerSlice;
    for (let k = Math.floor(a / size); (k + 1) * size <= b; k++) {
      this.volume.mark(k);
      this.listeners.onSlice(k);
    }
    this.listeners.onProgress(this.volume.arrived / this.volume.shape[0]);
  }
}

/** The sentence a refusing server sent. @param {Response} response */
export async function refusal(response, subject = "the scan") {
  if (response.status >= 500) return new TypeError(`the server answered ${response.status}`);
  try {
    const { what, found, next } = await response.json();
    if (what) return new ReaderError(String(what), String(found ?? ""), String(next ?? ""));
  } catch {
    // Not JSON: the status is all there is to say.
  }
  return new ReaderError(`The server refused ${subject}`, `HTTP ${response.status}`, "Reload the page");
}

function keep(/** @type {string} */ url, /** @type {Volume} */ volume) {
  kept.delete(url);
  kept.set(url, volume);
  let bytes = 0;
  for (const v of kept.values()) bytes += v.buffer.byteLength;
  for (const [name, v] of kept) {
    if (bytes <= KEEP_BYTES || name === url) continue;
    kept.delete(name);
    bytes -= v.buffer.byteLength;
  }
}
