/** The top bar and the status bar: which case, whether all is saved, who reads, what lies under the cursor. */

import { find, setText } from "./dom.js";
import { extent, probeLine, seriesTitle } from "./format.js";
import { showHelp } from "./keys.js";
import { titleOf } from "./subjects.js";

/** @param {{changeReader: (name: string) => void}} actions */
export function startTopbar(store, actions) {
  store.subscribe(["studies", "study", "openSeries"], (state) => setText(find("#or-case-line"), caseLine(state)));
  store.subscribe(["saved"], ({ saved }) => {
    const mark = find("#or-saved");
    mark.dataset.state = saved.state;
    setText(mark, saved.text);
  });
  store.subscribe(["openSeries"], ({ openSeries }) => setText(find("#or-hint").firstChild, wheelHint(openSeries)));
  store.subscribe(["probe", "openSeries"], ({ probe, openSeries }) => {
    const names = (probe?.ids ?? []).map((id) => store.subject(id)).filter(Boolean).map(titleOf);
    const line = probeLine(probe, openSeries, names);
    setText(find("#or-probe"), line);
    find("#or-hint").hidden = line !== "";
  });
  const dialog = find("#or-help");
  find("#or-help-open").addEventListener("click", () => showHelp(dialog));
  find("#or-help-close").addEventListener("click", () => dialog.close());
  startReader(store, actions);
}

function caseLine({ studies, study, openSeries }) {
  if (!study) return "";
  const at = (studies ?? []).findIndex((row) => row.study_uid === study.study_uid);
  const parts = [at >= 0 ? `case ${at + 1} of ${studies.length}` : "", openSeries ? seriesTitle(openSeries) : study.description];
  if (openSeries) parts.push(extent(openSeries.shape));
  return [...parts, study.pseudonym].filter(Boolean).join(" \u00b7 ");
}

/** A single image has no slices to go through: there the wheel zooms. */
export const wheelHint = (series) => (series?.shape[0] === 1 ? "Wheel zooms" : "Wheel or \u2191 \u2193 slices");

/** What the outbox says, in words. @param {{state: string, waiting: number, refused: number}} status */
export function savedText({ state, waiting, refused }) {
  if (refused > 0) return { state: "offline", text: `${refused} not saved: your answer is needed` };
  if (state === "offline") return { state, text: `offline, ${waiting} waiting` };
  return { state, text: state === "saving" ? "saving\u2026" : "saved" };
}

function startReader(store, actions) {
  const button = find("#or-reader");
  const field = find("#or-reader-field");
  const close = (save) => {
    if (field.hidden) return;
    const name = field.value.trim();
    field.hidden = true;
    button.hidden = false;
    if (save && name && name !== store.state.reader) actions.changeReader(name);
    button.focus();
  };
  button.addEventListener("click", () => {
    button.hidden = true;
    field.hidden = false;
    field.value = store.state.reader;
    field.focus();
    field.select();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    // The key must not go on to the button that takes the focus back.
    event.preventDefault();
    close(event.key === "Enter");
  });
  field.addEventListener("blur", () => close(true));
  const show = () => {
    setText(button, store.state.reader);
    find("#or-export").href = `/api/corrections?reader=${encodeURIComponent(store.state.reader)}`;
  };
  store.subscribe(["reader"], show);
  show();
}
