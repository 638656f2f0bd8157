/** A reader's decisions: made here, handed to the outbox, undone by further decisions. */

import { titleOf, withWaiting } from "./subjects.js";

const WORDS = { ACCEPT: "Accept", EDIT: "Edit", REJECT: "Reject", ADD: "Add", UNSURE: "Unsure", RETRACT: "Undecide" };

export class Review {
  /**
   * @param {Object} parts
   * @param {import("./state.js").Store} parts.store
   * @param {import("./outbox.js").Outbox} parts.outbox
   * @param {import("./commands.js").Commands} parts.commands
   * @param {(id: string) => number} parts.seconds how long the reader has had a subject in view
   */
  constructor({ store, outbox, commands, seconds }) {
    Object.assign(this, { store, outbox, commands, seconds });
  }

  /**
   * Decides on a subject and records how to undo it.
   * @param {string} id
   * @param {string} act
   * @param {{value?: Object, reason?: string|null, note?: string}} [said] the value defaults to the one on screen
   */
  decide(id, act, { value, reason = null, note = "" } = {}) {
    const subject = this.store.subject(id);
    if (!subject) throw new Error(`No subject ${id} on screen`);
    if (subject.kind === "spot") return;
    const after = { act, value: act === "RETRACT" ? null : value ?? subject.value, reason, note };
    if (isSame(subject, after)) return;
    this.record(subject.id, subject.kind, standing(subject), after, titleOf(subject));
  }

  /**
   * Adds a subject of the reader's own.
   * @param {"finding"|"sentence"} kind
   * @returns {string} its new id
   */
  add(kind, value) {
    const id = crypto.randomUUID();
    const after = { act: "ADD", value, reason: null, note: "" };
    this.record(id, kind, { act: "RETRACT", value: null, reason: null, note: "" }, after, value.text ?? value.code.meaning);
    return id;
  }

  record(id, kind, before, after, title) {
    const studyUid = this.store.state.study.study_uid;
    this.send(id, kind, studyUid, after);
    this.commands.push({
      label: `${WORDS[after.act]}: ${title.slice(0, 60)}`,
      undo: () => this.send(id, kind, studyUid, before),
      redo: () => this.send(id, kind, studyUid, after),
    });
  }

  send(id, kind, studyUid, { act, value, reason, note }) {
    const afterSeq = this.store.state.served.find((subject) => subject.id === id)?.after_seq ?? 0;
    const decision = {
      subject: id, kind, study_uid: studyUid, act, value, reason, note, seconds: this.seconds(id), after_seq: afterSeq,
    };
    this.outbox.add(decision, this.store.state.reader);
    this.refresh();
  }

  /** Puts waiting decisions over what the server last said. */
  refresh() {
    const { served, reader, study } = this.store.state;
    this.store.set({ subjects: withWaiting(served, this.outbox.entries, reader, study?.study_uid) });
  }
}

/** What stands, as a decision that would restore it. */
function standing(subject) {
  if (subject.state === null) return { act: "RETRACT", value: null, reason: null, note: "" };
  return { act: subject.state, value: subject.value, reason: subject.reason ?? null, note: subject.note ?? "" };
}

function isSame(subject, after) {
  if (after.act === "RETRACT") return subject.state === null;
  return subject.state === after.act && (subject.reason ?? null) === after.reason && (subject.note ?? "") === after.note
    && JSON.stringify(subject.value) === JSON.stringify(after.value);
}
