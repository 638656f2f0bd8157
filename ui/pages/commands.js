/** One stack of undoable steps for everything a reader does; each case has its own, so that undo never acts unseen. */

const LIMIT = 500;

/**
 * @typedef {Object} Command
 * @property {string} label what was done, in words, for the button's tooltip
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {string} [tag] steps with a tag can be forgotten together
 */

export class Commands {
  constructor(limit = LIMIT) {
    this.limit = limit;
    /** @type {Map<string, {done: Command[], undone: Command[]}>} */
    this.stacks = new Map();
    this.open("");
    this.onChange = () => {};
  }

  get done() { return this.stack.done; }
  get undone() { return this.stack.undone; }

  /** Turns to the steps of a case. @param {string} name */
  open(name) {
    if (!this.stacks.has(name)) this.stacks.set(name, { done: [], undone: [] });
    this.stack = this.stacks.get(name);
    this.onChange?.();
  }

  /** Records a step that has already been taken. @param {Command} command */
  push(command) {
    this.done.push(command);
    if (this.done.length > this.limit) this.done.shift();
    this.stack.undone = [];
    this.onChange();
  }

  /** @returns {Command|null} the step that was undone */
  undo() {
    return this.move(this.done, this.undone, "undo");
  }

  /** @returns {Command|null} the step that was taken again */
  redo() {
    return this.move(this.undone, this.done, "redo");
  }

  move(from, to, act) {
    const command = from.pop() ?? null;
    if (command) {
      to.push(command);
      command[act]();
    }
    this.onChange();
    return command;
  }

  /** Drops the steps of something that no longer exists (the clicks of a preview that was kept). */
  forget(tag) {
    this.stack.done = this.done.filter((command) => command.tag !== tag);
    this.stack.undone = this.undone.filter((command) => command.tag !== tag);
    this.onChange();
  }

  /** Another reader: nothing of the former one's can be undone. */
  clear() {
    for (const stack of this.stacks.values()) Object.assign(stack, { done: [], undone: [] });
    this.onChange();
  }
}
