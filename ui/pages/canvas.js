/** Between the viewer and the store: overlays in, what the reader does on the image out. */

import { find } from "./dom.js";
import { showError } from "./toasts.js";
import { showOverlays, showPresets, showTool } from "./toolbar.js";
import { overlaysOf } from "./subjects.js";

/**
 * @param {import("./state.js").Store} store
 * @param {import("../viewer/viewer.js").Viewer} viewer
 * @param {{select: (id: string|null, how: {follow: boolean}) => void, hover: (id: string|null) => void, box: (box: Object, at: {x: number, y: number}) => void,
 *   boxChanged: (id: string, box: Object, before: Object) => void, point: (point: Object) => void}} actions
 */
export function startCanvas(store, viewer, actions) {
  const stage = find("#or-viewer");
  const pointer = { x: 0, y: 0 };
  stage.addEventListener("pointerup", (event) => { pointer.x = event.clientX; pointer.y = event.clientY; }, true);
  const on = (name, run) => viewer.addEventListener(name, (event) => run(event.detail ?? {}));
  on("box", ({ box }) => actions.box(box, { ...pointer }));
  on("boxchange", ({ id, box, before }) => actions.boxChanged(id, box, before));
  on("point", (point) => actions.point(point));
  on("hover", ({ id }) => actions.hover(id ?? null));
  on("select", ({ id }) => { if ((id ?? null) !== store.state.selected) actions.select(id ?? null, { follow: false }); });
  on("probe", (probe) => store.set({ probe: probe.index ? probe : null }));
  on("window", ({ name }) => showPresets(viewer.presets(), name ?? ""));
  on("toolchange", ({ tool }) => showTool(tool));
  on("error", (problem) => showError(problem));
  stage.addEventListener("pointerleave", () => store.set({ probe: null }));
  store.subscribe(["subjects", "preview", "drawn", "selected", "lit"], feed(viewer));
  store.subscribe(["lit", "preview", "drawn", "openSeries"], (state) => {
    // What the reader is drawing must not fade behind something that happens to be lit.
    const drawing = state.preview || state.drawn;
    viewer.highlight(drawing ? [] : state.lit.filter((id) => store.subject(id)?.kind !== "sentence"));
  });
}

/** Hands overlays over only when they differ: hovering must not redraw masks. */
function feed(viewer) {
  let shown = "";
  return (state) => {
    const overlays = overlaysOf(state);
    const now = JSON.stringify(overlays);
    if (now !== shown) viewer.setOverlays(overlays);
    shown = now;
  };
}

/** A series on the screen, or none. */
export async function showSeries(store, viewer, series, voxelsUrl) {
  const opened = series ? viewer.open(series, { voxelsUrl }) : viewer.close();
  // Opening clears what was drawn on the series before.
  viewer.setOverlays(series ? overlaysOf(store.state) : []);
  if (await opened) showPresets(viewer.presets(), viewer.window?.name ?? "");
}

/** V: a tap switches regions off or on, holding it shows the image without them until it goes up. */
export function peek(viewer, { now = () => performance.now(), tap = 300 } = {}) {
  let on = true;
  let pressed = null;
  const set = (value) => {
    if (on === value) return;
    on = value;
    viewer.toggleOverlays();
    showOverlays(on);
  };
  return {
    press: () => { pressed = { at: now(), was: on }; set(!on); },
    release: () => {
      if (pressed && now() - pressed.at >= tap) set(pressed.was);
      pressed = null;
    },
    toggle: () => set(!on),
  };
}
