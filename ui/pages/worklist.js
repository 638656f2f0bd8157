/** Left column: the cases, the series of the open one, and importing. */

import { thumbnailUrl } from "./api.js";
import { find, h, refreshList, setText } from "./dom.js";
import { extent, plural, seriesTitle } from "./format.js";
import { progressOf } from "./subjects.js";

/** @type {Map<string, HTMLElement>} */
const pictures = new Map();

const isActive = (job) => job.state === "queued" || job.state === "running";

/**
 * @param {import("./state.js").Store} store
 * @param {{openCase: (uid: string) => void, openSeries: (uid: string) => void, importPath: (path: string) => Promise<boolean>}} actions
 */
export function startWorklist(store, actions) {
  const cases = find("#or-cases");
  const redraw = () => drawCases(cases, store.state, actions);
  store.subscribe(["studies", "study", "subjects", "jobs"], redraw);
  store.subscribe(["series", "openSeries"], (state) => drawSeries(find("#or-series"), state, actions));
  store.subscribe(["jobs"], (state) => drawImports(find("#or-imports"), state));
  startImport(actions);
  redraw();
}

/** Undecided work of the open case is counted here, so that the row moves with every decision. */
function progress(row, state) {
  if (row.study_uid !== state.study?.study_uid) return { decided: row.decided, proposals: row.proposals };
  return progressOf(state.subjects);
}

function drawCases(list, state, actions) {
  const rows = state.studies ?? [];
  const open = state.study?.study_uid;
  refreshList(list, rows, {
    key: (row) => row.study_uid,
    signature: (row) => JSON.stringify([row, progress(row, state), row.study_uid === open]),
    build: (row) => caseRow(row, progress(row, state), row.study_uid === open, actions),
  });
  find("#or-cases-count").textContent = rows.length || "";
  const busy = state.jobs.some((job) => job.kind !== "propose" && isActive(job));
  const empty = find("#or-cases-empty");
  empty.hidden = rows.length > 0;
  if (state.studies === null) setText(empty, "Loading\u2026");
  else setText(empty, busy ? "Reading files\u2026 cases appear here" : "No cases yet: import a folder or run overread import PATH");
}

function caseRow(row, { decided, proposals }, isOpen, actions) {
  const state = proposals === 0 ? "" : `${decided} / ${proposals}`;
  const modalities = Array.isArray(row.modalities) ? row.modalities.join(" ") : row.modalities;
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span", { class: "bar-fill" }));
  bar.firstChild.style.width = `${proposals ? (100 * decided) / proposals : 0}%`;
  return h("li", { data: { testid: "case", id: row.study_uid, state: isOpen ? "open" : row.opened ? "opened" : "new" } },
    h("button", { type: "button", class: "case", "aria-current": isOpen && "true", on: { click: () => actions.openCase(row.study_uid) } },
      row.cover ? picture(row.cover) : null,
      h("span", { class: "case-name", text: row.description || "No description", title: row.description }),
      h("span", { class: "case-bottom" }, h("span", {}, h("span", { class: "modality", text: modalities }),
        h("span", { class: "muted", text: ` ${row.pseudonym}` })),
        h("span", { class: proposals && decided === proposals ? "done" : "muted", title: `${decided} of ${proposals} proposals decided`, text: state })),
      proposals > 0 ? bar : null));
}

/** The middle slice; the row says in words what it is. Kept, so that a row that is drawn anew does not blink. */
function picture(seriesUid) {
  if (!pictures.has(seriesUid)) pictures.set(seriesUid, h("img", { class: "thumbnail", alt: "", loading: "lazy", src: thumbnailUrl(seriesUid) }));
  return pictures.get(seriesUid);
}

function drawSeries(list, state, actions) {
  find("#or-series-box").hidden = state.series.length === 0;
  refreshList(list, state.series, {
    key: (series) => series.series_uid,
    signature: (series) => JSON.stringify([series.series_uid, series === state.openSeries]),
    build: (series) => seriesRow(series, series === state.openSeries, actions),
  });
}

function seriesRow(series, isOpen, actions) {
  const cautions = series.warnings.length + series.unsafe.length;
  return h("li", { data: { testid: "series", id: series.series_uid, state: isOpen ? "open" : "closed" } },
    h("button", { type: "button", class: "case", "aria-current": isOpen && "true", on: { click: () => actions.openSeries(series.series_uid) } },
      h("span", { class: "case-top" }, h("span", { class: "case-name", text: series.description || seriesTitle(series) })),
      h("span", { class: "case-bottom" }, h("span", { class: "muted", text: `${series.modality} \u00b7 ${extent(series.shape)}` }),
        cautions > 0 ? h("span", { class: "caution", text: plural(cautions, "caution"), title: [...series.unsafe, ...series.warnings].join("\n") }) : null)));
}

/** The newest import: progress, or which files were refused and why. */
function drawImports(box, state) {
  const imports = state.jobs.filter((job) => job.kind !== "propose");
  const job = imports.find(isActive) ?? imports.at(-1);
  const key = JSON.stringify(job ?? null);
  if (box.dataset.shown === key) return;
  box.dataset.shown = key;
  box.replaceChildren();
  if (!job || job.state === "cancelled" || find("#or-import-form").dataset.dismissed === String(job.id)) return;
  if (isActive(job)) {
    box.append(h("p", { class: "small", role: "status", text: `${job.step || "Waiting to read files"} ${Math.round(job.progress * 100)} %` }));
    return;
  }
  const notes = [...(job.error ? [job.error] : []), ...(job.notes ?? [])];
  if (notes.length === 0) return;
  const dismiss = () => { find("#or-import-form").dataset.dismissed = String(job.id); box.replaceChildren(); };
  box.append(
    h("div", { class: "row between" }, h("strong", { class: "small", text: job.error ? "Import failed" : `${plural(notes.length, "file")} not imported` }),
      h("button", { type: "button", class: "icon", "aria-label": "Dismiss import notes", text: "\u2715", on: { click: dismiss } })),
    h("ul", { class: "notes", data: { testid: "refused" } }, ...notes.map((note) => h("li", { text: note }))));
}

function startImport(actions) {
  const form = find("#or-import-form");
  const field = find("#or-import-path");
  const toggle = find("#or-import-open");
  const show = (open) => {
    form.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    if (open) field.focus();
    else toggle.focus();
  };
  toggle.addEventListener("click", () => show(form.hidden));
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") show(false); });
  const send = async () => {
    const path = field.value.trim();
    if (!path) return;
    if (!(await actions.importPath(path))) return;
    field.value = "";
    show(false);
  };
  find("#or-import-go").addEventListener("click", send);
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") send(); });
}
