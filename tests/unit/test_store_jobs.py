"""The job table: who gets a job, how it ends, and what a restart does to it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.domain.errors import UserError
from backend.domain.job import Job, JobKind, JobState
from db.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def propose(study: str = "1.2.3") -> Job:
    return Job(JobKind.PROPOSE, study_uid=study, series_uid="1.2.3.1", expert="CT_ANATOMY")


def test_a_job_comes_back_as_it_was_queued(store: Store) -> None:
    made = store.add_job(propose())
    assert (made.id > 0, made.state, made.created != "") == (True, JobState.QUEUED, True)
    imported = store.add_job(Job(JobKind.IMPORT, argument="/scans"))
    assert store.job(made.id) == made
    assert store.jobs() == [made, imported]
    assert store.jobs("1.2.3") == [made]
    assert store.jobs("9") == []


def test_an_unknown_job_is_a_user_error(store: Store) -> None:
    for call in (store.job, store.cancel_job):
        with pytest.raises(UserError, match="no such job"):
            call(7)


def test_jobs_are_taken_in_order_and_once(store: Store) -> None:
    queued = [store.add_job(propose()).id for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        taken = [job for job in pool.map(lambda _: store.claim_job(), range(14)) if job is not None]
    assert sorted(job.id for job in taken) == queued
    assert {job.state for job in taken} == {JobState.RUNNING}
    assert store.claim_job() is None


def test_one_job_can_be_claimed_by_its_number(store: Store) -> None:
    first, second = store.add_job(propose()), store.add_job(propose())
    claimed = store.claim_job(second.id)
    assert claimed is not None
    assert claimed.id == second.id
    assert store.claim_job(second.id) is None
    assert store.job(first.id).state is JobState.QUEUED


def test_progress_is_kept_in_bounds_and_only_while_it_runs(store: Store) -> None:
    job = store.add_job(propose())
    assert not store.save_progress(job.id, 0.5, "early")
    store.claim_job()
    assert store.save_progress(job.id, 1.7, "lungs")
    assert (store.job(job.id).progress, store.job(job.id).step) == (1.0, "lungs")
    done = store.finish_job(job.id, JobState.DONE, notes=["one file refused"])
    assert (done.state, done.notes) == (JobState.DONE, ("one file refused",))
    assert not store.save_progress(job.id, 0.1, "late")
    assert store.job(job.id) == done


def test_a_final_state_stays(store: Store) -> None:
    job = store.add_job(propose())
    store.claim_job()
    failed = store.finish_job(job.id, JobState.FAILED, "Out of memory.")
    assert store.finish_job(job.id, JobState.DONE) == failed
    assert store.cancel_job(job.id) == failed
    with pytest.raises(ValueError, match="final"):
        store.finish_job(job.id, JobState.QUEUED)


def test_cancelling_stops_a_queued_job_and_asks_a_running_one(store: Store) -> None:
    running, queued = store.add_job(propose()), store.add_job(propose())
    store.claim_job()
    assert store.cancel_job(queued.id).state is JobState.CANCELLED
    asked = store.cancel_job(running.id)
    assert (asked.state, asked.cancel) == (JobState.RUNNING, True)
    assert not store.save_progress(running.id, 0.5, "lungs")
    assert store.finish_job(running.id, JobState.CANCELLED).state is JobState.CANCELLED
    assert store.claim_job() is None


def test_a_restart_fails_what_ran_and_keeps_what_waited(store: Store) -> None:
    running, waiting = store.add_job(propose()), store.add_job(propose())
    store.claim_job()
    store.close()
    again = Store(store.file)
    assert again.interrupt_jobs() == 1
    assert again.job(running.id).state is JobState.FAILED
    assert "run it again" in again.job(running.id).error
    claimed = again.claim_job()
    assert claimed is not None
    assert claimed.id == waiting.id
