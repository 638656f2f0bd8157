"""The tables. CHECKs stand at table level, where tools that compare schemas see them. Triggers and views: objects."""

from collections.abc import Iterable

from sqlalchemy import REAL, CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, Table, Text, text

from backend.domain.job import JobKind, JobState
from backend.domain.review import Act, Kind, Reason

ID_LIMIT = 400  # characters in the id of a subject

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def _text(name: str, *rest: ForeignKey, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    return Column(name, Text, *rest, nullable=nullable, primary_key=primary_key)


def _one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{w}'" for w in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


study = Table(
    "study",
    metadata,
    _text("study_uid", primary_key=True),
    _text("pseudonym"),
    _text("description"),
    _text("created"),
    sqlite_strict=True,
)

series = Table(
    "series",
    metadata,
    Column("position", Integer, primary_key=True),  # order of import
    _text("series_uid"),
    _text("study_uid", ForeignKey("study.study_uid")),
    _text("modality"),
    Column("images", Integer, nullable=False),  # slices of the volume
    _text("pixels_sha256"),
    _text("payload"),  # every other field of backend.domain.study.Series except its sources
    _text("created"),
    CheckConstraint("images > 0", name="images"),
    CheckConstraint("json_valid(payload)", name="payload"),
    Index("uq_series_series_uid", "series_uid", unique=True),
    Index("ix_series_study_uid", "study_uid"),
    sqlite_strict=True,
)

source = Table(
    "source",
    metadata,
    _text("series_uid", ForeignKey("series.series_uid"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _text("path"),
    _text("sha256"),
    sqlite_strict=True,
)

reader = Table("reader", metadata, _text("name", primary_key=True), _text("created"), sqlite_strict=True)

model_version = Table(
    "model_version",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("name"),
    _text("version"),
    _text("fingerprint"),
    _text("licence"),
    Index("uq_model_version", "name", "version", "fingerprint", "licence", unique=True),
    sqlite_strict=True,
)

# A subject is of one kind and belongs to one study for good; `position` is the order in which subjects first appeared.
subject = Table(
    "subject",
    metadata,
    Column("position", Integer, primary_key=True),
    _text("id"),
    _text("kind"),
    _text("study_uid", ForeignKey("study.study_uid")),
    _one_of("kind", Kind),
    CheckConstraint(f"length(id) BETWEEN 1 AND {ID_LIMIT}", name="id"),
    Index("uq_subject_id", "id", unique=True),
    Index("ix_subject_study_uid", "study_uid"),
    sqlite_strict=True,
)

proposal = Table(
    "proposal",
    metadata,
    Column("seq", Integer, primary_key=True),
    _text("subject", ForeignKey("subject.id")),
    Column("model_id", Integer, ForeignKey("model_version.id"), nullable=False),
    _text("audience"),
    _text("payload"),
    Column(
        "cause", Integer
    ),  # seq of the decision after which it was composed, if any; no key, or the two tables circle
    _text("created"),
    CheckConstraint("seq > 0", name="seq"),
    CheckConstraint("json_valid(payload) AND json_extract(payload, '$.format') >= 1", name="payload"),
    Index("ix_proposal_subject_audience_seq", "subject", "audience", "seq"),
    Index("ix_proposal_cause", "cause"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

decision = Table(
    "decision",
    metadata,
    Column("seq", Integer, primary_key=True),
    _text("subject", ForeignKey("subject.id")),
    _text("reader", ForeignKey("reader.name")),
    _text("act"),
    _text("payload", nullable=True),
    _text("reason", nullable=True),
    _text("note"),
    Column("seconds", REAL, nullable=False),
    Column("after_seq", Integer, nullable=False),
    Column("proposal_seq", Integer, ForeignKey("proposal.seq")),  # the proposal that it answers, if any
    _text("token"),
    _text("app_version"),
    _text("created"),
    CheckConstraint("seq > 0", name="seq"),
    _one_of("act", Act),
    _one_of("reason", Reason),
    CheckConstraint("(act = 'RETRACT') = (payload IS NULL)", name="retract"),
    CheckConstraint(
        "payload IS NULL OR json_valid(payload) AND json_extract(payload, '$.format') >= 1", name="payload"
    ),
    CheckConstraint("seconds >= 0", name="seconds"),
    Index("ix_decision_reader_subject_seq", "reader", "subject", "seq"),
    Index("ix_decision_subject", "subject"),
    Index("uq_decision_reader_token", "reader", "token", unique=True, sqlite_where=text("token <> ''")),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

seen = Table(
    "seen",
    metadata,
    _text("reader", ForeignKey("reader.name"), primary_key=True),
    _text("subject", ForeignKey("subject.id"), primary_key=True),
    _text("created"),
    sqlite_strict=True,
)

opened = Table(
    "opened",
    metadata,
    _text("reader", ForeignKey("reader.name"), primary_key=True),
    _text("study_uid", ForeignKey("study.study_uid"), primary_key=True),
    _text("created"),
    sqlite_strict=True,
)

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("kind"),
    _text("study_uid"),
    _text("series_uid"),
    _text("expert"),
    _text("argument"),
    _text("state"),
    Column("progress", REAL, nullable=False),
    _text("step"),
    _text("error"),
    _text("notes"),
    Column("cancel", Integer, nullable=False),
    _text("created"),
    _one_of("kind", JobKind),
    _one_of("state", JobState),
    CheckConstraint("progress BETWEEN 0 AND 1", name="progress"),
    CheckConstraint("cancel IN (0, 1)", name="cancel"),
    Index("ix_job_state", "state"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

setting = Table("setting", metadata, _text("key", primary_key=True), _text("value"), sqlite_strict=True)
