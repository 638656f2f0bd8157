/** Wires the page: one store, one outbox, one viewer. Started by the mount in ui/app.py. */

import { askRefineReason, boxActions, closeQuestions, guarded, reviewActions, viewActions } from "./actions.js";
import { Api } from "./api.js";
import { Attention } from "./attention.js";
import { showSeries, startCanvas } from "./canvas.js";
import { Cases } from "./cases.js";
import { Commands } from "./commands.js";
import { startConflicts } from "./conflicts.js";
import { find } from "./dom.js";
import { startFindings } from "./findings.js";
import { pollJobs, startJobBar, startPropose } from "./jobs.js";
import { keeperOf, orphans, windowName } from "./keeper.js";
import { listen } from "./keys.js";
import { Outbox } from "./outbox.js";
import { startReport } from "./report.js";
import { Review } from "./review.js";
import { Segmenter } from "./segment.js";
import { emptyState, Store } from "./state.js";
import { startCatchingUp } from "./tabs.js";
import { AWAY, CLICKS, dismiss, showError } from "./toasts.js";
import { startToolbar } from "./toolbar.js";
import { savedText, startTopbar } from "./topbar.js";
import { startUpload } from "./upload.js";
import { startWorklist } from "./worklist.js";
import { Viewer } from "/static/viewer/viewer.js";

const READER = "overread.reader";
const PARTS = ["#or-toasts", "#or-cases", "#or-viewer", "#or-findings-list", "#or-report-list", "#or-jobs"];
const SETTLE = 500; // ms after the last answer before warnings and drafted sentences are read again
const OPEN_EDITORS = "[data-busy], #or-sentence-new textarea, [data-testid=naming], [data-testid=reasons]";
let started = false;

/** Gradio mounts the parts one after another; the page starts once, when all are there. */
export function start() {
  if (started) return;
  if (PARTS.some((part) => !document.querySelector(part))) {
    requestAnimationFrame(start);
    return;
  }
  started = true;
  wire().catch(showError);
}

async function wire() {
  const store = new Store(emptyState(localStorage.getItem(READER) || "reader"));
  const api = new Api(() => store.state.reader);
  api.onAnswer = () => dismiss(AWAY);
  const own = await windowName(sessionStorage, navigator.locks);
  const outbox = new Outbox({ post: (decision, reader) => api.decide(decision, reader), keeper: keeperOf(localStorage, own) });
  const commands = new Commands();
  const attention = new Attention({ send: (ids) => api.seen(store.state.study.study_uid, ids) });
  const review = new Review({ store, outbox, commands, seconds: (id) => attention.take(id) });
  const segmenter = new Segmenter({
    store, commands, review, prompt: (body, signal) => api.prompt(body, signal), askReason: askRefineReason,
    onError: (error) => showError(error, CLICKS) });
  const viewer = new Viewer(find("#or-viewer"));
  const cases = new Cases({
    store, api, outbox, storage: localStorage,
    show: guarded((series) => showSeries(store, viewer, series, series && api.voxelsUrl(series.series_uid))),
    leave: () => leave(),
  });
  window.overread = { store, viewer, outbox, commands, segmenter };

  const jobs = watchJobs(store, api, cases);
  const decisions = reviewActions({ store, review, viewer, attention, cases });
  const boxes = boxActions({
    store, review, select: decisions.rows.select, measure: (series, box) => api.measure(series, box) });
  const leave = () => leaveCase({ boxes, segmenter, attention });
  const rows = { ...decisions.rows, makeFinding: boxes.makeFinding };
  const propose = startPropose(store, jobActions(store, api, jobs));
  const view = viewActions({ store, viewer, commands, segmenter, propose, select: rows.select });
  startParts({ store, api, cases, commands, viewer, attention, leave, segmenter, jobs, rows, boxes, view });
  keepSaved(store, outbox, cases, api);
  catchUp(store, cases);
  store.subscribe(["study"], ({ study }) => commands.open(study?.study_uid ?? ""));
  listen(window, { ...view, ...decisions.keys }, () => find("#or-help").open);
  await begin(cases, outbox, own, store);
}

