/** Opening cases and series, and keeping what the server says of them up to date. */

import { progressOf, withWaiting } from "./subjects.js";

const PLACE = "overread.place";

export class Cases {
  /**
   * @param {Object} parts
   * @param {import("./state.js").Store} parts.store
   * @param {import("./api.js").Api} parts.api
   * @param {import("./outbox.js").Outbox} parts.outbox
   * @param {(series: Object|null) => void} parts.show draws a series
   * @param {() => void} parts.leave runs before another series or case is shown
   * @param {Storage} parts.storage
   */
  constructor({ store, api, outbox, show, leave, storage }) {
    Object.assign(this, { store, api, outbox, show, leave, storage });
    this.answers = 0;
    this.opening = 0;
  }

  async loadWorklist() {
    const { studies } = await this.api.worklist();
    this.store.set({ studies });
  }

  /** The case that was open before a reload, else the first. */
  async openFirst() {
    const { studies } = this.store.state;
    if (!studies?.length || this.store.state.study) return;
    const before = JSON.parse(this.storage.getItem(PLACE) ?? "null");
    const known = studies.some((row) => row.study_uid === before?.study);
    await this.open(known ? before.study : studies[0].study_uid, known ? before.series : null);
  }

  /** @param {string} studyUid @param {string|null} [seriesUid] */
  async open(studyUid, seriesUid = null) {
    const turn = ++this.opening;
    const detail = await this.api.study(studyUid);
    if (turn !== this.opening) return;
    this.leave();
    this.store.set({ studies: this.counted(), selected: null, lit: [], probe: null, openSeries: null, subjects: [], served: [] });
    this.take(detail);
    const series = detail.series.find((one) => one.series_uid === seriesUid) ?? detail.series[0] ?? null;
    this.showSeries(series);
  }

  /** The worklist with the row of the open case as it now stands: the server counted it before the reader's decisions. */
  counted() {
    const { studies, study, subjects } = this.store.state;
    if (!study || !studies) return studies;
    const now = (row) => ({ ...row, ...progressOf(subjects), opened: row.opened ?? new Date().toISOString() });
    return studies.map((row) => (row.study_uid === study.study_uid ? now(row) : row));
  }

  /** @param {string} seriesUid */
  openSeries(seriesUid) {
    const series = this.store.state.series.find((one) => one.series_uid === seriesUid);
    if (!series || series === this.store.state.openSeries) return;
    this.leave();
    this.store.set({ selected: null, lit: [], probe: null });
    this.showSeries(series);
  }

  showSeries(series) {
    this.store.set({ openSeries: series });
    this.storage.setItem(PLACE, JSON.stringify({ study: this.store.state.study.study_uid, series: series?.series_uid ?? null }));
    this.show(series);
  }

  take(detail) {
    const { openSeries, reader } = this.store.state;
    // The same series object is kept while it is open, so that nobody takes a refresh for another series.
    const series = detail.series.map((one) => (one.series_uid === openSeries?.series_uid ? openSeries : one));
    this.store.set({
      study: detail.study, series, experts: detail.experts, served: detail.subjects,
      subjects: withWaiting(detail.subjects, this.outbox.entries, reader, detail.study.study_uid),
    });
  }

  /** Reads the open case again; an answer that a decision has overtaken is read once more. */
  async refresh() {
    const uid = this.store.state.study?.study_uid;
    if (!uid) return;
    const { answers, opening } = this;
    const detail = await this.api.study(uid);
    if (opening !== this.opening) return;
    if (answers !== this.answers) await this.refresh();
    else this.take(detail);
  }

  /** What the server holds after a decision: everything that stands in its study, for its reader. */
  answered(subjects, entry) {
    this.answers += 1;
    const { study, reader, served } = this.store.state;
    if (entry.decision.study_uid !== study?.study_uid || entry.reader !== reader) return;
    const warnings = new Map(served.map((subject) => [subject.id, subject.warning]));
    const now = subjects.map((subject) => ({ ...subject, warning: subject.warning || warnings.get(subject.id) || "" }));
    this.store.set({ served: now, subjects: withWaiting(now, this.outbox.entries, reader, study.study_uid) });
  }

  /** @param {number} step to the neighbouring case */
  async step(step) {
    const studies = this.store.state.studies ?? [];
    const at = studies.findIndex((row) => row.study_uid === this.store.state.study?.study_uid);
    const next = studies[at + step];
    if (next) await this.open(next.study_uid);
  }

  stepSeries(step) {
    const { series, openSeries } = this.store.state;
    const next = series[series.indexOf(openSeries) + step];
    if (next) this.openSeries(next.series_uid);
  }
}
