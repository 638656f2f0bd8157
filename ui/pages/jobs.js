/** Jobs: asks the server how they stand, shows them in the status bar, and runs experts from the Propose menu. */

import { find, h, place } from "./dom.js";
import { accuracy } from "./format.js";

const BUSY_EVERY = 700;
const IDLE_EVERY = 4000;
export const isActive = (job) => job.state === "queued" || job.state === "running";

/**
 * Polls while the page is visible: often while something runs, seldom otherwise (the command line may add jobs too).
 * @param {Object} parts
 * @param {() => Promise<{jobs: Object[]}>} parts.fetchJobs
 * @param {(finished: Object[]) => void} parts.onFinished jobs that were active at the last look and are not any more
 * @returns {{now: () => void}} look at once
 */
export function pollJobs(store, { fetchJobs, onFinished, later = setTimeout.bind(globalThis), never = clearTimeout.bind(globalThis) }) {
  let timer = null;
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    never(timer);
    try {
      const { jobs } = await fetchJobs();
      const finished = finishedJobs(store.state.jobs, jobs);
      if (JSON.stringify(jobs) !== JSON.stringify(store.state.jobs)) store.set({ jobs });
      if (finished.length > 0) onFinished(finished);
    } catch {
      // The outbox says when the server is away; a missed look at the jobs costs nothing.
    }
    looking = false;
    timer = later(look, store.state.jobs.some(isActive) ? BUSY_EVERY : IDLE_EVERY);
  };
  look();
  return { now: look };
}

/** @param {Object[]} before @param {Object[]} now */
export function finishedJobs(before, now) {
  const wasActive = new Set(before.filter(isActive).map((job) => job.id));
  return now.filter((job) => !isActive(job) && wasActive.has(job.id));
}

/** Running jobs with their cancel buttons, in the status bar. */
export function startJobBar(store, actions) {
  const bar = find("#or-jobs");
  store.subscribe(["jobs", "experts"], (state) => {
    const active = state.jobs.filter(isActive);
    const shown = [...active].sort((a, b) => (b.state === "running") - (a.state === "running")).slice(0, 2);
    const chips = shown.map((job) => h("span", { class: "job", data: { testid: "job", id: job.id, state: job.state } },
      h("span", { text: jobLine(job, state.experts) }),
      h("button", { type: "button", class: "link", "aria-label": `Cancel ${jobName(job, state.experts)}`, text: "cancel", on: { click: () => actions.cancelJob(job.id) } })));
    if (active.length > shown.length) chips.push(h("span", { class: "muted", text: `+${active.length - shown.length} more` }));
    bar.replaceChildren(...chips);
  });
}

const jobName = (job, experts) => {
  if (job.kind === "import") return "Import";
  if (job.kind === "demo") return "Demo cases";
  return experts.find((expert) => expert.name === job.expert)?.title ?? job.expert;
};
const jobLine = (job, experts) => {
  const doing = job.state === "queued" ? "waiting" : `${Math.round(job.progress * 100)} %${job.step ? ` \u00b7 ${job.step}` : ""}`;
  return `${jobName(job, experts)} ${doing}`;
};

/**
 * The Propose menu: every expert with what it is measured to do; a refused one says why.
 * @param {{propose: (name: string) => void, cancelJob: (id: any) => void}} actions
 * @returns {{toggle: () => void, close: () => boolean}}
 */
export function startPropose(store, actions) {
  const button = find("#or-propose");
  const menu = find("#or-propose-menu");
  const draw = () => {
    const { experts, openSeries } = store.state;
    const offered = experts.filter((expert) => (expert.series_uid ?? openSeries?.series_uid) === openSeries?.series_uid)
      .sort((a, b) => b.allowed - a.allowed);
    const focused = menu.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    menu.replaceChildren(
      h("div", { class: "popover-title", text: "Propose: run a model on this series" }),
      ...(offered.length > 0 ? offered.map((expert) => expertRow(expert, store.state, actions)) : [h("p", { class: "muted", text: "Open a case first" })]));
    if (focused) [...menu.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === focused)?.focus();
    place(menu, button);
  };
  const close = () => {
    if (menu.hidden) return false;
    menu.hidden = true;
    button.setAttribute("aria-expanded", "false");
    return true;
  };
  const toggle = () => {
    if (close()) return;
    menu.hidden = false;
    button.setAttribute("aria-expanded", "true");
    draw();
    menu.querySelector("button:not(:disabled)")?.focus();
  };
  button.addEventListener("click", toggle);
  window.addEventListener("pointerdown", (event) => { if (!menu.contains(event.target) && !button.contains(event.target)) close(); });
  store.subscribe(["jobs", "experts", "openSeries"], () => { if (!menu.hidden) draw(); });
  return { toggle, close };
}

function expertRow(expert, state, actions) {
  const mine = (job) => job.expert === expert.name && job.series_uid === state.openSeries?.series_uid;
  const job = state.jobs.find((other) => mine(other) && isActive(other));
  const last = state.jobs.filter(mine).at(-1);
  return h("div", { class: "expert", data: { testid: "expert", id: expert.name, state: expert.allowed ? job?.state ?? "allowed" : "refused" } },
    h("div", { class: "row between" }, h("strong", { text: expert.title }), expertButton(expert, job, actions)),
    h("div", { class: "small", text: expert.task }),
    expert.allowed ? null : h("div", { class: "caution small", text: `Not for this series: ${expert.reason}` }),
    job ? progressBar(job) : null,
    !job && last?.state === "failed" ? h("div", { class: "problem small", text: `Last run failed: ${last.error}` }) : null,
    !job && last?.state === "done" ? h("div", { class: "small done", text: ["\u2713 Has run", ...(last.notes ?? [])].join(" \u00b7 ") }) : null,
    ...(expert.allowed ? cardLines(expert) : []));
}

/** What an expert's card says that matters before it runs. */
function cardLines(expert) {
  return [
    ...(expert.accuracy ?? []).slice(0, 3).map((figure) => h("div", { class: "muted small", text: accuracy(figure) })),
    expert.limits?.length ? h("div", { class: "muted small", text: `Limits: ${expert.limits.join("; ")}` }) : null,
    h("div", { class: "muted small", text: `${expert.memory_mb} MB \u00b7 ${expert.licence}` }),
  ];
}

function expertButton(expert, job, actions) {
  if (job) {
    return h("button", { type: "button", class: "button", "aria-label": `Cancel ${expert.title}`, text: "Cancel", on: { click: () => actions.cancelJob(job.id) } });
  }
  return h("button", { type: "button", class: "button primary", disabled: !expert.allowed, "aria-label": `Run ${expert.title}`, text: "Run",
    on: { click: () => actions.propose(expert.name) } });
}

function progressBar(job) {
  const fill = h("span", { class: "bar-fill" });
  fill.style.width = `${Math.round(job.progress * 100)}%`;
  const words = job.state === "queued" ? "waiting for its turn" : `${job.step || "running"} ${Math.round(job.progress * 100)} %`;
  return h("div", { class: "small", role: "status" }, h("span", { class: "bar" }, fill), h("span", { text: words }));
}
