/** The table of keys: which key, what it is called, which action it runs. The help overlay is drawn from it. */

import { h } from "./dom.js";

/**
 * @typedef {Object} Binding
 * @property {string[]} keys as `keyOf` names them
 * @property {string} name what it does, in words
 * @property {string} action name of a function among the actions
 * @property {string} group
 * @property {any[]} [given] arguments of the action
 */

const bind = (group, rows) => rows.map(([keys, name, action, ...given]) => ({ group, keys: keys.split(" "), name, action, given }));

/** @type {Binding[]} */
export const KEYS = [
  ...bind("Image", [
    ["ArrowUp", "Previous slice", "scroll", -1],
    ["ArrowDown", "Next slice", "scroll", 1],
    ["Shift+ArrowUp", "Five slices back", "scroll", -5],
    ["Shift+ArrowDown", "Five slices on", "scroll", 5],
    ["Home", "First slice", "firstSlice"],
    ["End", "Last slice", "lastSlice"],
    ["PageUp", "Previous series", "series", -1],
    ["PageDown", "Next series", "series", 1],
    ["1", "Window: abdomen", "preset", 1],
    ["2", "Window: mediastinum", "preset", 2],
    ["3", "Window: lung", "preset", 3],
    ["4", "Window: bone", "preset", 4],
    ["5", "Window: brain", "preset", 5],
    ["6", "Window: liver", "preset", 6],
    ["I", "Invert grey scale", "invert"],
    ["H", "Flip left to right", "flip", "h"],
    ["V", "Regions on or off (hold to peek)", "overlays"],
    ["Shift+V", "Flip top to bottom", "flip", "v"],
    ["R", "Rotate", "rotate"],
    ["Z", "Zoom tool", "tool", "zoom"],
    ["+", "Zoom in", "zoom", 1.25],
    ["-", "Zoom out", "zoom", 0.8],
    ["=", "Fit to pane", "fit"],
    ["L", "Layout: one plane, three planes", "layout"],
    ["F", "Full screen", "fullScreen"],
  ]),
  ...bind("Mark", [
    ["B", "Box tool", "tool", "box"],
    ["P", "Point tool: click to segment", "tool", "point"],
    ["T", "Points add or take away", "polarity"],
    ["Enter", "Keep the preview", "commit"],
    ["S", "Next spot", "spot", 1],
    ["Shift+S", "Previous spot", "spot", -1],
    ["X", "Propose: run a model", "propose"],
  ]),
  ...bind("Decide", [
    ["W", "Next finding", "finding", 1],
    ["Q", "Previous finding", "finding", -1],
    ["J", "Next sentence", "sentence", 1],
    ["K", "Previous sentence", "sentence", -1],
    ["Y", "Accept, and on to the next undecided", "accept"],
    ["N", "Reject: then a number for the reason", "reject"],
    ["E", "Edit", "edit"],
    ["U", "Unsure", "unsure"],
    ["Delete", "Remove your own, reject a proposal", "remove"],
    ["Ctrl+Z", "Undo", "undo"],
    ["Ctrl+Shift+Z Ctrl+Y", "Redo", "redo"],
  ]),
  ...bind("Page", [
    ["Alt+ArrowUp", "Previous case", "case", -1],
    ["Alt+ArrowDown", "Next case", "case", 1],
    ["?", "This help", "help"],
    ["Escape", "Cancel", "cancel"],
  ]),
];

/** @returns {string} e.g. "Ctrl+Shift+Z", "Shift+S", "+", "ArrowUp"; the Command key counts as Ctrl */
export function keyOf(event) {
  let key = event.key;
  // With Alt or another keyboard layer the letter itself may be replaced; the physical key still names it.
  if ((event.ctrlKey || event.metaKey || event.altKey) && /^Key[A-Z]$/.test(event.code ?? "")) key = event.code.slice(3);
  if (key.length === 1 && key !== key.toUpperCase()) key = key.toUpperCase();
  const isSymbol = key.length === 1 && !/[A-Z]/.test(key);
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && !isSymbol) parts.push("Shift");
  return [...parts, key].join("+");
}

/** Whether the element takes this key itself: text fields every key, controls the keys that work them. */
export function takesKey(element, key) {
  const tag = element?.tagName;
  if (element?.isContentEditable || tag === "TEXTAREA" || tag === "SELECT") return true;
  if (tag === "INPUT") return !["checkbox", "radio", "button"].includes(element.type) || key === " ";
  if (tag === "BUTTON" || tag === "A" || tag === "SUMMARY") return key === "Enter" || key === " ";
  return false;
}

/**
 * Listens on a target for the keys of the table.
 * @param {EventTarget} target
 * @param {Object<string, function>} actions `${action}Release`, where it exists, runs when the key goes up
 * @param {() => boolean} [asleep] true while something modal takes all keys
 * @param {Binding[]} [table]
 */
export function listen(target, actions, asleep = () => false, table = KEYS) {
  const byKey = new Map(table.flatMap((binding) => binding.keys.map((key) => [key, binding])));
  const nameless = table.find((binding) => typeof actions[binding.action] !== "function");
  if (nameless) throw new Error(`No action is called ${nameless.action}`);
  const held = new Map();
  target.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    const binding = byKey.get(key);
    if (!binding || event.isComposing || asleep() || takesKey(event.target, key)) return;
    event.preventDefault();
    const release = actions[`${binding.action}Release`];
    if (release && event.repeat) return;
    if (release) held.set(event.code, release);
    actions[binding.action](...binding.given);
  });
  target.addEventListener("keyup", (event) => {
    held.get(event.code)?.();
    held.delete(event.code);
  });
}

const SHOWN = { ArrowUp: "\u2191", ArrowDown: "\u2193", Escape: "Esc", Delete: "Del", PageUp: "PgUp", PageDown: "PgDn" };
const label = (key) => key.split(/\+(?=.)/).map((part) => SHOWN[part] ?? part).join(" ");

/** The help overlay. @param {HTMLDialogElement} dialog */
export function showHelp(dialog) {
  const groups = [...new Set(KEYS.map((binding) => binding.group))].map((group) => h("section", {},
    h("h3", { text: group }),
    h("dl", {}, ...KEYS.filter((binding) => binding.group === group).flatMap((binding) => [
      h("dt", {}, ...binding.keys.map((key) => h("kbd", { text: label(key) }))),
      h("dd", { text: binding.name }),
    ]))));
  const mouse = h("p", { class: "muted", text:
    "Mouse: wheel scrolls slices (Shift \u00d7 5), Ctrl + wheel zooms, left drag uses the tool, middle drag or Space + drag pans, " +
    "right drag zooms, Shift + move links the planes, double click maximises." });
  dialog.querySelector("[data-part=body]").replaceChildren(...groups, mouse);
  if (!dialog.open) dialog.showModal();
}
