"""From the job table to the workers and back: progress, cancel, and what they proposed into the store."""

import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.domain import wire
from backend.domain.errors import UserError
from backend.domain.job import Job, JobKind, JobState
from backend.domain.review import Kind, ModelVersion, Proposal
from backend.domain.study import Series
from backend.engine import Cancelled, OnEvent, Worker
from backend.experts import registry
from ui.library import Library

POLL_SECONDS = 1.0  # jobs may be added by another process (the command line)
DEMO_EXPERTS = ("CT_ANATOMY", "CT_SPOTS", "CXR_LUNGS")


def propose_job(series: Series, expert: str) -> Job:
    """A job for the table; UserError when there is no such expert or it may not read this series."""
    card = registry.expert(expert).card
    if card.interactive:
        raise UserError(f"{card.name} works on clicks", "no click", "Click in the viewer, or use overread segment")
    registry.admit(card, series)
    return Job(JobKind.PROPOSE, series.study_uid, series.series_uid, expert)


class JobRunner:
    """Runs queued jobs in the background, one at a time, and clicks at once in a lane of their own."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._batch, self._clicks = Worker(), Worker()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._running = 0
        self._warm = False
        self._thread = threading.Thread(target=self._loop, daemon=True, name="jobs")

    def start(self) -> None:
        """Begin with what is queued; what an earlier program left half done is marked so."""
        self._library.store.interrupt_jobs()
        self._thread.start()

    def close(self) -> None:
        """Stop; the workers' memory is given back."""
        self._stop.set()
        self._wake.set()
        self._batch.close()
        self._clicks.close()

    def add(self, job: Job) -> Job:
        added = self._library.store.add_job(job)
        self._wake.set()
        return added

    def cancel(self, job_id: int) -> Job:
        job = self._library.store.cancel_job(job_id)
        if self._running == job_id:
            self._batch.cancel()
        return job

    def prompt(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Segment now; see backend.calls.prompt."""
        return self._clicks.run("prompt", arguments)

    def measure(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Measure a box now; see backend.calls.measure."""
        return self._clicks.run("measure", arguments)

    def warm(self) -> None:
        """Load what clicks need, once, so that the first one does not wait for it."""
        if not self._warm:
            self._warm = True
            threading.Thread(target=self._clicks.run, args=("warm", {}), daemon=True).start()

    def _loop(self) -> None:
        while not self._stop.is_set():
            job = self._library.store.claim_job()
            if job is None:
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()
                continue
            self._running = job.id
            run_job(self._library, self._batch, job)
            self._running = 0


def run_job(library: Library, worker: Worker, job: Job, on_event: OnEvent | None = None) -> Job:
    """Do a job that was claimed, and record how it ended, whatever that was."""
    try:
        return attempt(library, worker, job, on_event)
    except UserError:
        return library.store.job(job.id)  # recorded there, for the reader to see
    except Exception as error:
        # The lane outlives a bug in one job: the reader learns of it, the log has the rest.
        traceback.print_exception(error)
        fault = f"A fault in the program ({type(error).__name__}); the server's log says where."
        return library.store.finish_job(job.id, JobState.FAILED, fault)


def attempt(library: Library, worker: Worker, job: Job, on_event: OnEvent | None = None) -> Job:
    """The same, but a UserError also rises, in its three parts. on_event: told of progress."""
    store = library.store

    def told(event: Mapping[str, Any]) -> None:
        if on_event is not None:
            on_event(event)
        if not store.save_progress(job.id, event["fraction"], event["step"]):
            worker.cancel()

    try:
        notes = _WORK[job.kind](library, worker, job, told)
    except Cancelled:
        return store.finish_job(job.id, JobState.CANCELLED)
    except UserError as error:
        store.finish_job(job.id, JobState.FAILED, str(error))
        raise
    return store.finish_job(job.id, JobState.DONE, notes=notes)


def _propose(library: Library, worker: Worker, job: Job, told: OnEvent) -> list[str]:
    """Run an expert; its drafts are stored together at the end, so that a killed job leaves no half answer."""
    series = library.store.series(job.series_uid)
    drafted: list[tuple[Kind, Any]] = []

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "progress":
            told(event)
        else:
            kind = Kind(event["kind"])
            drafted.append((kind, wire.value_from_json(kind, event["value"])))

    result = worker.run("propose", library.worker_arguments(series) | {"expert": job.expert}, on_event)
    model = wire.model_from_json(result["model"])
    proposals = [
        Proposal(_subject_id(series.series_uid, model, kind, n), kind, series.study_uid, value, model)
        for n, (kind, value) in enumerate(drafted)
    ]
    library.store.add_proposals(proposals)
    notes: list[str] = list(result["notes"])
    return notes if drafted else [*notes, f"{job.expert} found nothing to propose"]


def _subject_id(series_uid: str, model: ModelVersion, kind: Kind, number: int) -> str:
    """The same model version on the same series speaks of the same subjects: running it twice adds no second list."""
    return f"{kind}:{model.name}:{model.fingerprint[:12]}:{series_uid}:{number}"


def _import(library: Library, worker: Worker, job: Job, told: OnEvent) -> list[str]:
    return read_in(library, worker, [Path(job.argument)], told)


def read_in(library: Library, worker: Worker, paths: list[Path], told: OnEvent) -> list[str]:
    """Import files; one note for each that was refused."""
    notes: list[str] = []

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "progress":
            told(event)
            return
        refused = library.take(event)
        if refused is not None:
            notes.append(f"{Path(refused.path).name}: {UserError(refused.what, refused.found, refused.next)}")

    worker.run("import", library.import_arguments(paths), on_event)
    return notes


def _demo(library: Library, worker: Worker, job: Job, told: OnEvent) -> list[str]:
    """Make and import the demo cases, and queue the experts that fit those of them with known truth."""
    written = worker.run("demo", {"folder": str(library.demo)}, told)
    notes = read_in(library, worker, [Path(path) for path in written["paths"]], told)
    for series in library.store.all_series():
        if all(Path(source.path).is_relative_to(library.demo) for source in series.sources):
            for name in DEMO_EXPERTS:
                if not registry.refusal(registry.expert(name).card, series):
                    library.store.add_job(propose_job(series, name))
    return notes


_WORK = {JobKind.PROPOSE: _propose, JobKind.IMPORT: _import, JobKind.DEMO: _demo}
