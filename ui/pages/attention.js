/** What a reader has had in view, and for how long: the seconds of a decision, and which subjects were seen. */

const SEEN_AFTER = 1000;
const SEND_EVERY = 2000;
const CAP_SECONDS = 600;

export class Attention {
  /**
   * @param {Object} parts
   * @param {(ids: string[]) => Promise<any>} parts.send tells the server what was seen; refused ids are tried again
   * @param {() => number} [parts.now] milliseconds
   * @param {(run: () => void, milliseconds: number) => any} [parts.later]
   * @param {(cancelled: any) => void} [parts.never]
   */
  constructor({ send, now = () => performance.now(), later = setTimeout.bind(globalThis), never = clearTimeout.bind(globalThis) }) {
    Object.assign(this, { send, now, later, never });
    this.reset();
  }

  /** Another case or reader comes: what was seen is reported first, then nothing has been seen yet. */
  leave() {
    this.never(this.flushing);
    this.flush();
    this.reset();
  }

  reset() {
    for (const timer of this.timers?.values() ?? []) this.never(timer);
    this.timers = new Map();
    this.since = new Map();
    this.unsent = new Set();
    this.sent = new Set();
    this.flushing = null;
  }

  /** @param {string} id came into view */
  shown(id) {
    if (!this.since.has(id)) this.since.set(id, this.now());
    if (this.sent.has(id) || this.timers.has(id)) return;
    this.timers.set(id, this.later(() => this.markSeen(id), SEEN_AFTER));
  }

  /** @param {string} id left the view */
  hidden(id) {
    this.never(this.timers.get(id));
    this.timers.delete(id);
  }

  /** Attention turned to it: its time starts now. */
  selected(id) {
    this.since.set(id, this.now());
  }

  /** Seconds since the subject was selected or first shown; the count starts anew. */
  take(id) {
    const started = this.since.get(id) ?? this.now();
    this.since.set(id, this.now());
    return Math.round(Math.min(CAP_SECONDS, (this.now() - started) / 1000) * 10) / 10;
  }

  markSeen(id) {
    this.timers.delete(id);
    this.sent.add(id);
    this.unsent.add(id);
    this.flushing ??= this.later(() => this.flush(), SEND_EVERY);
  }

  async flush() {
    const ids = [...this.unsent];
    this.unsent.clear();
    this.flushing = null;
    if (ids.length === 0) return;
    try {
      await this.send(ids);
    } catch {
      // "Seen" is a weaker record than a decision: it is tried again with the next batch.
      for (const id of ids) this.unsent.add(id);
      this.flushing ??= this.later(() => this.flush(), SEND_EVERY * 5);
    }
  }

  /** Reports rows to `shown` and `hidden` while they are on screen. @returns {(element: Element) => void} */
  watcher() {
    const observer = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (isIntersecting) this.shown(target.dataset.id);
        else this.hidden(target.dataset.id);
        if (!target.isConnected) observer.unobserve(target);
      }
    }, { threshold: 0.6 });
    return (element) => observer.observe(element);
  }
}
