/** What finding and sentence rows share: the sign with its word, the decision buttons, the reason that was given. */

import { h } from "./dom.js";
import { STATES, stateOf, titleOf } from "./subjects.js";

/** Sign and word of a state, never colour alone. */
export function stateMark(state) {
  const { sign, word } = STATES[state];
  return h("span", { class: "mark", title: word }, h("span", { class: "sign", "aria-hidden": "true", text: sign }), h("span", { class: "word", text: word }));
}

/**
 * Accept, edit, reject. The pressed one shows what stands.
 * @param {Object} subject
 * @param {Object<string, (subject: Object, anchor: Element) => void>} actions accept, edit, reject
 */
export function decisionButtons(subject, actions) {
  const state = stateOf(subject);
  const button = (label, action, sign, pressed, key) => h("button", {
    type: "button", class: `decide ${action}`, "aria-label": label, "aria-pressed": String(pressed), title: `${label} (${key})`, text: sign,
    on: { click: (event) => { event.stopPropagation(); actions[action](subject, event.currentTarget); } } });
  return h("span", { class: "decisions" },
    button("Accept", "accept", "\u2713", state === "accepted", "Y"),
    button("Edit", "edit", "\u270e", state === "edited", "E"),
    button("Reject", "reject", "\u2715", state === "rejected", "N"));
}

/** "wrong extent" as a button that changes it; nothing while no reason stands. */
export function reasonButton(subject, actions) {
  if (!subject.reason) return null;
  return h("button", { type: "button", class: "reason-given", text: subject.reason, title: "Change the reason",
    "aria-label": `Reason: ${subject.reason}. Change it`,
    on: { click: (event) => { event.stopPropagation(); actions.changeReason(subject, event.currentTarget); } } });
}

/**
 * Attributes and listeners every row has: select on click or Enter, light on hover.
 * @param {string} testid
 */
export function rowShell(testid, subject, selected, actions, ...children) {
  return h("li", {
    class: `row-item ${testid}`, tabindex: "0", data: { testid, id: subject.id, state: stateOf(subject) },
    "aria-current": selected && "true", "aria-label": `${titleOf(subject).slice(0, 120)}, ${STATES[stateOf(subject)].word}`,
    on: {
      click: () => actions.select(subject.id),
      keydown: (event) => { if (event.key === "Enter" && event.target === event.currentTarget) { event.stopPropagation(); actions.select(subject.id); } },
      pointerenter: () => actions.hover(subject.id),
      pointerleave: () => actions.hover(null),
    },
  }, ...children);
}

/** Marks the rows of lit and selected subjects without rebuilding any. */
export function lightRows(container, lit, selected) {
  for (const row of container.querySelectorAll("[data-id]")) {
    row.toggleAttribute("data-lit", lit.includes(row.dataset.id));
    if (row.dataset.id === selected) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

/** Scrolls a row into its list, keeping the group heading above it in view where there is one. */
export function showRow(container, id) {
  const row = [...container.querySelectorAll("[data-id]")].find((element) => element.dataset.id === id);
  row?.scrollIntoView({ block: "nearest" });
}
