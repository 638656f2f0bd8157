/** Findings by expert, the spots, and the editor of a finding. */

import { find, h, refreshList } from "./dom.js";
import { number, plural, sizes } from "./format.js";
import { reasonRow } from "./reasons.js";
import { decisionButtons, lightRows, reasonButton, rowShell, showRow, stateMark } from "./rows.js";
import { findingsOf, groupedFindings, isUndecided, likelyReason, NAMES, spotsOf, stateOf, titleOf } from "./subjects.js";

/**
 * @param {import("./state.js").Store} store
 * @param {Object<string, function>} actions select, hover, accept, edit, reject, changeReason, saveFinding, spot, makeFinding
 * @param {(row: Element) => void} watch tells what is on screen
 */
export function startFindings(store, actions, watch) {
  const list = find("#or-findings-list");
  const redraw = () => {
    const { state } = store;
    refreshList(list, items(state), {
      key: (item) => item.key,
      signature: (item) => item.signature,
      build: (item) => {
        const row = item.build(actions);
        if (row.dataset.testid) watch(row);
        return row;
      },
    });
    find("#or-findings-empty").hidden = list.children.length > 0 || state.openSeries === null;
    find("#or-findings-count").textContent = countLine(state);
    lightRows(list, state.lit, state.selected);
  };
  store.subscribe(["subjects", "openSeries", "experts"], redraw);
  store.subscribe(["selected"], (state) => { lightRows(list, state.lit, state.selected); showRow(list, state.selected); });
  store.subscribe(["lit"], (state) => {
    lightRows(list, state.lit, state.selected);
    if (state.lit.length > 0 && !list.matches(":hover")) showRow(list, state.lit[0]);
  });
  find("#or-names").replaceChildren(...NAMES.map((name) => h("option", { value: name })));
}

function countLine(state) {
  const findings = findingsOf(state.subjects, state.openSeries?.series_uid);
  const open = findings.filter(isUndecided).length;
  if (findings.length === 0) return "";
  return open > 0 ? `${findings.length} \u00b7 ${open} undecided` : `${findings.length} \u00b7 all decided`;
}

/** Findings in display order, for the keys. */
export function findingOrder(state) {
  const findings = findingsOf(state.subjects, state.openSeries?.series_uid);
  return groupedFindings(findings, state.experts).flatMap((group) => group.findings);
}

/** The flat list of headings and rows that is on screen. */
function items(state) {
  const uid = state.openSeries?.series_uid;
  const rows = [];
  for (const group of groupedFindings(findingsOf(state.subjects, uid), state.experts)) {
    rows.push(heading(`group ${group.name}`, group.title, group.version ? `v${group.version}` : "", plural(group.findings.length, "finding")));
    for (const finding of group.findings) {
      rows.push({ key: finding.id, signature: JSON.stringify(finding), build: (actions) => findingRow(finding, actions) });
    }
  }
  const spots = spotsOf(state.subjects, uid);
  if (spots.length > 0) rows.push(spotHeading(spots.length));
  spots.forEach((spot, n) => rows.push({
    key: spot.id, signature: JSON.stringify([spot, n]), build: (actions) => spotRow(spot, n, actions) }));
  return rows;
}

function heading(key, title, version, count) {
  return { key, signature: `${title} ${version} ${count}`, build: () => h("li", { class: "group" },
    h("span", { text: title }), h("span", { class: "muted", text: version }), h("span", { class: "muted push", text: count })) };
}

function spotHeading(count) {
  return { key: "spots", signature: String(count), build: (actions) => h("li", { class: "group" },
    h("span", { text: "Next spots (navigation only)" }), h("span", { class: "muted", text: count }),
    h("span", { class: "push" },
      h("button", { type: "button", class: "icon", "aria-label": "Previous spot", title: "Previous spot (Shift S)", text: "\u2039", on: { click: () => actions.spot(-1) } }),
      h("button", { type: "button", class: "icon", "aria-label": "Next spot", title: "Next spot (S)", text: "\u203a", on: { click: () => actions.spot(1) } }))) };
}

