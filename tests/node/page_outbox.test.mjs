import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../ui/pages/api.js";
import { keeperOf, orphans, windowName } from "../../ui/pages/keeper.js";
import { Outbox } from "../../ui/pages/outbox.js";

/** A chain per (subject, reader) as db/ keeps it: stale views are refused, known tokens are answered again. */
class Server {
  constructor() {
    this.seq = 0;
    this.last = new Map();
    this.tokens = new Set();
    this.received = [];
    this.failures = [];
  }

  async post(decision, reader) {
    this.received.push(`${decision.act} ${decision.subject}`);
    const failure = this.failures.shift();
    if (failure === "before") throw new ApiError({ what: "away" }, 0);
    const key = `${reader} ${decision.subject}`;
    if (!this.tokens.has(decision.token)) {
      if (decision.after_seq !== (this.last.get(key) ?? 0)) throw new ApiError({ what: "stale", found: "B", next: "choose" }, 409);
      if (decision.act === "BAD") throw new ApiError({ what: "cannot be read" }, 400);
      this.seq += 1;
      this.last.set(key, this.seq);
      this.tokens.add(decision.token);
    }
    if (failure === "after") throw new ApiError({ what: "answer lost" }, 0);
    return { subjects: [{ id: decision.subject, after_seq: this.last.get(key) }] };
  }
}

class Memory {
  constructor() { this.items = new Map(); }
  get length() { return this.items.size; }
  key(n) { return [...this.items.keys()][n] ?? null; }
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, value) { this.items.set(key, String(value)); }
  removeItem(key) { this.items.delete(key); }
}

