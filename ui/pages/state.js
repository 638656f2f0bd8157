/** The one store of the page: plain values by name, and who wants to know when they change. */

/**
 * @typedef {Object} State
 * @property {string} reader
 * @property {Object[]} studies worklist rows as the server sent them
 * @property {Object|null} study
 * @property {Object[]} series of the open study
 * @property {Object|null} openSeries
 * @property {Object[]} served subjects as the server last sent them
 * @property {Object[]} subjects the same with every decision that is still on its way applied
 * @property {Object[]} experts
 * @property {Object[]} jobs
 * @property {string|null} selected subject id
 * @property {string[]} lit subject ids lit by hovering
 * @property {Object|null} preview what click segmentation has made so far
 * @property {Object|null} drawn a box that waits for its name
 * @property {{state: string, text: string}} saved
 * @property {Object|null} probe
 */

/** @returns {State} */
export function emptyState(reader) {
  return {
    reader, studies: null, study: null, series: [], openSeries: null, served: [], subjects: [], experts: [], jobs: [],
    selected: null, lit: [], preview: null, drawn: null, saved: { state: "saved", text: "saved" }, probe: null,
  };
}

export class Store {
  /** @param {State} initial */
  constructor(initial) {
    this.state = initial;
    this.listeners = [];
  }

  /** Changes some values and tells whoever listens to one of them, once. @param {Partial<State>} patch */
  set(patch) {
    const changed = Object.keys(patch).filter((key) => !Object.is(this.state[key], patch[key]));
    if (changed.length === 0) return;
    this.state = { ...this.state, ...patch };
    for (const { keys, listener } of [...this.listeners]) {
      if (keys.some((key) => changed.includes(key))) listener(this.state);
    }
  }

  /**
   * @param {string[]} keys
   * @param {(state: State) => void} listener
   * @returns {() => void} stops listening
   */
  subscribe(keys, listener) {
    const entry = { keys, listener };
    this.listeners.push(entry);
    return () => { this.listeners = this.listeners.filter((other) => other !== entry); };
  }

  /** @param {string|null} id @returns {Object|null} */
  subject(id) {
    return this.state.subjects.find((subject) => subject.id === id) ?? null;
  }
}
