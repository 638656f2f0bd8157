/** What readers decide on, as values: states, order, and what a decision on its way does to the screen. */

/** Server act -> word used in data-state, by the viewer and on screen, with its sign. */
export const STATES = {
  proposed: { sign: "\u25c7", word: "undecided" },
  accepted: { sign: "\u2713", word: "accepted" },
  rejected: { sign: "\u2715", word: "rejected" },
  edited: { sign: "\u270e", word: "edited" },
  added: { sign: "+", word: "added" },
  unsure: { sign: "?", word: "unsure" },
};

const STATE_OF_ACT = { ACCEPT: "accepted", EDIT: "edited", REJECT: "rejected", ADD: "added", UNSURE: "unsure" };

/** backend.domain.review.Reason, in its order; the number key of a reason is its place here. */
export const REASONS = [
  "not present", "wrong place", "wrong side", "wrong extent", "wrong severity", "needs prior", "wording", "missed",
];

/** Names offered for a region; free text is allowed, codes are never invented. */
export const NAMES = [
  "Region", "Nodule", "Mass", "Opacity", "Effusion", "Pneumothorax", "Fracture", "Cyst", "Lymph node", "Calcification",
  "Haemorrhage", "Device",
];

export const stateOf = (subject) => STATE_OF_ACT[subject.state] ?? "proposed";
export const isUndecided = (subject) => subject.kind !== "spot" && subject.state === null;
/** How much of what models proposed is decided. @returns {{decided: number, proposals: number}} */
export function progressOf(subjects) {
  const proposed = subjects.filter((s) => s.kind !== "spot" && s.proposed);
  return { decided: proposed.filter((s) => !isUndecided(s)).length, proposals: proposed.length };
}

export const titleOf = (subject) => {
  if (subject.kind === "sentence") return subject.value?.text ?? "";
  if (subject.kind === "spot") return "Spot";
  return subject.value?.code?.meaning || "Region";
};

/**
 * The subject as it will stand once the server has taken the decision (Subject.value and Subject.state).
 * @param {Object|null} subject null when the decision adds it
 * @param {Object} decision
 */
export function withDecision(subject, decision) {
  const base = subject ?? {
    id: decision.subject, kind: decision.kind, state: null, value: null, proposed: null, model: null, after_seq: 0,
    reason: null, note: "", seen: true, warning: "",
  };
  if (decision.act === "RETRACT") return { ...base, state: null, value: base.proposed, reason: null, note: "" };
  return { ...base, state: decision.act, value: decision.value, reason: decision.reason, note: decision.note };
}

/**
 * Server subjects with this reader's waiting decisions applied in order.
 * @param {Object[]} served
 * @param {{reader: string, decision: Object}[]} entries outbox entries
 */
export function withWaiting(served, entries, reader, studyUid) {
  const byId = new Map(served.map((subject) => [subject.id, subject]));
  for (const { reader: who, decision } of entries) {
    if (who !== reader || decision.study_uid !== studyUid) continue;
    byId.set(decision.subject, withDecision(byId.get(decision.subject) ?? null, decision));
  }
  return [...byId.values()];
}

/** Findings that stand on the screen for a series (an added one that was retracted has no value). */
export function findingsOf(subjects, seriesUid) {
  return subjects.filter((s) => s.kind === "finding" && s.value && s.value.series_uid === seriesUid);
}

/** Spots of a series, highest score first. */
export function spotsOf(subjects, seriesUid) {
  return subjects
    .filter((s) => s.kind === "spot" && s.value && s.value.series_uid === seriesUid)
    .sort((a, b) => b.value.score - a.value.score);
}

/**
 * Findings by the expert that proposed them, in order of first appearance; the reader's own last.
 * @returns {{name: string, title: string, version: string, findings: Object[]}[]}
 */
export function groupedFindings(findings, experts) {
  const groups = new Map();
  for (const finding of findings) {
    const name = finding.model?.name ?? "";
    if (!groups.has(name)) {
      const title = name ? experts.find((expert) => expert.name === name)?.title ?? name : "Added by you";
      groups.set(name, { name, title, version: finding.model?.version ?? "", findings: [] });
    }
    groups.get(name).findings.push(finding);
  }
  return [...groups.values()].sort((a, b) => (a.name === "") - (b.name === ""));
}

/** Report sections in the order of their first sentence; withdrawn sentences (no value or no text) are left out. */
export function reportSections(subjects) {
  const sentences = subjects
    .filter((s) => s.kind === "sentence" && s.value && s.value.text.trim() !== "")
    .sort((a, b) => a.value.position - b.value.position);
  const sections = new Map();
  for (const sentence of sentences) {
    const name = sentence.value.section || "Findings";
    if (!sections.has(name)) sections.set(name, []);
    sections.get(name).push(sentence);
  }
  return [...sections].map(([name, list]) => ({ name, sentences: list }));
}

/**
 * The report as text for another program: rejected sentences left out, undecided ones named so.
 * @param {string} reader
 */
export function reportText(subjects, reader) {
  const says = (s) => (isUndecided(s) ? `${s.value.text} [undecided]` : stateOf(s) === "unsure" ? `${s.value.text} [unsure]` : s.value.text);
  const sections = reportSections(subjects.filter((s) => s.state !== "REJECT"))
    .map((section) => `${section.name.toUpperCase()}\n${section.sentences.map(says).join("\n")}`);
  return `${sections.join("\n\n")}\n\nDrafted by models, read over by ${reader}. For research, not a medical device.\n`;
}

