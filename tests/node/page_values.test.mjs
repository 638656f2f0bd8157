import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Api, headerName } from "../../ui/pages/api.js";
import { Attention } from "../../ui/pages/attention.js";
import * as format from "../../ui/pages/format.js";
import { finishedJobs } from "../../ui/pages/jobs.js";
import { KEYS, keyOf, listen, takesKey } from "../../ui/pages/keys.js";
import { Store, emptyState } from "../../ui/pages/state.js";
import * as subjects from "../../ui/pages/subjects.js";
import { savedText, wheelHint } from "../../ui/pages/topbar.js";

const finding = (id, rest = {}) => ({
  id, kind: "finding", state: null, model: { name: "M", version: "1" },
  value: { series_uid: "s1", code: { meaning: id, scheme: "", value: "" }, regions: [], present: true, site: "", certainty: null, measurements: [], prompts: [] },
  ...rest });
const sentence = (id, position, section, text = id, ids = []) => ({
  id, kind: "sentence", state: null, value: { section, position, text, finding_ids: ids } });

test("numbers carry their unit and no more digits than make sense", () => {
  const say = (value, unit) => format.measurement({ name: "", value, unit });
  assert.equal(say(2134.2, "mL"), "2.13 L");
  assert.equal(say(14.52, "mL"), "14.5 mL");
  assert.equal(say(0.0412, "mL"), "0.0412 mL");
  assert.equal(say(9.24, "mm"), "9.2 mm");
  assert.equal(say(-612.4, "HU"), "\u2212612 HU");
  assert.equal(say(-0.2, "HU"), "0 HU");
  assert.equal(say(0.4567, "1"), "0.46");
  assert.equal(say(NaN, "mm"), "");
});

test("the probe line never shows millimetres where nothing is calibrated", () => {
  const probe = { lps: [12.14, -40.3, 88], index: [132, 210, 88], value: -612, unit: "HU", ids: [] };
  assert.equal(format.probeLine(probe, { unit: "mm" }, ["left lung"]),
    "LPS 12.1 \u221240.3 88.0 mm \u00b7 voxel 132 210 88 \u00b7 \u2212612 HU \u00b7 left lung");
  assert.doesNotMatch(format.probeLine({ ...probe, unit: "" }, { unit: "px" }, []), /mm/);
});

test("findings are grouped by expert with the reader's own last; retracted and other series' are left out", () => {
  const all = [finding("mine", { model: null }), finding("a"), finding("b", { model: { name: "N", version: "2" } }),
    finding("gone", { value: null }), finding("else", { value: { ...finding("x").value, series_uid: "s2" } })];
  const groups = subjects.groupedFindings(subjects.findingsOf(all, "s1"), [{ name: "N", title: "Nodules" }]);
  assert.deepEqual(groups.map((g) => [g.title, g.findings.map((f) => f.id)]), [["M", ["a"]], ["Nodules", ["b"]], ["Added by you", ["mine"]]]);
});

test("sentences stand in order under their sections, withdrawn ones do not", () => {
  const all = [sentence("c", 3, "Impression"), sentence("b", 2, "Findings"), sentence("a", 1, "Findings"), sentence("w", 4, "Findings", " "),
    { ...sentence("x", 0, "Findings"), value: null }];
  assert.deepEqual(subjects.reportSections(all).map((s) => [s.name, s.sentences.map((t) => t.id)]), [["Findings", ["a", "b"]], ["Impression", ["c"]]]);
});

test("accepting walks on to the next undecided, round the end, and stops when all are decided", () => {
  const list = [finding("a"), finding("b", { state: "ACCEPT" }), finding("c")];
  assert.equal(subjects.nextUndecided(list, "a").id, "c");
  assert.equal(subjects.nextUndecided(list, "c").id, "a");
  assert.equal(subjects.nextUndecided([finding("b", { state: "UNSURE" })], "b"), null);
  assert.equal(subjects.neighbour(list, null, 1).id, "a");
  assert.equal(subjects.neighbour(list, "c", 1).id, "c");
});

