/** The reason picker: one key or one click says why. */

import { h, place } from "./dom.js";
import { REASONS } from "./subjects.js";

let closeOpen = null;

/** Closes the picker as if Esc had been pressed. @returns {boolean} whether one was open */
export function closeReasons() {
  const was = closeOpen !== null;
  closeOpen?.(null);
  return was;
}

/**
 * Asks why, beside `anchor`.
 * @param {string} question e.g. "Why reject Left lung?"
 * @param {Element|{x: number, y: number}} anchor
 * @param {string|null} [preselected]
 * @returns {Promise<string|null>} a reason of REASONS, or null when the reader cancelled
 */
export function pickReason(question, anchor, preselected = null) {
  closeReasons();
  return new Promise((resolve) => {
    const buttons = REASONS.map((reason, n) => h("button", {
      type: "button", class: "reason", "aria-label": reason, "aria-pressed": String(reason === preselected),
      on: { click: () => close(reason) } }, h("kbd", { text: n + 1 }), h("span", { text: reason })));
    const before = document.activeElement;
    const picker = h("div", { class: "popover reasons", role: "dialog", "aria-label": question, data: { testid: "reasons" } },
      h("div", { class: "popover-title", text: question }), h("div", { class: "reason-grid" }, ...buttons),
      h("div", { class: "muted small", text: "number key or click \u00b7 Esc cancels" }));
    const close = (reason) => {
      closeOpen = null;
      picker.remove();
      window.removeEventListener("keydown", onKey, true);
      window.removeEventListener("pointerdown", onPointer, true);
      if (before?.isConnected) before.focus?.({ preventScroll: true });
      resolve(reason);
    };
    const onKey = (event) => reasonKey(event, buttons, close);
    const onPointer = (event) => { if (!picker.contains(event.target)) close(null); };
    closeOpen = close;
    document.querySelector("#overread").append(picker);
    place(picker, anchor);
    buttons[Math.max(0, REASONS.indexOf(preselected))].focus({ preventScroll: true });
    window.addEventListener("keydown", onKey, true);
    window.addEventListener("pointerdown", onPointer, true);
  });
}

function reasonKey(event, buttons, close) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = { ArrowDown: 2, ArrowUp: -2, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const chosen = REASONS[Number(event.key) - 1];
  if (chosen) close(chosen);
  else if (event.key === "Escape") close(null);
  else if (step) buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus();
  // Enter, Space and Tab work the focused button; other keys wait until the question is answered.
  const native = ["Enter", " ", "Tab"].includes(event.key);
  if (!native) event.preventDefault();
  event.stopImmediatePropagation();
}

/** A row of reasons inside an editor. @returns {{element: HTMLElement, get: () => string, suggest: (reason: string) => void}} */
export function reasonRow(preselected) {
  let chosen = preselected;
  let touched = false;
  const buttons = REASONS.map((reason) => h("button", {
    type: "button", class: "chip", text: reason, "aria-label": reason,
    on: { click: () => { touched = true; choose(reason); } } }));
  const choose = (reason) => {
    chosen = reason;
    buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(REASONS[n] === reason)));
  };
  choose(preselected);
  return {
    element: h("div", { class: "chips", role: "group", "aria-label": "Reason" }, ...buttons),
    get: () => chosen,
    suggest: (reason) => { if (!touched) choose(reason); },
  };
}
