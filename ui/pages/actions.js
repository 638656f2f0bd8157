/** What the page can do, by name: keys, buttons and rows all come here. */

import { peek } from "./canvas.js";
import { find } from "./dom.js";
import { editFinding, findingOrder } from "./findings.js";
import { showHelp } from "./keys.js";
import { Measuring } from "./measuring.js";
import { askName, closeNaming } from "./naming.js";
import { closeReasons, pickReason } from "./reasons.js";
import { editSentence, sentenceOrder } from "./report.js";
import {
  acceptance, boxReason, neighbour, newFinding, nextUndecided, related, spotBox, spotsOf, titleOf, withBox,
} from "./subjects.js";
import { showError } from "./toasts.js";
import { showPolarity } from "./toolbar.js";

const CT_PRESETS = ["abdomen", "mediastinum", "lung", "bone", "brain", "liver"];
const HOVER_JUMP = 150; // ms on a sentence before the image follows, so that passing over the list moves nothing

/** Runs something that may fail in the background; the reader sees why. */
export const guarded = (run) => (...given) => Promise.resolve().then(() => run(...given)).catch(showError);

/** The row of a subject, for what opens beside it. */
const rowOf = (id) => [...document.querySelectorAll(".row-item")].find((row) => row.dataset.id === id) ?? find("#or-findings-list");

/**
 * Deciding, selecting, lighting.
 * @param {Object} parts store, review, viewer, attention, cases, segmenter
 */
export function reviewActions({ store, review, viewer, attention, cases }) {
  let hoverTimer = null;
  const orderOf = (kind) => (kind === "sentence" ? sentenceOrder(store.state) : findingOrder(store.state));
  const selected = () => store.subject(store.state.selected);

  const light = (id) => {
    const lit = related(store.state.subjects, id);
    if (lit.join() === store.state.lit.join()) return;
    store.set({ lit });
  };
  const jump = (subject) => {
    if (subject.kind === "spot") return viewer.goTo(subject.value.point);
    const id = subject.kind === "finding" ? subject.id : subject.value.finding_ids.find((other) => store.subject(other)?.value);
    const target = store.subject(id);
    if (!target?.value?.regions?.length) return undefined;
    if (target.value.series_uid === store.state.openSeries?.series_uid) return viewer.jumpTo(id);
    return undefined;
  };
  /** `follow`: whether the image goes to it; what is chosen on the image is in view already. */
  const select = (id, { follow = true } = {}) => {
    const subject = store.subject(id);
    const changed = (subject?.id ?? null) !== store.state.selected;
    store.set({ selected: subject?.id ?? null });
    if (subject) attention.selected(subject.id);
    if (changed) viewer.select(subject && subject.kind !== "sentence" ? subject.id : null);
    light(subject?.id ?? null);
    if (subject && follow) jump(subject);
  };
  const hover = (id) => {
    clearTimeout(hoverTimer);
    light(id ?? store.state.selected);
    const subject = store.subject(id);
    if (subject?.kind === "sentence") hoverTimer = setTimeout(() => jump(subject), HOVER_JUMP);
  };
  const onward = (subject) => {
    const next = nextUndecided(orderOf(subject.kind), subject.id);
    if (next && store.state.selected === subject.id) select(next.id);
  };
  /** Keys act on what is selected; with nothing selected they select, and decide nothing unseen. */
  const onSelected = (run) => () => {
    const subject = selected();
    if (subject && subject.kind !== "spot") return run(subject, rowOf(subject.id));
    const first = nextUndecided(findingOrder(store.state), null) ?? nextUndecided(sentenceOrder(store.state), null);
    if (first) select(first.id);
    return undefined;
  };

  const accept = (subject) => {
    review.decide(subject.id, ...acceptance(subject));
    onward(subject);
  };
  const reject = guarded(async (subject, anchor) => {
    if (!subject.proposed) {
      review.decide(subject.id, "RETRACT");
      if (!store.subject(subject.id)?.value) select(null);
      return;
    }
    const reason = await pickReason(`Why reject \u201c${titleOf(subject).slice(0, 40)}\u201d?`, anchor, subject.reason);
    if (reason === null) return;
    review.decide(subject.id, "REJECT", { reason });
    onward(subject);
  });
  const edit = (subject) => {
    const save = (value, reason) => review.decide(subject.id, "EDIT", { value, reason });
    if (subject.kind === "sentence") editSentence(subject, save);
    else editFinding(subject, save);
  };
  const changeReason = guarded(async (subject, anchor) => {
    const reason = await pickReason("What is the reason?", anchor, subject.reason);
    if (reason !== null) review.decide(subject.id, subject.state, { reason });
  });
  const unsure = (subject) => {
    review.decide(subject.id, "UNSURE");
    onward(subject);
  };
  const walk = (order) => (step) => {
    const next = neighbour(order(), store.state.selected, step);
    if (next) select(next.id);
  };
  const finding = walk(() => findingOrder(store.state));
  const sentence = walk(() => sentenceOrder(store.state));
  const spot = walk(() => spotsOf(store.state.subjects, store.state.openSeries?.series_uid));
  const addSentence = (value) => {
    const chosen = selected();
    const ids = chosen?.kind === "finding" ? [chosen.id] : [];
    select(review.add("sentence", { ...value, finding_ids: ids }));
  };
  return {
    rows: { select, hover, accept, reject, edit, changeReason, spot, addSentence },
    keys: {
      accept: onSelected(accept), reject: onSelected(reject), edit: onSelected(edit), unsure: onSelected(unsure),
      remove: onSelected(reject), finding, sentence, spot,
      case: guarded((step) => cases.step(step)), series: (step) => cases.stepSeries(step),
    },
  };
}