test("accepting never claims that the model said what the reader wrote", () => {
  const own = finding("a").value;
  const act = (state, proposed, value = own) => subjects.acceptance({ state, proposed, value, reason: "wording" });
  assert.deepEqual(act("REJECT", own), ["ACCEPT", {}]);
  assert.deepEqual(act("EDIT", finding("b").value), ["EDIT", { reason: "wording" }]);
  assert.deepEqual(act("UNSURE", finding("b").value), ["EDIT", { reason: null }]);
  assert.deepEqual(act("UNSURE", null), ["ADD", {}]);
});

test("waiting decisions stand on the screen, but only this reader's and this case's", () => {
  const entry = (reader, study_uid, act) => ({ reader, decision: { subject: "a", kind: "finding", study_uid, act, value: finding("a").value, reason: null, note: "" } });
  const served = [{ ...finding("a"), proposed: finding("a").value }];
  const show = (...entries) => subjects.withWaiting(served, entries, "r", "st")[0].state;
  assert.equal(show(entry("r", "st", "ACCEPT")), "ACCEPT");
  assert.equal(show(entry("other", "st", "ACCEPT")), null);
  assert.equal(show(entry("r", "elsewhere", "ACCEPT")), null);
  assert.equal(show(entry("r", "st", "ACCEPT"), entry("r", "st", "RETRACT")), null);
});

test("a rejected finding is drawn only while it has attention; absence draws nothing", () => {
  const state = { ...emptyState("r"), openSeries: { series_uid: "s1" }, subjects: [
    finding("a", { state: "REJECT" }), finding("no", { value: { ...finding("no").value, present: false } })] };
  assert.deepEqual(subjects.overlaysOf(state).map((o) => [o.id, o.visible, o.state]), [["a", false, "rejected"]]);
  assert.equal(subjects.overlaysOf({ ...state, lit: ["a"] })[0].visible, true);
});

test("a moved box is in the wrong place, a resized one has the wrong extent and loses its measurements", () => {
  const box = { k0: 0, j0: 1, i0: 2, k1: 0, j1: 5, i1: 6 };
  const moved = { ...box, j0: 3, j1: 7 };
  assert.equal(subjects.boxReason(box, moved), "wrong place");
  assert.equal(subjects.boxReason(box, { ...box, i1: 9 }), "wrong extent");
  const other = { k0: 9, j0: 9, i0: 9, k1: 9, j1: 9, i1: 9 };
  const value = { ...finding("a").value, regions: [other, box], measurements: [{ name: "d", value: 1, unit: "mm" }] };
  assert.deepEqual(subjects.withBox(value, box, moved).regions, [other, moved]);
  assert.deepEqual(subjects.withBox(value, box, moved).measurements, []);
});

test("the box of a spot stays inside the series and is as large as the spot in each direction", () => {
  const series = { shape: [40, 100, 100], spacing: [5, 1, 1] };
  const box = subjects.spotBox({ point: { k: 0, j: 50, i: 98 }, diameter_mm: 10 }, series);
  assert.deepEqual(box, { k0: 0, j0: 45, i0: 93, k1: 1, j1: 55, i1: 99 });
  const flat = subjects.spotBox({ point: { k: 0, j: 50, i: 50 }, diameter_mm: 4 }, { shape: [1, 100, 100], spacing: [1, 1, 1] });
  assert.deepEqual([flat.k0, flat.k1], [0, 0]);
});

test("hovering lights what belongs together", () => {
  const all = [finding("a"), sentence("s", 0, "Findings", "text", ["a"]), sentence("t", 1, "Findings", "text")];
  assert.deepEqual(subjects.related(all, "a"), ["a", "s"]);
  assert.deepEqual(subjects.related(all, "s"), ["s", "a"]);
  assert.deepEqual(subjects.related(all, null), []);
});

