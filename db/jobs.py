"""The job table, on a connection whose transaction the store opened. States only move forward."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from backend.domain.errors import UserError
from backend.domain.job import Job, JobKind, JobState
from db import tables as t
from db.clock import now

INTERRUPTED = "The program stopped while this ran; run it again."

_column = t.job.c
_RUNNING = _column.state == JobState.RUNNING


def add_job(connection: Connection, job: Job) -> Job:
    """Queue it; id, state and created are given here."""
    job = replace(job, state=JobState.QUEUED, progress=0.0, step="", error="", notes=(), cancel=False, created=now())
    row = {name: getattr(job, name) for name in _column.keys() if name != "id"}  # noqa: SIM118 - a column collection
    row |= {"cancel": 0, "notes": "[]"}
    number = connection.execute(insert(t.job).values(row)).inserted_primary_key[0]  # type: ignore[index]
    return replace(job, id=number)


def claim_job(connection: Connection, job_id: int | None) -> Job | None:
    """The oldest queued job (or the one of this id), now running; None when it does not wait any more."""
    waiting = select(_column.id).where(_column.state == JobState.QUEUED).order_by(_column.id).limit(1)
    if job_id is not None:
        waiting = waiting.where(_column.id == job_id)
    row = connection.execute(
        update(t.job).where(_column.id == waiting.scalar_subquery()).values(state=JobState.RUNNING).returning(t.job)
    ).one_or_none()
    return None if row is None else _job(row)


def load_job(connection: Connection, job_id: int) -> Job:
    row = connection.execute(select(t.job).where(_column.id == job_id)).one_or_none()
    if row is None:
        raise UserError("There is no such job", str(job_id), "Reload the page to see the jobs of this library")
    return _job(row)


def load_jobs(connection: Connection, study_uid: str | None) -> list[Job]:
    """Oldest first; of one study or of all."""
    query = select(t.job).order_by(_column.id)
    if study_uid is not None:
        query = query.where(_column.study_uid == study_uid)
    return [_job(row) for row in connection.execute(query)]


def save_progress(connection: Connection, job_id: int, progress: float, step: str) -> bool:
    """Record how far a running job is. False when it should stop: cancelled, or no longer running."""
    bounded = min(1.0, max(0.0, progress))
    row = connection.execute(
        update(t.job)
        .where(_column.id == job_id, _RUNNING)
        .values(progress=bounded, step=step)
        .returning(_column.cancel)
    ).one_or_none()
    return row is not None and not row.cancel


def finish_job(connection: Connection, job_id: int, state: JobState, error: str, notes: Sequence[str]) -> Job:
    """Move a queued or running job to a final state; a job that has one keeps it."""
    if not state.is_final:
        raise ValueError(f"{state} is not a final state")
    values: dict[str, Any] = {"state": state, "error": error, "notes": json.dumps(list(notes))}
    if state is JobState.DONE:
        values["progress"] = 1.0
    live = _column.state.in_([JobState.QUEUED, JobState.RUNNING])
    connection.execute(update(t.job).where(_column.id == job_id, live).values(values))
    return load_job(connection, job_id)


def cancel_job(connection: Connection, job_id: int) -> Job:
    """A queued job is cancelled at once; a running one is asked to stop; a finished one stays as it is."""
    mine = _column.id == job_id
    queued = _column.state == JobState.QUEUED
    connection.execute(update(t.job).where(mine, queued).values(state=JobState.CANCELLED, cancel=1))
    connection.execute(update(t.job).where(mine, _RUNNING).values(cancel=1))
    return load_job(connection, job_id)


def interrupt_jobs(connection: Connection) -> int:
    """Fail what a stopped program left running; queued again, a job that brought it down would do so once more."""
    values = {"state": JobState.FAILED, "error": INTERRUPTED}
    return connection.execute(update(t.job).where(_RUNNING).values(values)).rowcount


def _job(row: Row[Any]) -> Job:
    return Job(
        **{
            **row._mapping,
            "kind": JobKind(row.kind),
            "state": JobState(row.state),
            "notes": tuple(json.loads(row.notes)),
            "cancel": bool(row.cancel),
        }
    )