function findingRow(finding, actions) {
  const { value } = finding;
  const measured = sizes(value.measurements);
  const facts = [
    value.present === false ? "absent" : "", value.site,
    measured[0] ?? "",
    value.certainty === null || value.certainty === undefined ? "" : `certainty ${number(value.certainty, 2)}`,
  ].filter(Boolean);
  return rowShell("finding", finding, false, actions,
    h("div", { class: "row-line" }, stateMark(stateOf(finding)), h("span", { class: "row-title", text: titleOf(finding) }), decisionButtons(finding, actions)),
    facts.length + (finding.reason ? 1 : 0) > 0 || finding.warning
      ? h("div", { class: "row-facts" }, h("span", { text: facts.join(" \u00b7 "), title: measured.join("\n") }), reasonButton(finding, actions)) : null,
    finding.warning ? h("div", { class: "caution small", text: finding.warning }) : null);
}

function spotRow(spot, n, actions) {
  const { diameter_mm: diameter, score } = spot.value;
  return h("li", { class: "row-item spot", tabindex: "0", data: { testid: "spot", id: spot.id, state: "spot" },
    on: {
      click: () => actions.select(spot.id),
      keydown: (event) => { if (event.key === "Enter" && event.target === event.currentTarget) { event.stopPropagation(); actions.select(spot.id); } },
    } },
    h("div", { class: "row-line" },
      h("span", { class: "row-title", text: `Spot ${n + 1}` }),
      h("span", { class: "muted", title: `The score orders this list; it is not a probability`,
        text: `${number(diameter, 0)} mm \u00b7 score ${number(score, 2)}` }),
      h("button", { type: "button", class: "button small push", "aria-label": "Make finding", text: "Make finding",
        on: { click: (event) => { event.stopPropagation(); actions.makeFinding(spot, event.currentTarget); } } })));
}

/**
 * Opens the editor of a finding inside its row. Enter saves, Esc cancels.
 * @param {(value: Object, reason: string) => void} save
 */
export function editFinding(finding, save) {
  const row = [...find("#or-findings-list").querySelectorAll("[data-id]")].find((element) => element.dataset.id === finding.id);
  if (!row || row.dataset.busy !== undefined) return;
  const { value } = finding;
  const name = h("input", { type: "text", "aria-label": "Name", list: "or-names", maxlength: 120, value: value.code.meaning });
  const site = h("input", { type: "text", "aria-label": "Site", maxlength: 120, placeholder: "e.g. right upper zone", value: value.site });
  const edited = () => {
    const meaning = name.value.trim() || value.code.meaning;
    // A code belongs to its meaning: another meaning drops it.
    const code = meaning === value.code.meaning ? value.code : { meaning, scheme: "", value: "" };
    return { ...value, code, site: site.value.trim() };
  };
  const why = reasonRow(finding.reason ?? likelyReason(value, value));
  const close = () => { editor.remove(); delete row.dataset.busy; row.signature = ""; row.focus({ preventScroll: true }); };
  const commit = () => { const result = edited(); close(); save(result, why.get()); };
  const editor = h("div", { class: "editor", data: { testid: "finding-editor" },
    on: {
      click: (event) => event.stopPropagation(),
      input: () => why.suggest(likelyReason(value, edited())),
      keydown: (event) => {
        if (event.key === "Enter" && event.target.tagName === "INPUT") commit();
        else if (event.key !== "Escape") return;
        else close();
        event.preventDefault();
        event.stopPropagation();
      },
    } },
    h("label", {}, h("span", { text: "Name" }), name), h("label", {}, h("span", { text: "Site" }), site),
    h("div", { class: "muted small", text: "Reason" }), why.element, editorButtons(commit, close));
  row.dataset.busy = "";
  row.append(editor);
  editor.scrollIntoView({ block: "nearest" });
  name.focus();
  name.select();
}

/** Save and cancel with their keys. */
export function editorButtons(commit, close) {
  return h("div", { class: "row" },
    h("button", { type: "button", class: "button primary", "aria-label": "Save", on: { click: commit } }, h("span", { text: "Save " }), h("kbd", { text: "Enter" })),
    h("button", { type: "button", class: "button", "aria-label": "Cancel edit", on: { click: close } }, h("span", { text: "Cancel " }), h("kbd", { text: "Esc" })));
}
