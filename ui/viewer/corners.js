/**
 * The text over a pane: corners, side letters, scale bar and the tags of overlays. DOM text stays crisp and readable to
 * assistive technology; it changes only when its words change.
 *
 * @typedef {import("./marks.js").Tag} Tag
 */

const TAG_HEIGHT = 18;
const PLACES = ["series", "plane", "window", "level", "turned", "slice", "position", "zoom", "use", "left", "right", "top", "bottom", "bar", "wait"];
const GROUPS = [["tl", ["series", "plane", "turned"]], ["tr", ["window", "level"]], ["bl", ["slice", "position"]], ["br", ["zoom", "use"]]];

/** @returns {HTMLElement} */
export function element(/** @type {string} */ tag, /** @type {string} */ name, /** @type {Element} */ parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

/** A number with a real minus sign. */
export function figure(/** @type {number} */ value, digits = 0) {
  return (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "−");
}

/** The text of one pane. */
export class Corners {
  constructor(/** @type {HTMLElement} */ root) {
    /** @type {Map<string, HTMLElement>} */
    this.parts = new Map();
    for (const [corner, names] of GROUPS) {
      const box = element("div", `vw-corner vw-${corner}`, root);
      for (const name of names) this.parts.set(name, element("div", `vw-${name}`, box));
    }
    for (const name of PLACES) if (!this.parts.has(name)) this.parts.set(name, element("div", `vw-text vw-${name}`, root));
    this.tags = element("div", "vw-tags", root);
    this.drawn = "";
  }

  /** @param {Record<string, string>} words by place; a place that is not named is emptied */
  write(words) {
    for (const [name, part] of this.parts) {
      if (name === "bar") continue;
      const text = words[name] ?? "";
      if (part.textContent !== text) part.textContent = text;
    }
  }

  /** The scale bar: its width in pixels, or null for none. */
  bar(/** @type {number | null} */ pixels, /** @type {string} */ text) {
    const bar = /** @type {HTMLElement} */ (this.parts.get("bar"));
    const width = pixels === null ? "" : `${pixels.toFixed(1)}px`;
    if (bar.style.width !== width) bar.style.width = width;
    bar.classList.toggle("vw-none", pixels === null && !text);
    bar.classList.toggle("vw-words", pixels === null);
    if (bar.textContent !== text) bar.textContent = text;
  }

  /** Place tags above their regions, moved down where they would cover each other. @param {Tag[]} tags */
  name(tags, /** @type {number} */ width, /** @type {number} */ height) {
    const placed = place(tags, width, height);
    const signature = placed.map((t) => `${t.id}|${t.state}|${t.text}|${t.left}|${t.top}|${t.dim}|${t.bright}`).join("\n");
    if (signature === this.drawn) return;
    this.drawn = signature;
    while (this.tags.childElementCount > placed.length) this.tags.lastElementChild?.remove();
    while (this.tags.childElementCount < placed.length) element("div", "vw-tag", this.tags);
    placed.forEach((tag, n) => {
      const node = /** @type {HTMLElement} */ (this.tags.children[n]);
      if (node.textContent !== tag.text) node.textContent = tag.text;
      node.dataset.id = tag.id;
      node.dataset.state = tag.state;
      node.classList.toggle("vw-dim", tag.dim);
      node.classList.toggle("vw-bright", tag.bright);
      node.style.transform = `translate(${tag.left}px, ${tag.top}px)`;
    });
  }
}

/** @param {Tag[]} tags @returns {(Tag & {left: number, top: number})[]} */
function place(tags, width, height) {
  const taken = [];
  const order = [...tags].sort((a, b) => Number(b.bright) - Number(a.bright) || a.y - b.y);
  for (const tag of order) {
    const long = Math.min(12 + tag.text.length * 7, width);
    const left = Math.round(Math.max(2, Math.min(tag.x, width - long - 2)));
    let top = tag.y - TAG_HEIGHT - 2 >= 2 ? tag.y - TAG_HEIGHT - 2 : tag.bottom + 4;
    top = Math.round(Math.max(2, Math.min(top, height - TAG_HEIGHT - 2)));
    const free = () => taken.every((t) => left > t.right || left + long < t.left || top > t.top + TAG_HEIGHT || top + TAG_HEIGHT < t.top);
    for (let tries = 0; tries < 8 && !free(); tries++) top += TAG_HEIGHT + 2;
    taken.push({ left, right: left + long, top, tag });
  }
  return taken.map(({ left, top, tag }) => ({ ...tag, left, top }));
}
