import assert from "node:assert/strict";
import { test } from "node:test";

import { Commands } from "../../ui/pages/commands.js";
import { Review } from "../../ui/pages/review.js";
import { Segmenter } from "../../ui/pages/segment.js";
import { emptyState, Store } from "../../ui/pages/state.js";

const BOX = { k0: 1, j0: 1, i0: 1, k1: 1, j1: 5, i1: 5 };
const MASK = { sha256: "a".repeat(64), box: BOX, voxels: 9 };
const value = (meaning, regions = [BOX]) => ({
  series_uid: "s1", code: { meaning, scheme: "", value: "" }, regions, present: true, site: "left", certainty: null, measurements: [], prompts: [] });
const proposal = (id, regions) => ({
  id, kind: "finding", state: null, value: value(id, regions), proposed: value(id, regions), model: { name: "M", version: "1" },
  after_seq: 0, reason: null, note: "", seen: false, warning: "" });

function make(served, prompt = async () => ({ mask: MASK, measurements: [], site: "right" })) {
  const store = new Store({ ...emptyState("r"), study: { study_uid: "st" }, openSeries: { series_uid: "s1" }, served, subjects: served });
  const outbox = { entries: [], add(decision, reader) { this.entries.push({ decision, reader }); } };
  const commands = new Commands();
  commands.open("st");
  const review = new Review({ store, outbox, commands, seconds: () => 2.5 });
  const asked = [];
  const segmenter = new Segmenter({
    store, commands, review, prompt: (body, signal) => { asked.push(body); return prompt(body, signal); },
    askReason: async () => "wrong extent", onError: (error) => { throw error; } });
  return { store, outbox, commands, review, segmenter, asked, sent: () => outbox.entries.map(({ decision }) => decision) };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 1));

test("a decision carries the whole value, the reader's time and what it follows", () => {
  const { review, store, sent, outbox } = make([{ ...proposal("f1"), after_seq: 4 }]);
  review.decide("f1", "REJECT", { reason: "not present" });
  const [decision] = sent();
  assert.deepEqual(decision.value, value("f1"));
  assert.deepEqual([decision.act, decision.reason, decision.seconds, decision.after_seq], ["REJECT", "not present", 2.5, 4]);
  assert.equal(outbox.entries[0].reader, "r");
  assert.equal(store.subject("f1").state, "REJECT");
});

test("the same decision twice is sent once; a spot is never decided", () => {
  const { review, sent } = make([proposal("f1"), { ...proposal("p1"), kind: "spot" }]);
  review.decide("f1", "ACCEPT");
  review.decide("f1", "ACCEPT");
  review.decide("p1", "ACCEPT");
  assert.equal(sent().length, 1);
});

test("undo of a first decision retracts it, undo of a later one restores the earlier act, value and reason", () => {
  const { review, commands, store, sent } = make([proposal("f1")]);
  review.decide("f1", "EDIT", { value: value("Cyst"), reason: "wording" });
  review.decide("f1", "REJECT", { reason: "not present" });
  commands.undo();
  assert.deepEqual([store.subject("f1").state, store.subject("f1").reason, store.subject("f1").value.code.meaning], ["EDIT", "wording", "Cyst"]);
  commands.undo();
  assert.equal(store.subject("f1").state, null);
  assert.equal(store.subject("f1").value.code.meaning, "f1");
  commands.redo();
  commands.redo();
  assert.equal(store.subject("f1").state, "REJECT");
  assert.deepEqual(sent().map((d) => d.act), ["EDIT", "REJECT", "EDIT", "RETRACT", "EDIT", "REJECT"]);
});

test("what the reader added is retracted by undo and comes back under the same id by redo", () => {
  const { review, commands, store, sent } = make([]);
  const id = review.add("finding", value("Nodule"));
  commands.undo();
  assert.equal(store.subject(id).value, null);
  commands.redo();
  assert.equal(store.subject(id).value.code.meaning, "Nodule");
  assert.deepEqual(sent().map((d) => [d.act, d.subject]), [["ADD", id], ["RETRACT", id], ["ADD", id]]);
});

test("150 steps can be undone, each case has its own, and another reader starts with none", () => {
  const { review, commands, store } = make([proposal("f1")]);
  for (let n = 0; n < 150; n += 1) review.decide("f1", n % 2 ? "ACCEPT" : "UNSURE");
  commands.open("other");
  assert.equal(commands.undo(), null);
  commands.open("st");
  let undone = 0;
  while (commands.undo()) undone += 1;
  assert.equal(undone, 150);
  assert.equal(store.subject("f1").state, null);
  commands.clear();
  assert.equal(commands.redo(), null);
});

