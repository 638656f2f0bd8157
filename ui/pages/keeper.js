/**
 * Where an outbox is kept: one localStorage key a window, so that two windows never overwrite each other's queue.
 * A window holds a lock while it lives; a queue whose lock is free belongs to a window that is gone and is adopted.
 */

const PREFIX = "overread.outbox.";

/** @param {Storage} storage @param {string} window_ */
export function keeperOf(storage, window_) {
  const key = PREFIX + window_;
  return {
    load: () => read(storage, key),
    save: (kept) => (kept.entries.length > 0 ? storage.setItem(key, JSON.stringify(kept)) : storage.removeItem(key)),
  };
}

/** A queue that cannot be read is left in place, for a person to look at, rather than overwritten. */
function read(storage, key) {
  const text = storage.getItem(key);
  if (text === null) return null;
  try {
    const kept = JSON.parse(text);
    return Array.isArray(kept.entries) ? kept : null;
  } catch {
    storage.setItem(`${key}.unreadable`, text);
    return null;
  }
}

/**
 * This window's name: the one it had before a reload, unless a duplicated window still uses it.
 * @returns {Promise<string>}
 */
export async function windowName(session, locks, uuid = () => crypto.randomUUID()) {
  const before = session.getItem("overread.window");
  const name = before && (await hold(locks, before)) ? before : uuid();
  if (name !== before) await hold(locks, name);
  session.setItem("overread.window", name);
  return name;
}

/** Takes the lock of a name until the window closes. True also where the browser has no locks (plain http). */
function hold(locks, name) {
  if (!locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    locks.request(PREFIX + name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise(() => {});
    });
  });
}

/**
 * Entries of windows that are gone, in the order in which they were made; their keys are removed by `take`.
 * @returns {Promise<{entries: Object[], take: () => void}>}
 */
export async function orphans(storage, locks, own) {
  if (!locks) return { entries: [], take: () => {} };
  const held = new Set(((await locks.query()).held ?? []).map((lock) => lock.name));
  const keys = Array.from({ length: storage.length }, (_, n) => storage.key(n))
    .filter((key) => key?.startsWith(PREFIX) && !key.endsWith(".unreadable") && key !== PREFIX + own && !held.has(key));
  const entries = keys.flatMap((key) => read(storage, key)?.entries ?? []);
  return { entries, take: () => keys.forEach((key) => storage.removeItem(key)) };
}