function startParts({ store, api, cases, commands, viewer, attention, leave, segmenter, jobs, rows, boxes, view }) {
  const watch = attention.watcher();
  startTopbar(store, {
    changeReader: guarded(async (name) => {
      localStorage.setItem(READER, name);
      leave();
      commands.clear();
      store.set({ reader: name, selected: null, lit: [] });
      await Promise.all([cases.loadWorklist(), cases.refresh()]);
    }),
  });
  startWorklist(store, {
    openCase: guarded((uid) => cases.open(uid)),
    openSeries: (uid) => cases.openSeries(uid),
    importPath: guarded(async (path) => { await api.importPath(path); jobs.now(); return true; }),
  });
  startUpload({
    send: (batch, file) => api.send(batch, file),
    importSent: async (batch) => { await api.importSent(batch); jobs.now(); },
  });
  startFindings(store, rows, watch);
  startReport(store, rows, watch);
  startToolbar(store, commands, viewer, { ...view, overlaysRelease: view.toggleOverlays });
  startJobBar(store, jobActions(store, api, jobs));
  startCanvas(store, viewer, {
    select: rows.select, hover: rows.hover, box: boxes.box, boxChanged: boxes.boxChanged, point: (point) => segmenter.click(point) });
  // A mouse click on a button leaves the focus where it was, so that keys go on working; Tab still reaches every button.
  find("#overread").addEventListener("mousedown", (event) => { if (event.target.closest?.("button")) event.preventDefault(); });
}

function jobActions(store, api, jobs) {
  return {
    propose: guarded(async (expert) => {
      const { study, openSeries } = store.state;
      await api.startJob(study.study_uid, openSeries.series_uid, expert);
      jobs.now();
    }),
    cancelJob: guarded(async (id) => { await api.cancelJob(id); jobs.now(); }),
  };
}

function watchJobs(store, api, cases) {
  return pollJobs(store, {
    fetchJobs: () => api.jobs(""),
    onFinished: guarded(async (finished) => {
      for (const job of finished) if (job.state === "failed" && job.kind === "propose") showError({ what: "The model did not finish", found: job.error, next: "See Propose for what it needs" });
      await Promise.all([cases.loadWorklist(), cases.refresh()]);
      await cases.openFirst();
    }),
  });
}

/** The saved mark already says that the server is away. */
function unlessAway(error) {
  if (!error.temporary) showError(error);
}

/** The saved mark, what the server answers, and decisions it refuses. */
function keepSaved(store, outbox, cases, api) {
  let settle = null;
  outbox.onChange = () => store.set({ saved: savedText(outbox.status) });
  outbox.onAnswer = (subjects, entry) => {
    cases.answered(subjects, entry);
    clearTimeout(settle);
    if (outbox.entries.length === 0) settle = setTimeout(() => cases.refresh().catch(unlessAway), SETTLE);
  };
  const readAs = (reader) => new Api(() => reader);
  startConflicts(outbox, async (uid, reader) => (await readAs(reader).study(uid)).subjects, guarded(() => cases.refresh()));
  window.addEventListener("online", () => outbox.wake());
  window.addEventListener("beforeunload", (event) => { if (outbox.status.state === "offline") event.preventDefault(); });
}

/** Before another case, series or reader: nothing begun in this one may go on in the next. */
function leaveCase({ boxes, segmenter, attention }) {
  boxes.leave();
  closeQuestions();
  segmenter.finish();
  dismiss(CLICKS);
  attention.leave();
}

/** What the same reader decided in another tab shows when this one is looked at again, unless something is being edited. */
function catchUp(store, cases) {
  startCatchingUp({
    page: document, view: window,
    busy: () => store.state.preview !== null || store.state.drawn !== null || document.querySelector(OPEN_EDITORS) !== null,
    refresh: () => Promise.all([cases.loadWorklist(), cases.refresh()]).catch(unlessAway),
  });
}

async function begin(cases, outbox, own, store) {
  const left = await orphans(localStorage, navigator.locks, own);
  if (left.entries.length > 0) outbox.adopt(left.entries);
  left.take();
  store.set({ saved: savedText(outbox.status) });
  outbox.wake();
  await cases.loadWorklist();
  await cases.openFirst();
}
