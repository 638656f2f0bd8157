/** Catching up with what was done in other tabs. */

const SETTLE = 200; // ms: showing a tab and focusing its window come as two events

/**
 * Refreshes when the page is looked at again.
 * @param {Object} parts
 * @param {EventTarget & {visibilityState: string}} parts.page the document
 * @param {EventTarget} parts.view the window
 * @param {() => boolean} parts.busy whether something is being edited, which a refresh would disturb
 * @param {() => any} parts.refresh
 */
export function startCatchingUp({ page, view, busy, refresh, later = setTimeout.bind(globalThis), never = clearTimeout.bind(globalThis) }) {
  let timer = null;
  const look = () => {
    never(timer);
    timer = later(() => {
      if (page.visibilityState === "visible" && !busy()) refresh();
    }, SETTLE);
  };
  page.addEventListener("visibilitychange", look);
  view.addEventListener("focus", look);
}
