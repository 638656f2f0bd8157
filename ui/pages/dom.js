/** Building and refreshing elements. Text only ever enters through textContent. */

/**
 * @param {string} tag
 * @param {{class?: string, text?: string, data?: Object<string, string>, on?: Object<string, function>, [attribute: string]: any}} [properties]
 *   `text`, `data` (data-*) and `on` (listeners) are special; false, null and undefined leave an attribute out.
 * @param {...(Node|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") element.textContent = String(value);
    else if (name === "data") for (const [key, item] of Object.entries(value)) element.dataset[key] = String(item);
    else if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "value") element.value = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter(Boolean));
  return element;
}

/** @param {string} selector @returns {HTMLElement} */
export function find(selector) {
  const element = document.querySelector(selector);
  if (!element) throw new Error(`The page has no ${selector}`);
  return element;
}

/** Sets text only when it differs, so that selection and screen readers are not disturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Brings `container` in line with `items`, keeping every element whose signature did not change; an element with
 * `data-busy` (an open editor) is never replaced, and focus moves to the same control of a replaced element.
 * @template T
 * @param {HTMLElement} container
 * @param {T[]} items
 * @param {{key: (item: T) => string, signature: (item: T) => string, build: (item: T) => HTMLElement}} how
 */
export function refreshList(container, items, how) {
  const present = new Map([...container.children].map((child) => [child.dataset.key, child]));
  let previous = null;
  for (const item of items) {
    const key = how.key(item);
    const signature = how.signature(item);
    let element = present.get(key);
    present.delete(key);
    if (!element || (element.signature !== signature && element.dataset.busy === undefined)) {
      const fresh = how.build(item);
      fresh.dataset.key = key;
      fresh.signature = signature;
      if (element) replaceKeepingFocus(element, fresh);
      element = fresh;
    }
    const place = previous ? previous.nextSibling : container.firstChild;
    if (element !== place) container.insertBefore(element, place);
    previous = element;
  }
  for (const gone of present.values()) gone.remove();
}

function replaceKeepingFocus(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const label = focused?.getAttribute("aria-label");
  old.replaceWith(fresh);
  if (!focused) return;
  const same = label && [...fresh.querySelectorAll("[aria-label]")].find((e) => e.getAttribute("aria-label") === label);
  (same || fresh).focus?.({ preventScroll: true });
}

/** Places a floating element beside a point or below an element, inside the window. */
export function place(floating, anchor) {
  const box = anchor instanceof Element ? anchor.getBoundingClientRect() : { left: anchor.x, bottom: anchor.y, top: anchor.y };
  const { width, height } = floating.getBoundingClientRect();
  const below = box.bottom + 4 + height <= window.innerHeight;
  floating.style.left = `${Math.max(8, Math.min(box.left, window.innerWidth - width - 8))}px`;
  floating.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - height - 4)}px`;
}
