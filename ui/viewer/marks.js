/**
 * Draws overlays, handles and the crosshair of one pane.
 *
 * @typedef {import("./pane.js").Pane} Pane
 * @typedef {import("./overlay.js").Overlays} Overlays
 * @typedef {{overlays: Overlays, tool: string, cursor: import("./geometry.js").Index, crosshair: "none" | "faint" | "strong"}} Scene
 * @typedef {{x: number, y: number, bottom: number, text: string, id: string, state: string, dim: boolean, bright: boolean}} Tag
 */

import { crosses, handlesOf, rectOf } from "./box.js";
import { onPlane, scaleOf, toScreen } from "./geometry.js";
import { STATES, POINT_REACH, isMask } from "./overlay.js";

const FILL = { bright: 0.28, plain: 0.07, dim: 0.03 }; // the outline tells where; tissue under an undecided mask stays readable
const LINE = 1.5;
const ACCENT = "#35b6e6";
const NAMES_AT_MOST = 12; // beyond this only what the reader points at is named, the others show their sign
const SIGNS_AT_MOST = 60;

/** @param {CanvasRenderingContext2D} ctx already scaled to CSS pixels @param {Pane} pane @param {Scene} scene @returns {Tag[]} */
export function drawMarks(ctx, pane, scene) {
  ctx.clearRect(0, 0, pane.width, pane.height);
  if (scene.crosshair !== "none") drawCrosshair(ctx, pane, scene);
  const tags = [];
  for (const item of scene.overlays.visible()) {
    const look = lookOf(item, scene.overlays);
    ctx.globalAlpha = look.dim ? 0.4 : 1;
    ctx.strokeStyle = ctx.fillStyle = look.colour;
    ctx.lineWidth = look.bright ? LINE + 1 : LINE;
    ctx.setLineDash(look.dash);
    const rects = item.regions.map((r) => drawRegion(ctx, pane, scene.overlays, r, look)).filter((r) => r !== null);
    ctx.setLineDash([]);
    for (const point of item.points ?? []) rects.push(...drawPoint(ctx, pane, item, point, look));
    if (scene.overlays.hasHandles(item, scene.tool)) drawHandles(ctx, pane, item);
    const top = rects.sort((a, b) => a.y0 - b.y0)[0];
    // A spot is only a ring until pointed at, and a preview is named in its bar: a tag would cover what was clicked.
    if (top && item.state !== "preview" && (look.bright || item.state !== "spot")) tags.push(tagOf(item, top, look));
  }
  ctx.globalAlpha = 1;
  if (scene.overlays.pending) drawPending(ctx, pane, scene.overlays.pending);
  return uncrowded(tags);
}

/** @param {Tag[]} tags @returns {Tag[]} */
function uncrowded(tags) {
  if (tags.length <= NAMES_AT_MOST) return tags;
  if (tags.length > SIGNS_AT_MOST) return tags.filter((tag) => tag.bright);
  return tags.map((tag) => (tag.bright ? tag : { ...tag, text: tag.text.split(" ")[0] }));
}

/** @param {import("./overlay.js").Overlay} item @param {Overlays} overlays */
function lookOf(item, overlays) {
  const state = STATES[item.state] ?? STATES.proposed;
  const bright = overlays.highlighted.has(item.id) || overlays.hovered === item.id || overlays.selected === item.id;
  const dim = !bright && overlays.highlighted.size > 0;
  return { ...state, bright, dim };
}

function tagOf(item, rect, look) {
  return {
    x: rect.top ?? rect.x0, y: rect.y0, bottom: rect.y1, text: item.label ? `${look.sign} ${item.label}` : look.sign,
    id: item.id, state: item.state, dim: look.dim, bright: look.bright,
  };
}

/** @returns {import("./box.js").Rect | null} where it was drawn */
function drawRegion(ctx, pane, overlays, region, look) {
  if (isMask(region)) return drawMask(ctx, pane, overlays.maskOf(region), look);
  if (!crosses(region, pane.plane, pane.slice)) return null;
  const r = rectOf(region, pane.plane, pane.matrix);
  strokeBox(ctx, r, look);
  return r;
}

/** A dark line below the coloured one keeps it visible on bright tissue. */
function strokeBox(ctx, r, look) {
  const width = ctx.lineWidth;
  ctx.lineWidth = width + 2;
  ctx.strokeStyle = "rgb(0 0 0 / 45%)";
  ctx.strokeRect(r.x0, r.y0, r.x1 - r.x0, r.y1 - r.y0);
  ctx.lineWidth = width;
  ctx.strokeStyle = look.colour;
  ctx.strokeRect(r.x0, r.y0, r.x1 - r.x0, r.y1 - r.y0);
}