function timers() {
  const waiting = new Map();
  let next = 0;
  return {
    later: (run, milliseconds) => { waiting.set(++next, { run, milliseconds }); return next; },
    never: (id) => waiting.delete(id),
    waits: () => [...waiting.values()].map((timer) => timer.milliseconds),
    fire: () => { const all = [...waiting.values()]; waiting.clear(); all.forEach((timer) => timer.run()); },
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
const decision = (subject, act, afterSeq = 0) => ({ subject, act, kind: "finding", study_uid: "s", value: null, after_seq: afterSeq });

function make(server, storage = new Memory(), clock = timers()) {
  const outbox = new Outbox({ post: (...sent) => server.post(...sent), keeper: keeperOf(storage, "w"), later: clock.later, never: clock.never });
  return { outbox, storage, clock };
}

test("decisions go in order, one at a time, and later ones on a subject follow the acknowledged seq", async () => {
  const server = new Server();
  const { outbox, storage } = make(server);
  outbox.add(decision("f1", "ACCEPT"), "r");
  outbox.add(decision("f1", "REJECT"), "r");
  outbox.add(decision("f2", "ACCEPT"), "r");
  outbox.add(decision("f1", "RETRACT"), "r");
  assert.equal(outbox.status.state, "saving");
  await settle();
  assert.deepEqual(server.received, ["ACCEPT f1", "REJECT f1", "ACCEPT f2", "RETRACT f1"]);
  assert.deepEqual(outbox.status, { state: "saved", waiting: 0, refused: 0 });
  assert.equal(storage.length, 0);
});

test("offline: nothing is lost or reordered over a reload, and revisions go on counting", async () => {
  const server = new Server();
  server.failures = ["before"];
  const { outbox, storage, clock } = make(server);
  outbox.add(decision("f1", "ACCEPT"), "r");
  outbox.add(decision("f1", "REJECT"), "r");
  await settle();
  assert.deepEqual(outbox.status, { state: "offline", waiting: 2, refused: 0 });
  assert.equal(server.received.length, 1);

  const again = make(server, storage, clock);
  assert.deepEqual(again.outbox.entries.map((entry) => entry.revision), [1, 2]);
  again.outbox.wake();
  await settle();
  assert.deepEqual(server.received.slice(1), ["ACCEPT f1", "REJECT f1"]);
  assert.equal(again.outbox.status.state, "saved");
});

test("an answer lost on the way does not record the decision twice", async () => {
  const server = new Server();
  server.failures = ["after"];
  const { outbox, clock } = make(server);
  outbox.add(decision("f1", "ACCEPT"), "r");
  outbox.add(decision("f1", "REJECT"), "r");
  await settle();
  clock.fire();
  await settle();
  assert.equal(server.seq, 2);
  assert.equal(outbox.status.state, "saved");
});

test("waits grow while the server is away and start anew once it has answered", async () => {
  const server = new Server();
  server.failures = ["before", "before", "before"];
  const { outbox, clock } = make(server);
  outbox.add(decision("f1", "ACCEPT"), "r");
  const seen = [];
  for (let n = 0; n < 3; n += 1) {
    await settle();
    seen.push(...clock.waits());
    clock.fire();
  }
  await settle();
  assert.deepEqual(seen, [500, 1000, 2000]);
  assert.equal(outbox.status.state, "saved");
  assert.equal(outbox.failures, 0);
});

test("a stale decision is kept with what was built on it while other subjects go on", async () => {
  const server = new Server();
  server.last.set("r f1", 7);
  server.seq = 7;
  const { outbox, storage } = make(server);
  const refused = [];
  outbox.onRefused = (entry, error) => refused.push([entry.decision.act, error.status]);
  outbox.add(decision("f1", "ACCEPT"), "r");
  outbox.add(decision("f1", "REJECT"), "r");
  outbox.add(decision("f2", "ACCEPT"), "r");
  await settle();
  assert.deepEqual(refused, [["ACCEPT", 409]]);
  assert.deepEqual(outbox.entries.map((entry) => entry.decision.act), ["ACCEPT", "REJECT"]);
  assert.deepEqual(outbox.status, { state: "offline", waiting: 1, refused: 1 });
  assert.ok(server.last.has("r f2"));
  assert.ok(make(server, storage).outbox.entries[0].problem, "the refusal survives a reload");

  outbox.insist(outbox.entries[0], 7);
  await settle();
  assert.equal(outbox.status.state, "saved");
  assert.equal(server.received.at(-1), "REJECT f1");
});

test("giving way drops the refused decision and those that follow on the same subject only", async () => {
  const server = new Server();
  server.last.set("r f1", 7);
  const { outbox } = make(server);
  outbox.add(decision("f1", "ACCEPT"), "r");
  await settle();
  outbox.add(decision("f1", "UNSURE"), "r");
  outbox.drop(outbox.entries[0]);
  await settle();
  assert.deepEqual(outbox.entries, []);
  assert.equal(server.last.get("r f1"), 7);
});

test("each decision goes under the reader who made it", async () => {
  const readers = [];
  const server = { post: async (sent, reader) => { readers.push(reader); return { subjects: [] }; } };
  const { outbox } = make(server);
  outbox.add(decision("f1", "ACCEPT"), "first");
  outbox.add(decision("f1", "REJECT"), "second");
  await settle();
  assert.deepEqual(readers, ["first", "second"]);
});

/** Web Locks as far as keeper.js uses them; `held` names the locks of living windows. */
function locksOf(held) {
  return {
    request: (name, _options, run) => { const free = !held.has(name); if (free) held.add(name); run(free ? {} : null); },
    query: async () => ({ held: [...held].map((name) => ({ name })) }),
  };
}

test("a window adopts the queue of a window that is gone, never that of a living one", async () => {
  const storage = new Memory();
  keeperOf(storage, "gone").save({ revision: 1, entries: [{ revision: 1, reader: "r", decision: decision("f1", "ACCEPT"), problem: null }] });
  keeperOf(storage, "alive").save({ revision: 1, entries: [{ revision: 1, reader: "r", decision: decision("f2", "ACCEPT"), problem: null }] });
  const found = await orphans(storage, locksOf(new Set(["overread.outbox.alive"])), "own");
  assert.deepEqual(found.entries.map((entry) => entry.decision.subject), ["f1"]);
  found.take();
  assert.deepEqual([...storage.items.keys()], ["overread.outbox.alive"]);
});

test("a reloaded window keeps its name, a duplicated one gets another", async () => {
  const held = new Set();
  const session = new Memory();
  const first = await windowName(session, locksOf(held), () => "one");
  assert.equal(await windowName(session, locksOf(held), () => "two"), "two");
  assert.equal(first, "one");
  const reloaded = new Memory();
  reloaded.setItem("overread.window", "one");
  assert.equal(await windowName(reloaded, locksOf(new Set()), () => "three"), "one");
});

test("a queue that cannot be read is set aside, not overwritten", () => {
  const storage = new Memory();
  storage.setItem("overread.outbox.w", "{broken");
  const { outbox } = make(new Server(), storage);
  assert.deepEqual(outbox.entries, []);
  assert.equal(storage.getItem("overread.outbox.w.unreadable"), "{broken");
});
