/**
 * Outlines of binary pictures. No DOM.
 */

const STEP = [[1, 0], [0, 1], [-1, 0], [0, -1]]; // east, south, west, north

/**
 * Closed outlines of the set pixels (4-connected), holes included: fill with the even-odd rule. Vertices are midpoints
 * of pixel edges, which is marching squares at one half; pixel (x, y) has its centre at (x, y).
 * @param {Uint8Array} bits height rows of width @returns {number[][]} each loop as x, y, x, y, ...
 */
export function outlines(bits, /** @type {number} */ width, /** @type {number} */ height) {
  const inside = (/** @type {number} */ x, /** @type {number} */ y) => (
    x >= 0 && y >= 0 && x < width && y < height && bits[y * width + x] !== 0);
  const seen = new Uint8Array(width * height);
  const loops = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!bits[y * width + x] || seen[y * width + x] || inside(x, y - 1)) continue;
      loops.push(trace(inside, seen, width, x, y));
    }
  }
  return loops;
}

/**
 * Walk the pixel edges with the inside on the right, beginning eastwards on top of pixel (x0, y0). Every loop has such
 * a top edge, and `seen` marks those that were walked.
 */
function trace(inside, seen, width, x0, y0) {
  const points = [];
  let [x, y, heading, turned] = [x0, y0, 0, true]; // (x, y): corner, top left of pixel (x, y)
  do {
    if (heading === 0) seen[y * width + x] = 1;
    const [dx, dy] = STEP[heading];
    const [cx, cy] = [x + dx, y + dy];
    const right = inside(cx + RIGHT[heading][0], cy + RIGHT[heading][1]);
    const left = inside(cx + LEFT[heading][0], cy + LEFT[heading][1]);
    const next = !right ? (heading + 1) % 4 : left ? (heading + 3) % 4 : heading;
    if (turned || next !== heading) points.push((x + cx) / 2 - 0.5, (y + cy) / 2 - 0.5);
    turned = next !== heading;
    [x, y, heading] = [cx, cy, next];
  } while (x !== x0 || y !== y0 || heading !== 0);
  return points;
}

/** The pixels ahead of a corner on the right and on the left of each heading, relative to the corner. */
const RIGHT = [[0, 0], [-1, 0], [-1, -1], [0, -1]];
const LEFT = [[0, -1], [0, 0], [-1, 0], [-1, -1]];