function drawMask(ctx, pane, mask, look) {
  const loops = mask ? mask.outline(pane.plane, pane.slice) : [];
  if (!loops.length) return null;
  const [a, b, c, d, e, f] = pane.matrix;
  const r = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity, top: 0 };
  ctx.beginPath();
  for (const loop of loops) {
    for (let n = 0; n < loop.length; n += 2) {
      const x = a * loop[n] + c * loop[n + 1] + e;
      const y = b * loop[n] + d * loop[n + 1] + f;
      if (n === 0) ctx.moveTo(x, y);
      else ctx.lineTo(x, y);
      if (x < r.x0) r.x0 = x;
      if (x > r.x1) r.x1 = x;
      if (y < r.y0) [r.y0, r.top] = [y, x];
      if (y > r.y1) r.y1 = y;
    }
    ctx.closePath();
  }
  const alpha = ctx.globalAlpha;
  ctx.globalAlpha = alpha * (look.bright ? FILL.bright : look.dim ? FILL.dim : FILL.plain);
  ctx.fill("evenodd");
  ctx.globalAlpha = alpha;
  ctx.stroke();
  return r;
}

/** @returns {import("./box.js").Rect[]} */
function drawPoint(ctx, pane, item, point, look) {
  const [slice, u, v] = onPlane(pane.plane, point);
  const [x, y] = toScreen(pane.matrix, u, v);
  if (item.state === "spot") return drawSpot(ctx, pane, item, slice, x, y);
  const away = Math.abs(slice - pane.slice);
  if (away > POINT_REACH) return [];
  ctx.save();
  ctx.globalAlpha *= away === 0 ? 1 : 0.35;
  ctx.beginPath();
  ctx.arc(x, y, 6.5, 0, 2 * Math.PI);
  ctx.fillStyle = point.positive ? look.colour : "#0f1216";
  ctx.fill();
  ctx.lineWidth = LINE;
  ctx.strokeStyle = point.positive ? "#0f1216" : look.colour;
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(x - 3.5, y);
  ctx.lineTo(x + 3.5, y);
  if (point.positive) {
    ctx.moveTo(x, y - 3.5);
    ctx.lineTo(x, y + 3.5);
  }
  ctx.stroke();
  ctx.restore();
  return item.regions.length ? [] : [{ x0: x - 7, y0: y - 7, x1: x + 7, y1: y + 7 }];
}

/** A ring of the spot's diameter where the slice cuts its sphere. */
function drawSpot(ctx, pane, item, slice, x, y) {
  const away = Math.abs(slice - pane.slice) * pane.stepNormal;
  const radius = (item.diameter_mm ?? 0) / 2;
  if (slice !== pane.slice && away > radius) return [];
  const cut = Math.sqrt(Math.max(0, radius ** 2 - away ** 2)) * scaleOf(pane.plane, pane.view, pane.width, pane.height);
  const r = Math.max(cut, 8) + 4;
  ctx.save();
  ctx.setLineDash(STATES.spot.dash);
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.restore();
  return [{ x0: x - r, y0: y - r, x1: x + r, y1: y + r }];
}

function drawHandles(ctx, pane, item) {
  ctx.save();
  ctx.globalAlpha = 1;
  ctx.fillStyle = "#0f1216";
  ctx.lineWidth = LINE;
  for (const region of item.regions) {
    if (isMask(region) || !crosses(region, pane.plane, pane.slice)) continue;
    for (const h of handlesOf(rectOf(region, pane.plane, pane.matrix))) {
      ctx.fillRect(h.x - 3.5, h.y - 3.5, 7, 7);
      ctx.strokeRect(h.x - 3.5, h.y - 3.5, 7, 7);
    }
  }
  ctx.restore();
}

function drawPending(ctx, pane, box) {
  if (!crosses(box, pane.plane, pane.slice)) return;
  const r = rectOf(box, pane.plane, pane.matrix);
  ctx.strokeStyle = ACCENT;
  ctx.lineWidth = LINE;
  ctx.strokeRect(r.x0, r.y0, r.x1 - r.x0, r.y1 - r.y0);
}

/** Where the other planes cut this one, with a gap so that the point itself stays free. */
function drawCrosshair(ctx, pane, { cursor, crosshair }) {
  const [, u, v] = onPlane(pane.plane, cursor);
  const [x, y] = toScreen(pane.matrix, u, v);
  const gap = 14;
  ctx.strokeStyle = ACCENT;
  ctx.globalAlpha = crosshair === "strong" ? 0.9 : 0.3;
  ctx.lineWidth = 1;
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.moveTo(0, y);
  ctx.lineTo(x - gap, y);
  ctx.moveTo(x + gap, y);
  ctx.lineTo(pane.width, y);
  ctx.moveTo(x, 0);
  ctx.lineTo(x, y - gap);
  ctx.moveTo(x, y + gap);
  ctx.lineTo(x, pane.height);
  ctx.stroke();
  ctx.globalAlpha = 1;
}
