/** The server's JSON calls. Every failure is an ApiError with what happened, what was found and what to do next. */

/** 96 pixels of the middle slice, PNG. */
export const thumbnailUrl = (seriesUid) => `/api/series/${encodeURIComponent(seriesUid)}/thumbnail`;

export class ApiError extends Error {
  /** @param {{what: string, found?: string, next?: string}} problem @param {number} status HTTP status, 0 when unreachable */
  constructor(problem, status) {
    super(problem.what);
    this.what = problem.what;
    this.found = problem.found ?? "";
    this.next = problem.next ?? "";
    this.status = status;
  }

  /** Whether the same request may succeed later. */
  get temporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Header values are bytes: a name outside printable ASCII travels percent-encoded (RFC 3986). */
export function headerName(reader) {
  return /^[\x20-\x24\x26-\x7e]*$/.test(reader) ? reader : encodeURIComponent(reader);
}

function problemOf(status, body) {
  if (body && typeof body.what === "string") return body;
  const first = Array.isArray(body?.detail) ? body.detail[0]?.msg : body?.detail;
  if (status >= 500) {
    return { what: "The program failed on this request", found: `status ${status}`, next: "Look at the window where overread runs, then try again" };
  }
  return { what: "The program refused this request", found: String(first ?? `status ${status}`), next: "Reload the page and try again" };
}

export class Api {
  /**
   * @param {() => string} reader name of the reader at the time of the call
   * @param {typeof fetch} [fetcher]
   */
  constructor(reader, fetcher = (...request) => fetch(...request)) {
    this.reader = reader;
    this.fetcher = fetcher;
    /** Runs whenever the server has answered. */
    this.onAnswer = () => {};
  }

  async call(method, path, body, { reader = this.reader(), signal, keepalive } = {}) {
    const headers = { "X-Overread-Reader": headerName(reader) };
    if (method !== "GET") headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await this.fetcher(path, { method, headers, signal, keepalive, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError({
        what: "Overread does not answer", found: error.message,
        next: "Check that the program is still running; decisions wait here and are sent when it answers",
      }, 0);
    }
    this.onAnswer();
    const answer = await response.json().catch(() => null);
    if (!response.ok) {
      const error = new ApiError(problemOf(response.status, answer), response.status);
      error.answer = answer;
      throw error;
    }
    return answer;
  }

  worklist() { return this.call("GET", "/api/worklist"); }
  study(uid) { return this.call("GET", `/api/studies/${encodeURIComponent(uid)}`); }
  voxelsUrl(seriesUid) { return `/api/series/${encodeURIComponent(seriesUid)}/voxels`; }
  /** `reader`: whose decision it is, which may differ from who reads now. */
  decide(decision, reader) { return this.call("POST", "/api/decisions", decision, { reader }); }
  seen(studyUid, subjects) { return this.call("POST", "/api/seen", { study_uid: studyUid, subjects }); }
  prompt(body, signal) { return this.call("POST", "/api/prompt", body, { signal }); }
  /** One file of a batch, as it lies on the reader's disk. @param {string} batch @param {File} file */
  async send(batch, file) {
    const response = await this.fetcher(`/api/uploads/${batch}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    if (!response.ok) throw new ApiError(problemOf(response.status, await response.json().catch(() => null)), response.status);
  }
  importSent(batch) { return this.call("POST", `/api/uploads/${batch}/import`, {}); }
  measure(seriesUid, box) { return this.call("POST", "/api/measure", { series_uid: seriesUid, box }); }
  startJob(studyUid, seriesUid, expert) {
    return this.call("POST", "/api/jobs", { study_uid: studyUid, series_uid: seriesUid, expert });
  }
  jobs(studyUid) { return this.call("GET", `/api/jobs?study_uid=${encodeURIComponent(studyUid ?? "")}`); }
  cancelJob(id) { return this.call("DELETE", `/api/jobs/${encodeURIComponent(id)}`); }
  importPath(path) { return this.call("POST", "/api/import", { path }); }
}
