/** Asks for the name of a box where it was drawn. */

import { h, place } from "./dom.js";
import { NAMES } from "./subjects.js";

let finishOpen = null;

/** Discards an open question as Esc does. @returns {boolean} whether there was one */
export function closeNaming() {
  const was = finishOpen !== null;
  finishOpen?.(null);
  return was;
}

/**
 * Enter or a click elsewhere keeps the box under the name that stands; Esc discards it.
 * @param {{x: number, y: number}|Element} anchor
 * @returns {Promise<string|null>} the name, or null when the reader discarded the box
 */
export function askName(anchor) {
  finishOpen?.(undefined);
  return new Promise((resolve) => {
    const field = h("input", { type: "text", "aria-label": "Name of the box", maxlength: 120, value: NAMES[0], autocomplete: "off" });
    const finish = (name) => {
      finishOpen = null;
      popover.remove();
      window.removeEventListener("pointerdown", onPointer, true);
      resolve(name === undefined ? field.value.trim() || NAMES[0] : name);
    };
    const onPointer = (event) => { if (!popover.contains(event.target)) finish(undefined); };
    const names = NAMES.map((name) => h("button", { type: "button", class: "chip", text: name, on: { click: () => finish(name) } }));
    const popover = h("div", { class: "popover naming", role: "dialog", "aria-label": "Name this box", data: { testid: "naming" },
      on: { keydown: (event) => {
        if (event.key === "Escape") finish(null);
        else if (event.key === "Enter" && event.target === field) finish(undefined);
        else return;
        event.preventDefault();
        event.stopPropagation();
      } } },
    h("div", { class: "popover-title", text: "What is it?" }), field, h("div", { class: "chips" }, ...names),
    h("div", { class: "muted small", text: "Enter keeps \u00b7 Esc discards" }));
    finishOpen = finish;
    document.querySelector("#overread").append(popover);
    place(popover, anchor);
    window.addEventListener("pointerdown", onPointer, true);
    field.focus();
    field.select();
  });
}
