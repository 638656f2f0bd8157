"""The only door to the database: one method a use case, each one transaction."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import select

from backend.domain.correction import Correction
from backend.domain.job import Job, JobState
from backend.domain.review import Decision, Proposal, Subject
from backend.domain.study import Series, Study
from db import history, jobs, reviews, studies
from db import tables as t
from db.backup import backup
from db.connect import reader_engine, writer_engine
from db.reviews import Compose, Decided, StaleDecision
from db.studies import StudySummary
from db.upgrade import prepare

__all__ = ["FILE_NAME", "Compose", "Decided", "StaleDecision", "Store", "StudySummary"]

FILE_NAME = "overread.sqlite3"


class Store:
    """One library's database. Safe to share between threads; other processes may open the same file.

    path: the library's folder, which is made when missing; or the database file, when the name ends in ".sqlite3".
    UserError when a newer program wrote the file, or it is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self.file = path if path.suffix == ".sqlite3" else path / FILE_NAME
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._writer, self._reader = writer_engine(self.file), reader_engine(self.file)
        self._readers: set[str] = set()
        prepare(self._writer)

    def close(self) -> None:
        """Give back the connections."""
        self._writer.dispose()
        self._reader.dispose()

    # Studies and series

    def add_study(self, study: Study) -> bool:
        """Whether it was new; a known one stays as it is."""
        with self._writer.begin() as connection:
            return studies.add_study(connection, study)

    def add_series(self, series: Series) -> bool:
        """Whether it was new. UserError when its study is unknown, or its UID stands for other pixels here."""
        with self._writer.begin() as connection:
            return studies.add_series(connection, series)

    def studies(self, reader: str) -> list[StudySummary]:
        """The reader's worklist, in order of import."""
        self.ensure_reader(reader)
        with self._reader.begin() as connection:
            return studies.summaries(connection, reader)

    def study(self, study_uid: str) -> Study:
        """UserError when unknown."""
        with self._reader.begin() as connection:
            return studies.load_study(connection, study_uid)

    def series_of(self, study_uid: str) -> list[Series]:
        """In order of import. UserError when the study is unknown."""
        with self._reader.begin() as connection:
            return studies.load_series_of(connection, study_uid)

    def all_series(self) -> list[Series]:
        """Every series of every study, in order of import."""
        with self._reader.begin() as connection:
            return studies.load_all_series(connection)

    def series(self, series_uid: str) -> Series:
        """UserError when unknown."""
        with self._reader.begin() as connection:
            return studies.load_one_series(connection, series_uid)

    def opened(self, study_uid: str, reader: str) -> None:
        """Record that the reader opened the study now."""
        self.ensure_reader(reader)
        with self._writer.begin() as connection:
            studies.mark_opened(connection, study_uid, reader)

    # Readers and settings

    def ensure_reader(self, name: str) -> None:
        """Make the reader when unknown. UserError unless the name has 1 to 60 printable characters."""
        if name in self._readers:
            return
        with self._writer.begin() as connection:
            studies.add_reader(connection, name)
        self._readers.add(name)

    def readers(self) -> list[str]:
        """By name."""
        with self._reader.begin() as connection:
            return list(connection.execute(select(t.reader.c.name).order_by(t.reader.c.name)).scalars())

    def setting(self, key: str) -> str | None:
        with self._reader.begin() as connection:
            return studies.load_setting(connection, key)

    def save_setting(self, key: str, value: str) -> None:
        with self._writer.begin() as connection:
            studies.save_setting(connection, key, value)

    # Proposals and decisions

    def add_proposals(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Record all or none, in order, and return them with seq and created.

        A newer proposal for the same subject and audience supersedes the older, which stays on record; what a model
        version says again word for word is not recorded twice, and comes back with its first seq. UserError when
        a subject is known as something else, or a finding's series is not in its study.
        """
        with self._writer.begin() as connection:
            return reviews.add_proposals(connection, proposals)

    def decide(self, decision: Decision, compose: Compose | None = None) -> Decided:
        """Record a decision, and the sentences that `compose` makes of the state after it, in one transaction.

        A decision sent again (same reader and token) returns the earlier result and adds nothing. ACCEPT, REJECT and
        UNSURE without a value take the one that stands. On return it is on disk. StaleDecision when `after_seq` is
        not the reader's last on the subject; UserError when the subject or the act does not fit.
        """
        self.ensure_reader(decision.reader)
        with self._writer.begin() as connection:
            return reviews.decide(connection, decision, compose)

    def subjects(self, study_uid: str, reader: str) -> list[Subject]:
        """Findings, sentences and spots as they stand for the reader, in the order in which they first appeared."""
        self.ensure_reader(reader)
        with self._reader.begin() as connection:
            return history.load_subjects(connection, study_uid, reader)

    def subject(self, subject: str, reader: str) -> Subject | None:
        """One of them; None when the reader has none of this id."""
        self.ensure_reader(reader)
        with self._reader.begin() as connection:
            return history.load_subject(connection, subject, reader)

    def decisions(self, study_uid: str | None = None, reader: str | None = None) -> list[Decision]:
        """Every decision ever made, oldest first."""
        with self._reader.begin() as connection:
            return history.load_decisions(connection, study_uid, reader)

    def mark_seen(self, study_uid: str, reader: str, subjects: Sequence[str]) -> int:
        """Record what was on the reader's screen; returns how many were new. Seen is not decided."""
        self.ensure_reader(reader)
        with self._writer.begin() as connection:
            return studies.mark_seen(connection, study_uid, reader, subjects)

    def corrections(self) -> Iterator[Correction]:
        """Every reader's last word on every subject, as long as it stands, beside what had been proposed."""
        with self._reader.begin() as connection:
            yield from history.load_corrections(connection)

    # Jobs

    def add_job(self, job: Job) -> Job:
        """Queue it and return it with its id."""
        with self._writer.begin() as connection:
            return jobs.add_job(connection, job)

    def claim_job(self, job_id: int | None = None) -> Job | None:
        """Take the oldest queued job, or the one of this id, and mark it running; None when it does not wait.

        No two callers get the same.
        """
        with self._writer.begin() as connection:
            return jobs.claim_job(connection, job_id)

    def job(self, job_id: int) -> Job:
        """UserError when unknown."""
        with self._reader.begin() as connection:
            return jobs.load_job(connection, job_id)

    def jobs(self, study_uid: str | None = None) -> list[Job]:
        """Oldest first."""
        with self._reader.begin() as connection:
            return jobs.load_jobs(connection, study_uid)

    def save_progress(self, job_id: int, progress: float, step: str) -> bool:
        """Record progress (0-1) of a running job. False when it should stop: cancelled, or not running any more."""
        with self._writer.begin() as connection:
            return jobs.save_progress(connection, job_id, progress, step)

    def finish_job(self, job_id: int, state: JobState, error: str = "", notes: Sequence[str] = ()) -> Job:
        """Give it a final state; a job that has one keeps it."""
        with self._writer.begin() as connection:
            return jobs.finish_job(connection, job_id, state, error, notes)

    def cancel_job(self, job_id: int) -> Job:
        """Cancel a queued job; ask a running one to stop. UserError when unknown."""
        with self._writer.begin() as connection:
            return jobs.cancel_job(connection, job_id)

    def interrupt_jobs(self) -> int:
        """Fail what a stopped program left running, and return how many; call once where jobs are run, at its start."""
        with self._writer.begin() as connection:
            return jobs.interrupt_jobs(connection)

    # Copies

    def backup(self, target: Path) -> None:
        """Write a checked copy of the database to one file, while it is in use."""
        backup(self.file, target)
