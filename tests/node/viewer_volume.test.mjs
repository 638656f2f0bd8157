import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

import { planesOf } from "../../ui/viewer/geometry.js";
import { fillSlice } from "../../ui/viewer/slice.js";
import { Volume, VolumeLoader } from "../../ui/viewer/volume.js";
import { lookupTable } from "../../ui/viewer/window.js";
import { grid } from "./fixtures.mjs";

const SHAPE = [12, 20, 30];
const VALUES = Int16Array.from({ length: 12 * 20 * 30 }, (_, n) => ((n * 7919) % 4000) - 2000);
const BYTES = Buffer.from(VALUES.buffer);

/** A real HTTP server; `answer` may spoil a response. @returns {Promise<{url: string, asked: string[], close: () => void}>} */
async function serve(t, answer = () => false, ranges = true) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.range ?? "all");
    if (answer(request, response, asked.length)) return;
    const match = ranges && /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
    const part = match ? BYTES.subarray(Number(match[1]), Number(match[2]) + 1) : BYTES;
    response.writeHead(match ? 206 : 200, { "Content-Length": part.length });
    response.end(part);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return { url: `http://127.0.0.1:${server.address().port}/v`, asked };
}

function loader(url, listeners = {}) {
  return new VolumeLoader(grid(SHAPE), url, { onSlice() {}, onProgress() {}, ...listeners });
}

test("the wanted slice is fetched alone, then everything", async (t) => {
  const { url, asked } = await serve(t);
  const slices = [];
  const fractions = [];
  const load = loader(url, { onSlice: (k) => slices.push(k), onProgress: (f) => fractions.push(f) });
  await load.first(5);
  assert.deepEqual([asked, slices, load.volume.arrived], [["bytes=6000-7199"], [5], 1]);
  assert.equal(load.volume.at({ k: 5, j: 3, i: 4 }), VALUES[5 * 600 + 3 * 30 + 4]);
  assert.equal(load.volume.at({ k: 6, j: 3, i: 4 }), null);
  await load.rest(5);
  assert.deepEqual(load.volume.stored, VALUES);
  assert.ok(load.volume.complete);
  assert.equal(fractions.at(-1), 1);
  assert.ok(fractions.every((f, n) => n === 0 || f >= fractions[n - 1]));
});

test("a complete volume is kept for the next visit", async (t) => {
  const { url, asked } = await serve(t);
  await loader(url).rest(0);
  const again = loader(url);
  await again.first(3);
  await again.rest(3);
  assert.equal(asked.length, 1);
  assert.deepEqual(again.volume.stored, VALUES);
});

test("a broken connection is resumed where it broke", async (t) => {
  const { url, asked } = await serve(t, (_, response, count) => {
    if (count !== 1) return false;
    response.writeHead(200, { "Content-Length": BYTES.length });
    response.write(BYTES.subarray(0, 3001), () => setTimeout(() => response.destroy(), 20));
    return true;
  });
  const load = loader(url);
  await load.rest(0);
  assert.deepEqual(load.volume.stored, VALUES);
  assert.deepEqual(asked, ["all", "bytes=3001-14399"]);
});

test("a server without ranges still serves", async (t) => {
  const { url } = await serve(t, () => false, false);
  const load = loader(url);
  await load.first(5);
  assert.deepEqual(load.volume.slice(5), VALUES.subarray(5 * 600, 6 * 600));
  await load.rest(5);
  assert.deepEqual(load.volume.stored, VALUES);
});

test("a refusal is told in the server's own words and not asked for again", async (t) => {
  const { url, asked } = await serve(t, (_, response) => {
    response.writeHead(404, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ what: "This series is gone", found: "1.2.3", next: "Reload" }));
    return true;
  });
  await assert.rejects(loader(url).first(0), (error) => error.problem.what === "This series is gone");
  assert.equal(asked.length, 1);
});

test("abort stops at once and a dropped wish is no error", async (t) => {
  const { url } = await serve(t, () => true);
  const load = loader(url);
  const waiting = load.first(2);
  const wish = load.want(7);
  const newer = load.want(8);
  await wish;
  load.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  await newer;
});

test("every plane shows the voxels it should, and nothing where none have come", () => {
  const volume = new Volume(grid(SHAPE));
  volume.stored.set(VALUES);
  const table = lookupTable(grid(SHAPE), { centre: 0, width: 4000, name: "", function: "LINEAR" });
  for (let k = 0; k < 12; k++) if (k !== 4) volume.mark(k);
  for (const plane of planesOf(grid(SHAPE))) {
    const out = new Uint32Array(plane.width * plane.height);
    for (const slice of [0, 4, plane.depth - 1]) {
      fillSlice(volume, plane, slice, table, out);
      for (let v = 0; v < plane.height; v++) for (let u = 0; u < plane.width; u++) {
        const at = [0, 0, 0];
        [at[plane.normal], at[plane.x.axis], at[plane.y.axis]] = [slice, u, v];
        const expected = at[0] === 4 ? 0 : table[VALUES[(at[0] * 20 + at[1]) * 30 + at[2]] & 0xffff];
        assert.equal(out[v * plane.width + u], expected);
      }
    }
  }
});

test("colour is shown as it is stored", () => {
  const series = grid([1, 2, 2], { dtype: "uint8", colour: true });
  const volume = new Volume(series);
  volume.stored.set([255, 0, 0, 0, 128, 0, 0, 0, 7, 1, 2, 3]);
  volume.mark(0);
  const out = new Uint32Array(4);
  const table = lookupTable({ ...series, slope: 1 }, { centre: 127.5, width: 255, name: "", function: "LINEAR_EXACT" });
  fillSlice(volume, planesOf(series)[0], 0, table, out);
  assert.deepEqual([...new Uint8Array(out.buffer)], [255, 0, 0, 255, 0, 128, 0, 255, 0, 0, 7, 255, 1, 2, 3, 255]);
});