/**
 * Boxes: a name for a new one, a reason for a changed one.
 * @param {{measure: (seriesUid: string, box: Object) => Promise<{measurements: Object[], site: string}>}} parts and store, review, select
 */
export function boxActions({ store, review, select, measure }) {
  const measuring = new Measuring(measure);
  const nameBox = guarded(async (box, anchor, prompts = []) => {
    const series = store.state.openSeries.series_uid;
    const drawn = { box };
    store.set({ drawn });
    const hide = () => { if (store.state.drawn === drawn) store.set({ drawn: null }); };
    const facts = measuring.facts(series, box);
    const name = await askName(anchor);
    // Another series may have been opened while the name was asked for.
    if (name === null || store.state.openSeries?.series_uid !== series) {
      hide();
      return;
    }
    await measuring.keep(drawn, facts, (known) => {
      hide();
      select(review.add("finding", newFinding(series, name, { regions: [box], prompts, ...known })));
    });
  });
  return {
    box: (box, at) => nameBox(box, at),
    makeFinding: (spot, anchor) => nameBox(spotBox(spot.value, store.state.openSeries), anchor, [spot.value.point]),
    boxChanged: guarded(async (id, box, before) => {
      const subject = store.subject(id);
      if (subject?.kind !== "finding" || JSON.stringify(box) === JSON.stringify(before)) return;
      // A model is corrected for a reason; the reader's own box is simply moved.
      const reason = subject.proposed ? boxReason(before, box) : null;
      await measuring.keep(id, measuring.facts(subject.value.series_uid, box), ({ measurements, site }) => {
        const value = store.subject(id)?.value;
        if (!value) return; // removed meanwhile
        review.decide(id, "EDIT", { value: { ...withBox(value, before, box), measurements, site: site || value.site }, reason });
      });
    }),
    /** The case or series is left: what was drawn is kept where it was drawn. */
    leave: () => {
      measuring.keepAll();
      store.set({ drawn: null });
    },
  };
}

/** The image and the page around it. */
export function viewActions({ store, viewer, commands, segmenter, propose, select }) {
  let positive = true;
  const setPolarity = (add) => { positive = add; viewer.setPolarity(add); showPolarity(add); };
  segmenter.onEnd = () => setPolarity(true);
  const overlays = peek(viewer);
  const tool = (name) => viewer.setTool(name);
  const step = (which) => () => {
    const command = commands[which]();
    if (command && store.state.selected && !store.subject(store.state.selected)?.value) select(null);
  };
  return {
    scroll: (by) => viewer.scroll(by), firstSlice: () => viewer.first(), lastSlice: () => viewer.last(),
    preset: (n) => viewer.setPreset(store.state.openSeries?.modality === "CT" ? CT_PRESETS[n - 1] : n),
    invert: () => viewer.invert(), flip: (axis) => viewer.flip(axis), rotate: () => viewer.rotate(),
    zoom: (factor) => viewer.zoomBy(factor), fit: () => viewer.fit(), layout: () => viewer.toggleLayout(), tool,
    overlays: overlays.press, overlaysRelease: overlays.release, toggleOverlays: overlays.toggle,
    polarity: () => setPolarity(!positive),
    fullScreen: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
    commit: guarded(async () => { const id = await segmenter.commit(); if (id) select(id); }),
    discard: () => segmenter.cancel(), renamePreview: (name) => segmenter.rename(name),
    undo: step("undo"), redo: step("redo"), propose: propose.toggle, help: () => showHelp(find("#or-help")),
    cancel: () => {
      if (closeReasons() || closeNaming() || propose.close() || segmenter.cancel()) return;
      const active = document.querySelector("#or-toolbar [data-tool][aria-pressed=true]");
      if (active && active.dataset.tool !== "window") tool("window");
      else select(null);
    },
  };
}

/** Another case, series or reader comes: questions about this one are put away. */
export function closeQuestions() {
  closeNaming();
  closeReasons();
}

/** Why an existing region was refined. */
export const askRefineReason = (subject) => pickReason(`Why change \u201c${titleOf(subject).slice(0, 40)}\u201d?`, rowOf(subject.id), "wrong extent");
