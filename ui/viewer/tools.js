/**
 * Pointer, wheel and modifier keys of the panes. The table of shortcuts belongs to the page.
 *
 * @typedef {import("./pane.js").Pane} Pane
 * @typedef {import("./viewer.js").Viewer} Viewer
 * @typedef {import("./drags.js").Drag} Drag
 */

import { editBoxDrag, newBoxDrag, panDrag, pinch, scrollDrag, windowDrag, zoomDrag } from "./drags.js";
import { fromScreen, voxelAt } from "./geometry.js";

export const TOOLS = ["window", "pan", "zoom", "box", "point", "select"];

const CLICK_SLACK = 3; // pixels a hand may tremble in a click
const DOUBLE_SLACK = 12; // and between the two of a double click
const NOTCH = 50; // wheel travel from which an event counts as a whole step; trackpads send less
const DOUBLE = 500; // ms between the clicks of a double click
const REACH = { mouse: 6, pen: 10, touch: 16 };
const RESIZE = { "-1-1": "nwse", "11": "nwse", "-11": "nesw", "1-1": "nesw", "-10": "ew", "10": "ew", "0-1": "ns", "01": "ns" };

/** Turns input into calls on the viewer. */
export class Tools {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.name = "window";
    this.positive = true;
    /** @type {{drag: Drag, pane: Pane, pointer: number, x: number, y: number, far: boolean, click: (() => void) | null} | null} */
    this.active = null;
    /** @type {Map<number, {x: number, y: number}>} */
    this.fingers = new Map();
    this.space = false;
    this.travel = 0;
    /** The first press of what may become a double click, and where the planes met then. */
    this.first = { time: -Infinity, x: 0, y: 0, cursor: viewer.cursor };
    window.addEventListener("keydown", (e) => this.onKey(e, true), { capture: true });
    window.addEventListener("keyup", (e) => this.onKey(e, false), { capture: true });
    window.addEventListener("blur", () => (this.space = false));
  }

  /** @param {Pane} pane */
  attach(pane) {
    const on = (name, /** @type {(e: any) => void} */ action, options = {}) => pane.root.addEventListener(name, action, options);
    const ready = (action) => (e) => (this.viewer.volume && pane.plane ? action.call(this, pane, e) : undefined);
    on("pointerdown", ready(this.onDown));
    on("pointermove", ready(this.onMove));
    on("pointerup", ready(this.onUp));
    on("pointercancel", ready(this.onLost));
    on("pointerleave", ready(this.onLeave));
    on("wheel", ready(this.onWheel), { passive: false });
    on("contextmenu", (e) => e.preventDefault());
    on("dblclick", ready(this.onDouble));
    on("focus", () => this.viewer.activate(pane));
  }

  onDown(/** @type {Pane} */ pane, /** @type {PointerEvent} */ e) {
    if (e.button === 1) e.preventDefault(); // no autoscroll
    this.viewer.activate(pane);
    pane.root.focus({ preventScroll: true });
    const { x, y } = at(pane, e);
    if (e.pointerType === "touch" && this.onFinger(pane, e.pointerId, x, y)) return;
    if (this.active) return;
    this.noteFirst(e);
    pane.root.setPointerCapture(e.pointerId);
    const { drag, click } = this.begin(pane, e, x, y);
    this.active = { drag, pane, pointer: e.pointerId, x, y, far: false, click };
    this.viewer.hold(pane);
  }

  /** Clicks move the planes and may make the page do so: what a double click goes back to is noted before them. */
  noteFirst(/** @type {PointerEvent} */ { timeStamp: time, clientX: x, clientY: y }) {
    const { first } = this;
    if (time - first.time <= DOUBLE && Math.hypot(x - first.x, y - first.y) <= DOUBLE_SLACK) return;
    this.first = { time, x, y, cursor: this.viewer.cursor };
  }

  /** Notes a finger; true when it makes a second one, which turns the gesture into a pinch. */
  onFinger(pane, id, x, y) {
    this.fingers.set(id, { x, y });
    if (this.fingers.size < 2) return false;
    pane.root.setPointerCapture(id);
    this.cancel();
    return true;
  }

  /** Which drag begins here, and what it is if the pointer does not move. @returns {{drag: Drag, click: (() => void) | null}} */
  begin(/** @type {Pane} */ pane, /** @type {PointerEvent} */ e, x, y) {
    const { viewer } = this;
    if (e.button === 1 || (e.button === 0 && this.space)) return { drag: panDrag(pane, x, y), click: null };
    if (e.button === 2) return { drag: zoomDrag(pane, x, y), click: () => this.menu(pane, e, x, y) };
    const hit = this.editable(pane, x, y, e.pointerType);
    if (hit) return { drag: editBoxDrag(viewer, pane, hit, x, y), click: () => this.click(pane, e, x, y) };
    const click = () => this.click(pane, e, x, y);
    if (this.name === "box") return { drag: newBoxDrag(viewer, pane, x, y), click };
    if (this.name === "pan") return { drag: panDrag(pane, x, y), click };
    if (this.name === "zoom") return { drag: zoomDrag(pane, x, y), click };
    if (e.pointerType === "touch" && pane.plane.depth > 1) return { drag: scrollDrag(viewer, pane, y), click };
    if (this.name === "point" || (this.name === "select" && viewer.series.colour)) return { drag: STILL, click };
    return { drag: windowDrag(viewer, x, y), click };
  }

  /** The box that a drag from here would edit: by its handles and border, by its body too once it is selected. */
  editable(/** @type {Pane} */ pane, x, y, kind = "mouse") {
    if (this.name === "point" || this.name === "pan" || this.name === "zoom") return null;
    const { overlays } = this.viewer;
    const hits = overlays.boxesAt(pane, this.name, x, y, REACH[kind] ?? REACH.mouse);
    return hits.find(({ id, grip }) => {
      if (!overlays.find(id)?.editable) return false;
      if (this.name === "window" && overlays.selected !== id) return false;
      if (grip?.part !== "body") return true;
      return this.name === "select" || (this.name === "box" && overlays.selected === id);
    }) ?? null;
  }

  onMove(/** @type {Pane} */ pane, /** @type {PointerEvent} */ e) {
    const { x, y } = at(pane, e);
    if (this.fingers.size >= 2 && this.fingers.has(e.pointerId)) return this.onPinch(pane, e.pointerId, x, y);
    const active = this.active;
    if (active && active.pointer === e.pointerId) {
      active.far ||= Math.hypot(x - active.x, y - active.y) >= CLICK_SLACK;
      if (active.far) active.drag.move(x, y);
      if (e.pointerType === "touch") this.fingers.set(e.pointerId, { x, y });
      return undefined;
    }
    return this.onHover(pane, e, x, y);
  }

  onPinch(pane, id, x, y) {
    const ids = [...this.fingers.keys()].slice(0, 2);
    const from = ids.map((n) => this.fingers.get(n));
    this.fingers.set(id, { x, y });
    pinch(pane, from, ids.map((n) => this.fingers.get(n)));
  }

  onHover(/** @type {Pane} */ pane, /** @type {PointerEvent} */ e, x, y) {
    const { viewer } = this;
    const index = voxelAt(pane.plane, pane.slice, fromScreen(pane.matrix, x, y));
    viewer.crosshair(e.shiftKey && index !== null);
    if (e.shiftKey && index) viewer.goTo(index, pane);
    viewer.probe(index);
    const hits = viewer.overlays.boxesAt(pane, this.name, x, y);
    const id = hits.find((h) => h.grip?.part !== "body")?.id ?? viewer.overlays.pointAt(pane, x, y)
      ?? (index && viewer.overlays.idsAt(index)[0]) ?? null;
    viewer.hover(id);
    this.cursor(pane, this.editable(pane, x, y));
  }

  cursor(/** @type {Pane} */ pane, /** @type {import("./overlay.js").BoxHit | null} */ hit) {
    const look = !hit ? "" : hit.grip.part === "handle" ? `${this.resizeName(hit.grip)}-resize` : "move";
    if (pane.root.style.cursor !== look) pane.root.style.cursor = look;
  }

  resizeName(grip) {
    return RESIZE[`${grip.hx}${grip.hy}`];
  }

  onUp(/** @type {Pane} */ _, /** @type {PointerEvent} */ e) {
    this.fingers.delete(e.pointerId);
    const active = this.active;
    if (!active || active.pointer !== e.pointerId) return;
    this.active = null;
    if (active.far) active.drag.end();
    else active.click?.();
    this.viewer.hold(null);
  }

  onLost(/** @type {Pane} */ _, /** @type {PointerEvent} */ e) {
    this.fingers.delete(e.pointerId);
    if (this.active?.pointer === e.pointerId) this.cancel();
  }

  onLeave(/** @type {Pane} */ _pane, /** @type {PointerEvent} */ _e) {
    if (this.active) return;
    this.viewer.crosshair(false);
    this.viewer.probe(null);
    this.viewer.hover(null);
  }

  /** Ends the drag in progress as if it had not begun. */
  cancel() {
    const active = this.active;
    this.active = null;
    active?.drag.cancel();
    this.viewer.hold(null);
    return active !== null;
  }

  /** Maximise or restore; the clicks have moved the planes, which was not meant. */
  onDouble(/** @type {Pane} */ pane) {
    if (this.name === "point") return;
    this.viewer.goTo(this.first.cursor, pane);
    this.viewer.maximise(pane);
  }

  /** A press without movement: a point, or selection and the other planes. */
  click(/** @type {Pane} */ pane, /** @type {PointerEvent} */ e, x, y) {
    const { viewer } = this;
    const index = voxelAt(pane.plane, pane.slice, fromScreen(pane.matrix, x, y));
    if (this.name === "point") {
      if (index) viewer.emit("point", { ...index, positive: e.altKey ? !this.positive : this.positive, plane: pane.plane.name });
      return;
    }
    viewer.choose(this.under(pane, index, x, y));
    if (index) viewer.goTo(index, pane);
  }

  under(pane, index, x, y) {
    const { overlays } = this.viewer;
    const border = overlays.boxesAt(pane, this.name, x, y).find((h) => h.grip?.part !== "body");
    return border?.id ?? overlays.pointAt(pane, x, y) ?? (index && overlays.idsAt(index)[0]) ?? null;
  }

  menu(/** @type {Pane} */ pane, /** @type {PointerEvent} */ e, x, y) {
    const index = voxelAt(pane.plane, pane.slice, fromScreen(pane.matrix, x, y));
    this.viewer.emit("menu", { x: e.clientX, y: e.clientY, index, id: this.under(pane, index, x, y) });
  }

  onWheel(/** @type {Pane} */ pane, /** @type {WheelEvent} */ e) {
    e.preventDefault();
    this.viewer.activate(pane);
    const delta = (e.deltaY || e.deltaX) * (e.deltaMode === 1 ? 40 : 1);
    const { x, y } = at(pane, e);
    if (e.ctrlKey || pane.plane.depth === 1) return this.viewer.zoomPane(pane, Math.exp(-delta * 0.002), x, y);
    this.travel = Math.sign(this.travel) === Math.sign(delta) ? this.travel + delta : delta;
    const steps = Math.abs(delta) >= NOTCH ? Math.sign(delta) : Math.trunc(this.travel / NOTCH);
    if (steps === 0) return undefined;
    this.travel = 0;
    this.viewer.showSlice(pane, pane.slice + steps * (e.shiftKey ? 5 : 1));
    return this.onHover(pane, /** @type {any} */ ({ shiftKey: false }), x, y);
  }

  onKey(/** @type {KeyboardEvent} */ e, /** @type {boolean} */ down) {
    const here = this.viewer.grid.contains(document.activeElement);
    if (e.code === "Space" && (here || !down)) {
      this.space = down;
      if (here) e.preventDefault();
    }
    const selected = this.viewer.overlays.selected;
    if (down && e.key === "Delete" && here && this.viewer.overlays.find(selected)?.editable) this.viewer.emit("delete", { id: selected });
    if (e.key === "Shift" && !down) this.viewer.crosshair(false);
    if (down && e.key === "Escape" && this.cancel()) {
      e.stopPropagation(); // the key has done its work: it ends the drag and nothing else
      e.preventDefault();
    }
  }
}

/** @type {Drag} */
const STILL = { move() {}, end() {}, cancel() {} };

/** Pixels of the pane. */
function at(/** @type {Pane} */ pane, /** @type {MouseEvent} */ e) {
  const r = pane.root.getBoundingClientRect();
  return { x: e.clientX - r.left, y: e.clientY - r.top };
}
