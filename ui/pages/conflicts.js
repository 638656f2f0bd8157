/** A decision that the server refused is kept until the reader says what becomes of it. */

import { STATES, stateOf, titleOf, withDecision } from "./subjects.js";
import { toast } from "./toasts.js";

/**
 * Shows every refused decision, also those from before a reload.
 * @param {import("./outbox.js").Outbox} outbox
 * @param {(studyUid: string, reader: string) => Promise<Object[]>} fetchSubjects what the server holds now
 * @param {() => void} onSettled
 */
export function startConflicts(outbox, fetchSubjects, onSettled) {
  const ask = (entry) => (entry.problem.status === 409 ? askStale(entry) : askRefused(entry));

  async function askStale(entry) {
    const { decision, reader, problem } = entry;
    const theirs = await fetchSubjects(decision.study_uid, reader)
      .then((subjects) => subjects.find((subject) => subject.id === decision.subject) ?? null).catch(() => undefined);
    if (theirs === undefined) {
      toast(problem, [{ label: "Look again", run: () => ask(entry) }], decision.token);
      return;
    }
    const mine = withDecision(theirs, decision);
    toast({ what: problem.what, found: [problem.found, `theirs ${words(theirs)}`, `yours ${words(mine)}`].filter(Boolean).join("; "), next: problem.next }, [
      { label: "Keep theirs", run: () => { outbox.drop(entry); onSettled(); } },
      { label: "Apply mine", run: () => { outbox.insist(entry, theirs?.after_seq ?? 0); onSettled(); } },
    ], decision.token);
  }

  function askRefused(entry) {
    toast(entry.problem, [
      { label: "Try again", run: () => outbox.insist(entry, entry.decision.after_seq) },
      { label: "Discard my decision", run: () => { outbox.drop(entry); onSettled(); } },
    ], entry.decision.token);
  }

  outbox.onRefused = ask;
  outbox.entries.filter((entry) => entry.problem).forEach(ask);
}

/** e.g. "accepted “Left lung”" */
function words(subject) {
  if (subject === null) return "nothing";
  const { word } = STATES[stateOf(subject)];
  const reason = subject.reason ? ` (${subject.reason})` : "";
  return `${word}${reason} \u201c${titleOf(subject).slice(0, 60)}\u201d`;
}
