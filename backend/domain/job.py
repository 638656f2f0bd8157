"""Work that takes longer than a request."""

from dataclasses import dataclass
from enum import StrEnum


class JobKind(StrEnum):
    PROPOSE = "propose"  # run an expert on a series
    IMPORT = "import"  # read files into the library
    DEMO = "demo"  # make and read the demo cases


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Job:
    """One row of the job table.

    study_uid, series_uid, expert: what to run on what; "" where the kind needs none. argument: for an import, its path.
    progress: 0-1. step: a word for what is being done. error: one sentence for people, "" unless it failed.
    notes: what a finished job leaves to say: files refused, parts an expert left out.
    cancel: a reader asked for it to stop while it ran. id and created (UTC, ISO 8601) are given by the store.
    """

    kind: JobKind
    study_uid: str = ""
    series_uid: str = ""
    expert: str = ""
    argument: str = ""
    state: JobState = JobState.QUEUED
    progress: float = 0.0
    step: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()
    cancel: bool = False
    id: int = 0
    created: str = ""
