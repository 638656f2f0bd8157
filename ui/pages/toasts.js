/** Messages that stay until the reader dismisses them. */

import { find, h } from "./dom.js";

const MOST = 5;
/** Keys of toasts that are put away once they no longer hold. */
export const AWAY = "away";
export const CLICKS = "clicks";

/**
 * Shows what happened, what was found and what to do next.
 * @param {{what: string, found?: string, next?: string}} problem
 * @param {{label: string, run: () => void}[]} [choices] buttons; each closes the toast
 * @param {string} [key] a later toast with the same key replaces this one
 */
export function toast(problem, choices = [], key = problem.what + problem.found) {
  const list = find("#or-toasts");
  for (const old of list.children) if (old.dataset.key === key) old.remove();
  const close = () => element.remove();
  const element = h("div", { class: "toast", role: "alert", data: { testid: "toast", key } },
    h("div", { class: "toast-text" },
      h("strong", { text: sentence(problem.what) }),
      problem.found ? h("span", { class: "muted", text: `Found: ${problem.found}` }) : null,
      problem.next ? h("span", { text: sentence(problem.next) }) : null,
      choices.length > 0 ? h("div", { class: "row" }, ...choices.map(({ label, run }) => h("button", {
        class: "button", type: "button", text: label, on: { click: () => { close(); run(); } } }))) : null),
    choices.length > 0 ? null // an open question is answered, not put away
      : h("button", { class: "icon", type: "button", "aria-label": "Dismiss", text: "\u2715", on: { click: close } }));
  list.append(element);
  // Toasts with a choice wait for it; only plain ones make room.
  const plain = [...list.children].filter((item) => !item.querySelector(".row"));
  plain.slice(0, Math.max(0, plain.length - MOST)).forEach((item) => item.remove());
}

/** Puts toasts with this key away. @param {string} key */
export function dismiss(key) {
  for (const item of [...find("#or-toasts").children]) if (item.dataset.key === key) item.remove();
}

/**
 * Shows an error for people; anything else is a bug and is also thrown on for the console.
 * @param {Error} error
 * @param {string} [key] what it is about, so that it can be put away
 */
export function showError(error, key) {
  if (error.name === "AbortError") return;
  if (typeof error.what === "string") {
    toast(error, [], error.status === 0 ? AWAY : key);
    return;
  }
  toast({ what: "The page has a fault", found: error.message, next: "Reload the page; decisions already made are kept" });
  throw error;
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
