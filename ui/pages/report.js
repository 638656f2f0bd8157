/** The report: sections of sentences, each decided on, edited in place, or added. */

import { find, h, refreshList } from "./dom.js";
import { editorButtons } from "./findings.js";
import { reasonRow } from "./reasons.js";
import { decisionButtons, lightRows, reasonButton, rowShell, showRow, stateMark } from "./rows.js";
import { isUndecided, newPosition, reportSections, reportText, stateOf } from "./subjects.js";
import { toast } from "./toasts.js";

/**
 * @param {import("./state.js").Store} store
 * @param {Object<string, function>} actions select, hover, accept, edit, reject, changeReason, addSentence
 * @param {(row: Element) => void} watch
 */
export function startReport(store, actions, watch) {
  const list = find("#or-report-list");
  const redraw = () => {
    const { state } = store;
    const sections = reportSections(state.subjects);
    refreshList(list, items(sections), {
      key: (item) => item.key,
      signature: (item) => item.signature,
      build: (item) => {
        const row = item.build(actions);
        if (row.dataset.testid) watch(row);
        return row;
      },
    });
    find("#or-report-empty").hidden = sections.length > 0 || state.study === null;
    const sentences = sections.flatMap((section) => section.sentences);
    const open = sentences.filter(isUndecided).length;
    find("#or-report-count").textContent = sentences.length === 0 ? "" : open > 0 ? `${open} undecided` : "all decided";
    lightRows(list, state.lit, state.selected);
  };
  store.subscribe(["subjects", "study"], redraw);
  store.subscribe(["selected"], (state) => { lightRows(list, state.lit, state.selected); showRow(list, state.selected); });
  store.subscribe(["lit"], (state) => {
    lightRows(list, state.lit, state.selected);
    const sentence = state.lit.find((id) => store.subject(id)?.kind === "sentence");
    if (sentence && !list.matches(":hover")) showRow(list, sentence);
  });
  const copy = find("#or-report-copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(reportText(store.state.subjects, store.state.reader));
    } catch (error) {
      toast({ what: "The report was not copied", found: error.message, next: "Allow this page to use the clipboard" });
      return;
    }
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  find("#or-sentence-add").addEventListener("click", () => {
    openNew("Findings", reportSections(store.state.subjects), actions);
  });
  let uid = null;
  store.subscribe(["study"], ({ study }) => {
    if (study?.study_uid !== uid) closeNew(); // a sentence begun in one case must not end up in another
    uid = study?.study_uid;
  });
}

/** Sentences in display order, for the keys. */
export const sentenceOrder = (state) => reportSections(state.subjects).flatMap((section) => section.sentences);

function items(sections) {
  return sections.flatMap((section) => [
    { key: `section ${section.name}`, signature: JSON.stringify([section.name, section.sentences.map((s) => s.value.position)]),
      build: (actions) => sectionHeading(section, sections, actions) },
    ...section.sentences.map((sentence) => ({
      key: sentence.id, signature: JSON.stringify(sentence), build: (actions) => sentenceRow(sentence, actions) })),
  ]);
}

function sectionHeading(section, sections, actions) {
  return h("li", { class: "group" }, h("span", { text: section.name }),
    h("button", { type: "button", class: "icon push", "aria-label": `Add a sentence to ${section.name}`, title: "Add a sentence", text: "+",
      on: { click: () => openNew(section.name, sections, actions) } }));
}

function sentenceRow(sentence, actions) {
  const count = sentence.value.finding_ids.length;
  const text = h("span", { class: "sentence-text", title: "Click to edit", text: sentence.value.text,
    on: { click: (event) => { event.stopPropagation(); actions.edit(sentence, event.currentTarget); } } });
  if (count > 0) text.append(h("sup", { class: "refs", text: `\u00a0[${count}]`, title: `rests on ${count} finding${count === 1 ? "" : "s"}` }));
  return rowShell("sentence", sentence, false, actions,
    h("div", { class: "row-line" }, stateMark(stateOf(sentence)), reasonButton(sentence, actions), decisionButtons(sentence, actions)),
    text,
    sentence.warning ? h("div", { class: "caution small", data: { testid: "outdated" }, text: `Outdated: ${sentence.warning}` }) : null);
}

/**
 * Opens a sentence for editing in its row. Enter saves, Esc cancels.
 * @param {(value: Object, reason: string) => void} save
 */
export function editSentence(sentence, save) {
  const row = [...find("#or-report-list").querySelectorAll("[data-id]")].find((element) => element.dataset.id === sentence.id);
  if (!row || row.dataset.busy !== undefined) return;
  const shown = row.querySelector(".sentence-text");
  const why = reasonRow(sentence.reason ?? "wording");
  const close = () => { editor.remove(); shown.hidden = false; delete row.dataset.busy; row.signature = ""; row.focus({ preventScroll: true }); };
  const commit = () => {
    const text = area.value.trim().replace(/\s+/g, " ");
    close();
    if (text && text !== sentence.value.text) save({ ...sentence.value, text }, why.get());
  };
  const area = textArea(sentence.value.text, commit, close);
  const editor = h("div", { class: "editor", data: { testid: "sentence-editor" }, on: { click: (event) => event.stopPropagation() } },
    area, why.element, editorButtons(commit, close));
  row.dataset.busy = "";
  shown.hidden = true;
  row.append(editor);
  focusEnd(area);
}

const closeNew = () => find("#or-sentence-new").replaceChildren();

function openNew(sectionName, sections, actions) {
  const list = find("#or-report-list");
  const box = find("#or-sentence-new");
  const close = () => { closeNew(); list.focus?.(); };
  const area = textArea("", () => {
    const text = area.value.trim().replace(/\s+/g, " ");
    close();
    if (text) actions.addSentence({ section: sectionName, position: newPosition(sections, sectionName), text });
  }, close);
  area.setAttribute("aria-label", `New sentence in ${sectionName}`);
  box.replaceChildren(h("div", { class: "editor", data: { testid: "sentence-new" } },
    h("div", { class: "muted small", text: `New sentence in ${sectionName} \u00b7 Enter adds \u00b7 Esc cancels` }), area));
  area.focus();
}

function textArea(text, commit, close) {
  const area = h("textarea", { "aria-label": "Sentence", rows: "2", maxlength: 2000, value: text });
  const fit = () => { area.style.height = "auto"; area.style.height = `${area.scrollHeight + 2}px`; };
  area.addEventListener("input", fit);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) commit();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  requestAnimationFrame(fit);
  return area;
}

function focusEnd(area) {
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
  area.scrollIntoView({ block: "nearest" });
}
