/** The tools above the image, the cautions of a series, and the bar of a segmentation preview. */

import { find, h, setText } from "./dom.js";
import { measurement, plural } from "./format.js";

/**
 * @param {import("./state.js").Store} store
 * @param {import("./commands.js").Commands} commands
 * @param {import("../viewer/viewer.js").Viewer} viewer
 * @param {Object<string, function>} actions
 */
export function startToolbar(store, commands, viewer, actions) {
  for (const button of document.querySelectorAll("#or-toolbar [data-tool]")) {
    button.addEventListener("click", () => actions.tool(button.dataset.tool));
  }
  find("#or-polarity").addEventListener("click", actions.polarity);
  find("#or-layout").addEventListener("click", actions.layout);
  find("#or-overlays").addEventListener("click", actions.overlaysRelease);
  find("#or-undo").addEventListener("click", actions.undo);
  find("#or-redo").addEventListener("click", actions.redo);
  commands.onChange = () => showSteps(commands);
  store.subscribe(["openSeries"], (state) => showCautions(state.openSeries));
  startPresets(viewer);
  startPreviewBar(store, actions);
}

/** Marks the tool in use. */
export function showTool(tool) {
  for (const button of document.querySelectorAll("#or-toolbar [data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
}

export function showPolarity(positive) {
  const button = find("#or-polarity");
  button.dataset.positive = String(positive);
  button.textContent = positive ? "+" : "\u2212";
  button.setAttribute("aria-label", positive ? "Points add to the region" : "Points take away from the region");
}

export const showOverlays = (on) => find("#or-overlays").setAttribute("aria-pressed", String(on));

function showSteps(commands) {
  const say = (selector, command, word) => {
    const button = find(selector);
    button.disabled = !command;
    button.title = command ? `${word} ${command.label}` : `Nothing to ${word.toLowerCase()}`;
  };
  say("#or-undo", commands.done.at(-1), "Undo");
  say("#or-redo", commands.undone.at(-1), "Redo");
}

function startPresets(viewer) {
  const select = find("#or-presets");
  select.addEventListener("change", () => { viewer.setPreset(select.value); select.blur(); });
}

/** @param {{name: string}[]} presets @param {string} current name of the window in use, "" when set by hand */
export function showPresets(presets, current) {
  const select = find("#or-presets");
  const names = presets.map((preset) => preset.name ?? String(preset));
  const options = names.includes(current) ? names : ["", ...names];
  const shown = JSON.stringify(options);
  if (select.dataset.shown !== shown) {
    select.replaceChildren(...options.map((name) => h("option", { value: name, text: name || "by hand" })));
    select.dataset.shown = shown;
  }
  select.value = names.includes(current) ? current : "";
}

function showCautions(series) {
  const box = find("#or-cautions");
  const cautions = series ? [...series.unsafe, ...series.warnings] : [];
  box.hidden = cautions.length === 0;
  box.open = false;
  setText(box.querySelector("summary"), `\u26a0 ${cautions.length}`);
  box.querySelector("summary").setAttribute("aria-label", `${plural(cautions.length, "caution")} on this series`);
  box.querySelector("ul").replaceChildren(...cautions.map((text) => h("li", { text })));
}

function startPreviewBar(store, actions) {
  const bar = find("#or-preview");
  const name = find("#or-preview-name");
  name.addEventListener("input", () => actions.renamePreview(name.value));
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") actions.commit();
    else if (event.key === "Escape") name.blur();
  });
  find("#or-preview-keep").addEventListener("click", () => actions.commit());
  find("#or-preview-discard").addEventListener("click", () => actions.discard());
  store.subscribe(["preview"], ({ preview }) => {
    bar.hidden = preview === null;
    bar.dataset.state = preview === null ? "none" : preview.busy ? "busy" : preview.mask ? "ready" : "empty";
    if (preview === null) return;
    setText(find("#or-preview-kind"), preview.refines ? `Refine ${preview.name}` : "New region");
    name.hidden = preview.refines !== null;
    if (document.activeElement !== name) name.value = preview.name;
    setText(find("#or-preview-facts"), previewFacts(preview));
    find("#or-preview-keep").disabled = preview.busy || !preview.mask;
  });
}

function previewFacts(preview) {
  const clicks = plural(preview.points.length, "point");
  if (preview.busy) return `${clicks} \u00b7 segmenting\u2026`;
  if (!preview.mask) return `${clicks} \u00b7 nothing found here`;
  const size = preview.measurements.slice(0, 1).map(measurement);
  return [clicks, preview.site, ...size].filter(Boolean).join(" \u00b7 ");
}
