import assert from "node:assert/strict";
import { test } from "node:test";

import { boxActions, reviewActions } from "../../ui/pages/actions.js";
import { Api } from "../../ui/pages/api.js";
import { Cases } from "../../ui/pages/cases.js";
import { Commands } from "../../ui/pages/commands.js";
import { Review } from "../../ui/pages/review.js";
import { emptyState, Store } from "../../ui/pages/state.js";
import { startCatchingUp } from "../../ui/pages/tabs.js";

const BOX = { k0: 1, j0: 1, i0: 1, k1: 1, j1: 5, i1: 5 };
const MOVED = { ...BOX, j0: 3, j1: 7 };
const settle = () => new Promise((resolve) => setTimeout(resolve, 1));
const value = (meaning) => ({
  series_uid: "s1", code: { meaning, scheme: "", value: "" }, regions: [BOX], present: true, site: "left", certainty: null, measurements: [], prompts: [] });
const subject = (id, rest = {}) => ({
  id, kind: "finding", state: null, value: value(id), proposed: value(id), after_seq: 0, reason: null, note: "", seen: false, warning: "", ...rest });
const study = (uid, subjects, series) => ({ study: { study_uid: uid }, series: [{ series_uid: series }], subjects, experts: [] });

/** Two cases, A open, and a measurement that answers when the test says so. */
async function reading(subjects) {
  const store = new Store({ ...emptyState("r"), studies: ["A", "B"].map((uid) => ({ study_uid: uid, decided: 0, proposals: subjects.length })) });
  const outbox = { entries: [], add(decision, reader) { this.entries.push({ decision, reader }); } };
  const answers = [];
  const review = new Review({ store, outbox, commands: new Commands(), seconds: () => 1 });
  const boxes = boxActions({
    store, review, select: () => {}, measure: () => new Promise((resolve, reject) => answers.push({ resolve, reject })) });
  const details = { A: study("A", subjects, "s1"), B: study("B", [subject("b")], "s2") };
  const cases = new Cases({
    store, outbox, api: { study: async (uid) => details[uid] }, show: () => {}, leave: () => boxes.leave(),
    storage: { getItem: () => null, setItem: () => {} } });
  await cases.open("A");
  return { store, review, boxes, cases, answers, sent: () => outbox.entries.map(({ decision }) => decision) };
}

test("a box that was moved just before the case was left is kept, once, in its own case", async () => {
  const { boxes, cases, answers, sent } = await reading([subject("a")]);
  const moving = boxes.boxChanged("a", MOVED, BOX);
  await cases.open("B");
  answers[0].resolve({ measurements: [{ name: "extent", value: 5, unit: "mm" }], site: "right" });
  await moving;
  assert.deepEqual(sent().map((d) => [d.study_uid, d.act, d.value.regions, d.value.measurements, d.value.site]), [["A", "EDIT", [MOVED], [], "left"]]);
});

test("a moved box is measured; a second move does not wait for the first and the last one stands", async () => {
  const { store, boxes, answers } = await reading([subject("a")]);
  const last = { ...MOVED, i1: 9 };
  const moves = [boxes.boxChanged("a", MOVED, BOX), boxes.boxChanged("a", last, MOVED)];
  await settle();
  answers[1].resolve({ measurements: [{ name: "extent", value: 9, unit: "mm" }], site: "" });
  answers[0].reject(new Error("away"));
  await Promise.all(moves);
  assert.deepEqual(store.subject("a").value.regions, [last]);
  assert.equal(store.subject("a").value.measurements[0].value, 9);
});

test("a model's box is moved for a reason, the reader's own without", async () => {
  const { boxes, answers, sent } = await reading([subject("a"), subject("own", { proposed: null, state: "ADD" })]);
  for (const [n, id] of ["a", "own"].entries()) {
    const moving = boxes.boxChanged(id, MOVED, BOX);
    await settle();
    answers[n].resolve({ measurements: [], site: "" });
    await moving;
  }
  assert.deepEqual(sent().map((d) => [d.act, d.reason]), [["EDIT", "wrong place"], ["EDIT", null]]);
});

test("the worklist row of a case that is left shows what was decided in it", async () => {
  const { store, review, cases } = await reading([subject("a"), subject("b2")]);
  review.decide("a", "ACCEPT");
  await cases.open("B");
  assert.deepEqual(store.state.studies.map((row) => [row.study_uid, row.decided, row.proposals]), [["A", 1, 2], ["B", 0, 2]]);
});

test("choosing on the image keeps the slice, choosing in a list goes there", async () => {
  const { store, review, cases } = await reading([subject("a"), subject("b")]);
  const gone = [];
  const viewer = { select: () => {}, jumpTo: (id) => gone.push(id) };
  const { rows, keys } = reviewActions({ store, review, viewer, cases, attention: { selected: () => {} } });
  rows.select("b", { follow: false });
  assert.deepEqual([store.state.selected, store.state.lit, gone], ["b", ["b"], []]);
  rows.select("a");
  keys.finding(1);
  assert.deepEqual(gone, ["a", "b"]);
});

test("a tab catches up once when it is looked at again, and never under an open editor", async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  const view = new EventTarget();
  let timers = [];
  let busy = false;
  let refreshed = 0;
  startCatchingUp({
    page, view, busy: () => busy, refresh: () => { refreshed += 1; },
    later: (run) => { timers.push(run); return run; }, never: (run) => { timers = timers.filter((other) => other !== run); } });
  const look = (visible) => {
    page.visibilityState = visible;
    page.dispatchEvent(new Event("visibilitychange"));
    view.dispatchEvent(new Event("focus"));
    timers.splice(0).forEach((run) => run());
  };
  look("hidden");
  assert.equal(refreshed, 0);
  look("visible");
  assert.equal(refreshed, 1);
  busy = true;
  look("visible");
  assert.equal(refreshed, 1);
});

test("whoever was told that the server is away hears of its next answer", async () => {
  let up = false;
  const api = new Api(() => "r", async () => { if (!up) throw new TypeError("Failed to fetch"); return { ok: true, json: async () => ({}) }; });
  let answers = 0;
  api.onAnswer = () => { answers += 1; };
  await api.worklist().catch(() => {});
  assert.equal(answers, 0);
  up = true;
  await api.worklist();
  assert.equal(answers, 1);
});