test("reasons and states are those of backend.domain.review", () => {
  const source = readFileSync(new URL("../../backend/domain/review.py", import.meta.url), "utf8");
  const reasons = source.slice(source.indexOf("class Reason"), source.indexOf("class Kind"));
  assert.deepEqual(subjects.REASONS, [...reasons.matchAll(/= "([^"]+)"/g)].map((m) => m[1]));
});

test("keys: no key means two things, browser keys are left alone, and a missing action is found at the start", () => {
  const keys = KEYS.flatMap((binding) => binding.keys);
  assert.equal(new Set(keys).size, keys.length);
  for (const key of ["Ctrl+W", "Ctrl+T", "Ctrl+N", "Ctrl+R", "Ctrl+L"]) assert.ok(!keys.includes(key));
  assert.throws(() => listen(new EventTarget(), { accept: () => {} }), /No action/);
});

test("keys are named the same on every keyboard", () => {
  const press = (key, rest = {}) => keyOf({ key, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...rest });
  assert.equal(press("y"), "Y");
  assert.equal(press("S", { shiftKey: true }), "Shift+S");
  assert.equal(press("?", { shiftKey: true }), "?");
  assert.equal(press("+", { shiftKey: true }), "+");
  assert.equal(press("Z", { metaKey: true, shiftKey: true, code: "KeyZ" }), "Ctrl+Shift+Z");
  assert.equal(press("ArrowUp", { altKey: true }), "Alt+ArrowUp");
});

test("keys are ignored while typing and while something modal is open; a held key is released", () => {
  const target = new EventTarget();
  const log = [];
  let modal = false;
  listen(target, { accept: () => log.push("accept"), overlays: () => log.push("down"), overlaysRelease: () => log.push("up") }, () => modal,
    KEYS.filter((binding) => ["accept", "overlays"].includes(binding.action)));
  const fire = (type, key, on = target) => {
    const event = Object.assign(new Event(type), { key, code: `Key${key.toUpperCase()}`, ctrlKey: false, altKey: false, metaKey: false, shiftKey: false });
    Object.defineProperty(event, "target", { value: on });
    target.dispatchEvent(event);
  };
  fire("keydown", "y");
  fire("keydown", "y", { tagName: "TEXTAREA" });
  modal = true;
  fire("keydown", "y");
  modal = false;
  fire("keydown", "v");
  fire("keyup", "v");
  assert.deepEqual(log, ["accept", "down", "up"]);
  assert.equal(takesKey({ tagName: "BUTTON" }, "Enter"), true);
  assert.equal(takesKey({ tagName: "BUTTON" }, "Y"), false);
  assert.equal(takesKey({ tagName: "INPUT", type: "text" }, "Delete"), true);
});

test("subjects count as seen after a second in view, once, and are tried again after a failure", async () => {
  let time = 0;
  const timers = [];
  const sent = [];
  let fail = true;
  const attention = new Attention({
    send: async (ids) => { if (fail) throw new Error("away"); sent.push(ids); },
    now: () => time, later: (run, wait) => timers.push({ run, wait }) - 1, never: (n) => { if (timers[n]) timers[n].run = () => {}; } });
  attention.shown("a");
  attention.shown("b");
  attention.hidden("b");
  timers.filter((t) => t.wait === 1000).forEach((t) => t.run());
  await attention.flush();
  fail = false;
  await attention.flush();
  await attention.flush();
  assert.deepEqual(sent, [["a"]]);
  time = 3400;
  assert.equal(attention.take("a"), 3.4);
  time += 3_600_000;
  assert.equal(attention.take("a"), 600);
});

test("every failure of a call says what, found and next", async () => {
  const reply = (status, body) => async () => ({ ok: false, status, json: async () => { if (body === undefined) throw new Error("no JSON"); return body; } });
  const failing = (fetcher) => new Api(() => "r", fetcher).worklist().then(() => assert.fail("no error"), (error) => error);
  const known = await failing(reply(409, { what: "w", found: "f", next: "n" }));
  assert.deepEqual([known.what, known.found, known.next, known.temporary], ["w", "f", "n", false]);
  const crashed = await failing(reply(500));
  assert.ok(crashed.what && crashed.next && crashed.temporary);
  const away = await failing(async () => { throw new TypeError("Failed to fetch"); });
  assert.deepEqual([away.status, away.temporary], [0, true]);
});

test("a reader's name travels as a header whatever letters it has", () => {
  assert.equal(headerName("J. Reader"), "J. Reader");
  assert.equal(decodeURIComponent(headerName("Łódź 100%")), "Łódź 100%");
  assert.match(headerName("Łódź"), /^[\x20-\x7e]+$/);
});

test("a job counts as finished only when it had been seen running", () => {
  const jobs = (state) => [{ id: 1, state }, { id: 2, state: "done" }];
  assert.deepEqual(finishedJobs(jobs("running"), jobs("failed")).map((job) => job.id), [1]);
  assert.deepEqual(finishedJobs([], jobs("done")), []);
});

test("the saved mark says how many decisions wait", () => {
  assert.equal(savedText({ state: "offline", waiting: 3, refused: 0 }).text, "offline, 3 waiting");
  assert.equal(savedText({ state: "saved", waiting: 0, refused: 0 }).state, "saved");
  assert.match(savedText({ state: "offline", waiting: 0, refused: 1 }).text, /1 not saved/);
});

test("the store tells only those who listen to what changed", () => {
  const store = new Store(emptyState("r"));
  const heard = [];
  const stop = store.subscribe(["selected"], (state) => heard.push(state.selected));
  store.set({ lit: ["a"] });
  store.set({ selected: "a" });
  store.set({ selected: "a" });
  stop();
  store.set({ selected: "b" });
  assert.deepEqual(heard, ["a"]);
});

test("the copied report leaves out what was rejected and names what is undecided", () => {
  const list = [sentence("a", 1, "Findings", "Nodule."), sentence("b", 2, "Findings", "Effusion."), sentence("c", 0, "Technique", "CT.")];
  list[0].state = "ACCEPT";
  list[1].state = "REJECT";
  const text = subjects.reportText(list, "A. Reader");
  assert.equal(text.split("\n").slice(0, 5).join("|"), "TECHNIQUE|CT. [undecided]||FINDINGS|Nodule.");
  assert.ok(!text.includes("Effusion"));
  assert.ok(text.includes("A. Reader") && text.includes("not a medical device"));
});

test("uncalibrated areas and volumes are counted, and a box is one phrase, width first", () => {
  const m = (name, measured, unit) => ({ name, value: measured, unit });
  assert.equal(format.measurement(m("area", 1520, "px")), "1520 px\u00b2");
  assert.equal(format.measurement(m("volume", 320, "px")), "320 voxels");
  assert.equal(format.measurement(m("volume", 1, "px")), "1 voxel");
  assert.equal(format.measurement(m("longest diameter", 41.6, "px")), "42 px");
  assert.deepEqual(format.sizes([m("extent", 12.4, "mm"), m("extent", 30.2, "mm"), m("extent", 31.1, "mm")]), ["box 31 \u00d7 30 \u00d7 12 mm"]);
  assert.deepEqual(format.sizes([m("extent", 9.5, "mm"), m("extent", 30.2, "mm")]), ["box 30.2 \u00d7 9.5 mm"]);
  assert.deepEqual(format.sizes([m("volume", 14.52, "mL"), m("HU mean", 43, "HU")]), ["volume 14.5 mL", "HU mean 43 HU"]);
  assert.deepEqual(format.sizes([]), []);
});

test("a new sentence stands last in its section; Findings that are not there yet come before the impression", () => {
  const sections = (...list) => subjects.reportSections(list);
  const technique = sentence("t", 0, "Technique");
  const impression = sentence("i", 1e6, "Impression");
  assert.equal(subjects.newPosition(sections(technique, sentence("f", 1000, "Findings"), impression), "Findings"), 1001);
  assert.equal(subjects.newPosition(sections(technique, impression), "Findings"), 1);
  assert.equal(subjects.newPosition(sections(impression), "Impression"), 1e6 + 1);
  assert.equal(subjects.newPosition([], "Findings"), 0);
});

test("only volumes have slices to wheel through", () => {
  assert.match(wheelHint({ shape: [40, 512, 512] }), /slices/);
  assert.doesNotMatch(wheelHint({ shape: [1, 512, 512] }), /slices/);
});
