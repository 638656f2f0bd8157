/**
 * Decisions on their way to the store: ordered, kept in the browser until acknowledged, sent one at a time.
 *
 * An entry leaves only when the server has taken it, or when the reader says so after a refusal. Each entry carries a
 * token, so that one whose answer was lost is recognised when it is sent again.
 */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;

/**
 * @typedef {Object} Entry
 * @property {number} revision counts up over the life of this outbox
 * @property {string} reader
 * @property {Object} decision as POST /api/decisions takes it
 * @property {{what: string, found: string, next: string, status: number}|null} problem why it was refused
 */

export class Outbox {
  /**
   * @param {Object} parts
   * @param {(decision: Object, reader: string) => Promise<{subjects: Object[]}>} parts.post
   * @param {{load: () => Object|null, save: (kept: Object) => void}} parts.keeper
   * @param {() => string} [parts.uuid]
   * @param {(run: () => void, milliseconds: number) => any} [parts.later]
   * @param {(cancelled: any) => void} [parts.never]
   */
  constructor({ post, keeper, uuid = () => crypto.randomUUID(), later = setTimeout.bind(globalThis), never = clearTimeout.bind(globalThis) }) {
    Object.assign(this, { post, keeper, uuid, later, never });
    const kept = keeper.load() ?? {};
    /** @type {Entry[]} */
    this.entries = kept.entries ?? [];
    this.revision = kept.revision ?? 0;
    this.sending = false;
    this.failures = 0;
    this.timer = null;
    this.onChange = () => {};
    this.onAnswer = () => {};
    this.onRefused = () => {};
  }

  /** @returns {{state: "saved"|"saving"|"offline", waiting: number, refused: number}} */
  get status() {
    const refused = this.entries.filter((entry) => entry.problem).length;
    const waiting = this.entries.length - refused;
    if (this.entries.length === 0) return { state: "saved", waiting, refused };
    const stuck = this.failures > 0 || this.next() === null;
    return { state: stuck ? "offline" : "saving", waiting, refused };
  }

  /** Takes a decision over; from here on it survives a reload. @returns {Entry} */
  add(decision, reader) {
    this.revision += 1;
    const entry = { revision: this.revision, reader, decision: { ...decision, token: this.uuid() }, problem: null };
    this.entries.push(entry);
    this.keep();
    this.pump();
    return entry;
  }

  /** Adopts the entries of an outbox whose window is gone. @param {Entry[]} entries */
  adopt(entries) {
    for (const entry of entries) {
      this.revision += 1;
      this.entries.push({ ...entry, revision: this.revision });
    }
    this.keep();
    this.pump();
  }

  /** Tries at once, for instance when the network is back or the page has just loaded. */
  wake() {
    if (this.timer !== null) this.never(this.timer);
    this.timer = null;
    this.pump();
  }

  next() {
    const stopped = new Set(this.entries.filter((entry) => entry.problem).map(subjectKey));
    return this.entries.find((entry) => !stopped.has(subjectKey(entry))) ?? null;
  }

  async pump() {
    if (this.sending || this.timer !== null) return;
    const entry = this.next();
    if (!entry) return;
    this.sending = true;
    this.onChange();
    try {
      this.acknowledge(entry, await this.post(entry.decision, entry.reader));
    } catch (error) {
      this.fail(entry, error);
    } finally {
      this.sending = false;
      this.onChange();
    }
    if (this.timer === null) this.pump();
  }

  acknowledge(entry, answer) {
    this.failures = 0;
    this.entries = this.entries.filter((other) => other !== entry);
    const now = answer.subjects.find((subject) => subject.id === entry.decision.subject);
    // What follows on the same subject was made in sight of this decision, whose number only the server knows.
    if (now) this.renumber(entry, now.after_seq);
    this.keep();
    this.onAnswer(answer.subjects, entry);
  }

  renumber(entry, afterSeq) {
    for (const other of this.entries) {
      if (subjectKey(other) === subjectKey(entry)) other.decision = { ...other.decision, after_seq: afterSeq };
    }
  }

  fail(entry, error) {
    if (error.status !== undefined && !error.temporary) {
      entry.problem = { what: error.what, found: error.found, next: error.next, status: error.status };
      this.keep();
      this.onRefused(entry, error);
      return;
    }
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures);
    this.failures += 1;
    this.timer = this.later(() => { this.timer = null; this.pump(); }, wait);
  }

  /** The reader insists: the refused decision goes again, made in sight of `afterSeq`. @param {Entry} entry */
  insist(entry, afterSeq) {
    this.renumber(entry, afterSeq);
    entry.problem = null;
    this.keep();
    this.wake();
  }

  /** The reader gives way: the refused decision and what was built on it are dropped. @param {Entry} entry */
  drop(entry) {
    this.entries = this.entries.filter((other) => subjectKey(other) !== subjectKey(entry));
    this.keep();
    this.wake();
  }

  keep() {
    this.keeper.save({ revision: this.revision, entries: this.entries });
    this.onChange();
  }
}

const subjectKey = (entry) => JSON.stringify([entry.reader, entry.decision.subject]);