test("clicks gather into one prompt, undo takes the last one back, redo brings it again", async () => {
  const { segmenter, commands, asked, store } = make([]);
  segmenter.click({ k: 1, j: 2, i: 3, positive: true, plane: "axial" });
  segmenter.click({ k: 1, j: 2, i: 9, positive: false, plane: "axial" });
  await settle();
  assert.deepEqual(asked.at(-1).points, [{ k: 1, j: 2, i: 3, positive: true }, { k: 1, j: 2, i: 9, positive: false }]);
  commands.undo();
  await settle();
  assert.equal(asked.at(-1).points.length, 1);
  commands.undo();
  assert.equal(store.state.preview, null);
  commands.redo();
  await settle();
  assert.equal(store.state.preview.points.length, 1);
  assert.equal(store.state.preview.mask, MASK);
});

test("an answer to an older set of clicks is dropped", async () => {
  const answers = [];
  const { segmenter, store } = make([], () => new Promise((resolve) => answers.push(resolve)));
  segmenter.click({ k: 0, j: 0, i: 0, positive: true });
  segmenter.click({ k: 0, j: 0, i: 1, positive: true });
  answers[1]({ mask: { ...MASK, voxels: 2 } });
  await settle();
  answers[0]({ mask: { ...MASK, voxels: 1 } });
  await settle();
  assert.equal(store.state.preview.mask.voxels, 2);
});

test("keeping a new preview adds a finding with its clicks; one undo removes it as a whole", async () => {
  const { segmenter, commands, store, sent } = make([]);
  segmenter.click({ k: 1, j: 2, i: 3, positive: true });
  await settle();
  segmenter.rename("Cyst");
  const id = await segmenter.commit();
  const [added] = sent();
  assert.deepEqual([added.act, added.value.code.meaning, added.value.site], ["ADD", "Cyst", "right"]);
  assert.deepEqual([added.value.regions, added.value.prompts], [[MASK], [{ k: 1, j: 2, i: 3, positive: true }]]);
  commands.undo();
  assert.equal(store.subject(id).value, null);
  assert.equal(store.state.preview, null);
});

test("with a finding selected, clicks refine its mask and keep its name, site and other regions", async () => {
  const old = { ...MASK, sha256: "b".repeat(64) };
  const { segmenter, store, asked, sent } = make([proposal("f1", [old, BOX])]);
  store.set({ selected: "f1" });
  segmenter.click({ k: 1, j: 2, i: 3, positive: false });
  await settle();
  assert.deepEqual([asked[0].start, asked[0].box], [old, null]);
  assert.equal(await segmenter.commit(), "f1");
  const [edit] = sent();
  assert.deepEqual([edit.act, edit.reason, edit.value.regions, edit.value.site], ["EDIT", "wrong extent", [MASK, BOX], "left"]);
});

test("a selected box goes with the clicks and is replaced by the mask", async () => {
  const { segmenter, store, asked, sent } = make([proposal("f1", [BOX])]);
  store.set({ selected: "f1" });
  segmenter.click({ k: 1, j: 2, i: 3, positive: true });
  await settle();
  assert.deepEqual([asked[0].start, asked[0].box], [null, BOX]);
  await segmenter.commit();
  assert.deepEqual(sent()[0].value.regions, [MASK]);
});

test("a discarded preview comes back by undo", async () => {
  const { segmenter, commands, store } = make([]);
  segmenter.click({ k: 1, j: 2, i: 3, positive: true });
  await settle();
  assert.equal(segmenter.cancel(), true);
  assert.equal(segmenter.cancel(), false);
  commands.undo();
  assert.equal(store.state.preview.mask, MASK);
});

test("the first click of a new region always adds, and every kept or discarded preview starts anew", async () => {
  const { segmenter, asked } = make([]);
  let ended = 0;
  segmenter.onEnd = () => { ended += 1; };
  segmenter.click({ k: 1, j: 2, i: 3, positive: false });
  segmenter.click({ k: 1, j: 2, i: 4, positive: false });
  await settle();
  assert.deepEqual(asked.at(-1).points.map((point) => point.positive), [true, false]);
  assert.equal(ended, 0);
  segmenter.cancel();
  assert.equal(ended, 1);
  segmenter.click({ k: 1, j: 2, i: 3, positive: true });
  await settle();
  await segmenter.commit();
  assert.equal(ended, 2);
});

test("refining the reader's own region asks for no reason", async () => {
  const { segmenter, store, sent } = make([{ ...proposal("own", [BOX]), proposed: null, state: "ADD" }]);
  segmenter.askReason = () => assert.fail("asked");
  store.set({ selected: "own" });
  segmenter.click({ k: 1, j: 2, i: 3, positive: true });
  await settle();
  await segmenter.commit();
  assert.deepEqual([sent()[0].act, sent()[0].reason], ["EDIT", null]);
});