/** Where a new sentence of a section stands: last in it; a section that is not there yet comes before the impression. */
export function newPosition(sections, name) {
  const before = sections.filter((section) => section.name === name);
  const others = before.length > 0 ? before : sections.filter((section) => section.name !== "Impression");
  const positions = others.flatMap((section) => section.sentences.map((s) => s.value.position));
  return positions.length > 0 ? Math.max(...positions) + 1 : 0;
}

/** The next undecided after `id` in `ordered`, going round; null when none is left. */
export function nextUndecided(ordered, id) {
  const at = ordered.findIndex((subject) => subject.id === id);
  const round = [...ordered.slice(at + 1), ...ordered.slice(0, Math.max(at, 0))];
  return round.find(isUndecided) ?? null;
}

/** The neighbour of `id`, stopping at both ends; the first (or last) when nothing is selected. */
export function neighbour(ordered, id, step) {
  if (ordered.length === 0) return null;
  const at = ordered.findIndex((subject) => subject.id === id);
  if (at < 0) return step > 0 ? ordered[0] : ordered[ordered.length - 1];
  return ordered[Math.max(0, Math.min(ordered.length - 1, at + step))];
}

export const isMask = (region) => typeof region.sha256 === "string";

/**
 * What the viewer draws for a series. A rejected finding is drawn only while it is selected or lit.
 * @returns {{id: string, label: string, state: string, regions: Object[], points: Object[], editable: boolean, visible: boolean}[]}
 */
export function overlaysOf(state) {
  const uid = state.openSeries?.series_uid;
  const attention = new Set([state.selected, ...state.lit]);
  const overlays = findingsOf(state.subjects, uid).filter((s) => s.value.present !== false).map((finding) => ({
    id: finding.id,
    label: titleOf(finding),
    state: stateOf(finding),
    regions: finding.value.regions,
    points: [],
    editable: finding.state !== "REJECT" && finding.value.regions.some((region) => !isMask(region)),
    visible: finding.state !== "REJECT" || attention.has(finding.id),
  }));
  for (const spot of spotsOf(state.subjects, uid)) {
    overlays.push({
      id: spot.id, label: "Spot", state: "spot", regions: [], points: [spot.value.point], editable: false, visible: true,
    });
  }
  if (state.preview) overlays.push(previewOverlay(state.preview));
  if (state.drawn) {
    const { box } = state.drawn;
    overlays.push({ id: "drawn", label: "New box", state: "preview", regions: [box], points: [], editable: false, visible: true });
  }
  return overlays;
}

function previewOverlay(preview) {
  return {
    id: "preview", label: "Preview", state: "preview", regions: preview.mask ? [preview.mask] : [],
    points: preview.points, editable: false, visible: true,
  };
}

/**
 * How accepting is recorded: [act, what is said]. Only what the model itself said is an ACCEPT; a value the reader has
 * changed stays an EDIT, and the reader's own stays added.
 */
export function acceptance(subject) {
  if (!subject.proposed) return subject.state === "EDIT" ? ["EDIT", { reason: subject.reason }] : ["ADD", {}];
  if (JSON.stringify(subject.proposed) === JSON.stringify(subject.value)) return ["ACCEPT", {}];
  return ["EDIT", { reason: subject.state === "EDIT" ? subject.reason : null }];
}

/** The reason that fits what changed between two finding values, as a start for the reader to correct. */
export function likelyReason(before, after) {
  if (JSON.stringify(before.regions) !== JSON.stringify(after.regions)) return "wrong extent";
  if (before.site !== after.site) {
    return /left/i.test(before.site) !== /left/i.test(after.site) ? "wrong side" : "wrong place";
  }
  return "wording"; // the name, or nothing yet
}

/** A box that was only moved is in the wrong place; one whose size changed has the wrong extent. */
export function boxReason(before, after) {
  const size = (b) => [b.k1 - b.k0, b.j1 - b.j0, b.i1 - b.i0].join();
  return size(before) === size(after) ? "wrong place" : "wrong extent";
}

/** The finding value with one of its boxes replaced; measurements of the old box no longer hold. */
export function withBox(value, before, box) {
  const same = (r) => !isMask(r) && ["k0", "j0", "i0", "k1", "j1", "i1"].every((c) => r[c] === before[c]);
  const at = value.regions.findIndex(same);
  const index = at >= 0 ? at : value.regions.findIndex((r) => !isMask(r));
  return { ...value, regions: value.regions.map((r, n) => (n === index ? box : r)), measurements: [] };
}

/** A new finding value as the reader adds it. */
export function newFinding(seriesUid, meaning, rest) {
  return {
    series_uid: seriesUid, code: { meaning, scheme: "", value: "" }, regions: [], present: true, site: "", certainty: null,
    measurements: [], prompts: [], ...rest,
  };
}

/** The box a spot stands for: its diameter around its point, at least 3 voxels wide, inside the series. */
export function spotBox(spot, series) {
  const { k, j, i } = spot.point;
  const corner = (centre, axis) => {
    const half = Math.max(series.shape[axis] > 1 ? 1 : 0, Math.round(spot.diameter_mm / 2 / series.spacing[axis]));
    return [Math.max(0, centre - half), Math.min(series.shape[axis] - 1, centre + half)];
  };
  const [[k0, k1], [j0, j1], [i0, i1]] = [corner(k, 0), corner(j, 1), corner(i, 2)];
  return { k0, j0, i0, k1, j1, i1 };
}

/** The ids that belong with a subject: a sentence's findings, a finding's sentences, and itself. */
export function related(subjects, id) {
  const subject = subjects.find((s) => s.id === id);
  if (!subject) return [];
  if (subject.kind === "sentence") return [id, ...(subject.value?.finding_ids ?? [])];
  const sentences = subjects.filter((s) => s.kind === "sentence" && s.value?.finding_ids?.includes(id));
  return [id, ...sentences.map((s) => s.id)];
}
