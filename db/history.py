"""Reading what was proposed and decided, on a connection whose transaction the store opened."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from backend.domain.correction import Correction
from backend.domain.review import Act, Decision, Kind, ModelVersion, Proposal, Reason, Subject
from db import tables as t
from db.objects import correction, current_subject
from db.payload import load_value


def load_subjects(connection: Connection, study_uid: str, reader: str) -> list[Subject]:
    """What stands for the reader in a study, in the order in which the subjects first appeared."""
    column = current_subject.c
    query = select(current_subject).where(column.study_uid == study_uid, column.reader == reader)
    return [_subject(row) for row in connection.execute(query.order_by(column.position))]


def load_subject(connection: Connection, subject: str, reader: str) -> Subject | None:
    column = current_subject.c
    query = select(current_subject).where(column.subject == subject, column.reader == reader)
    row = connection.execute(query).one_or_none()
    return None if row is None else _subject(row)


def load_decisions(connection: Connection, study_uid: str | None, reader: str | None) -> list[Decision]:
    """Every decision ever made, oldest first."""
    query = _decisions()
    if study_uid is not None:
        query = query.where(t.subject.c.study_uid == study_uid)
    if reader is not None:
        query = query.where(t.decision.c.reader == reader)
    return [_decision(row) for row in connection.execute(query.order_by(t.decision.c.seq))]


def last_decision(connection: Connection, subject: str, reader: str) -> Decision | None:
    """RETRACT included."""
    column = t.decision.c
    query = _decisions().where(column.reader == reader, column.subject == subject)
    row = connection.execute(query.order_by(column.seq.desc()).limit(1)).one_or_none()
    return None if row is None else _decision(row)


def decision_by_token(connection: Connection, reader: str, token: str) -> Decision | None:
    query = _decisions().where(t.decision.c.reader == reader, t.decision.c.token == token)
    row = connection.execute(query).one_or_none()
    return None if row is None else _decision(row)


def proposals_after(connection: Connection, seq: int) -> tuple[Proposal, ...]:
    """What was composed because of the decision of this seq."""
    query = (
        select(t.proposal, t.subject.c.kind, t.subject.c.study_uid, t.model_version)
        .join_from(t.proposal, t.subject)
        .join(t.model_version)
        .where(t.proposal.c.cause == seq)
    )
    return tuple(_proposal(row) for row in connection.execute(query.order_by(t.proposal.c.seq)))


def load_corrections(connection: Connection) -> Iterator[Correction]:
    """Every reader's last word on every subject that still stands, in the order in which it was said."""
    for row in connection.execute(select(correction).order_by(correction.c.seq)):
        kind = Kind(row.kind)
        yield Correction(
            subject=row.subject,
            kind=kind,
            study_uid=row.study_uid,
            series_uid=row.series_uid,
            pixels_sha256=row.pixels_sha256,
            proposed=None if row.proposed is None else load_value(kind, row.proposed),
            model=None if row.model_name is None else _model(row),
            act=Act(row.act),
            reason=None if row.reason is None else Reason(row.reason),
            value=load_value(kind, row.decided),
            reader=row.reader,
            seconds=row.seconds,
            created=row.created,
            app_version=row.app_version,
        )


def _decisions() -> Select[Any]:
    return select(t.decision, t.subject.c.kind, t.subject.c.study_uid).join_from(t.decision, t.subject)


def _decision(row: Row[Any]) -> Decision:
    kind = Kind(row.kind)
    return Decision(
        subject=row.subject,
        kind=kind,
        study_uid=row.study_uid,
        reader=row.reader,
        act=Act(row.act),
        value=None if row.payload is None else load_value(kind, row.payload),
        reason=None if row.reason is None else Reason(row.reason),
        note=row.note,
        seconds=row.seconds,
        after_seq=row.after_seq,
        token=row.token,
        app_version=row.app_version,
        seq=row.seq,
        created=row.created,
    )


def _proposal(row: Row[Any]) -> Proposal:
    kind = Kind(row.kind)
    return Proposal(
        subject=row.subject,
        kind=kind,
        study_uid=row.study_uid,
        value=load_value(kind, row.payload),
        model=ModelVersion(row.name, row.version, row.fingerprint, row.licence),
        audience=row.audience,
        seq=row.seq,
        created=row.created,
    )


def _model(row: Row[Any]) -> ModelVersion:
    return ModelVersion(row.model_name, row.model_version, row.fingerprint, row.licence)


def _subject(row: Row[Any]) -> Subject:
    kind = Kind(row.kind)
    proposal = decision = None
    if row.proposal_seq is not None:
        proposal = Proposal(
            subject=row.subject,
            kind=kind,
            study_uid=row.study_uid,
            value=load_value(kind, row.proposed),
            model=_model(row),
            audience=row.audience,
            seq=row.proposal_seq,
            created=row.proposed_at,
        )
    if row.decision_seq is not None:
        decision = Decision(
            subject=row.subject,
            kind=kind,
            study_uid=row.study_uid,
            reader=row.reader,
            act=Act(row.act),
            value=None if row.decided is None else load_value(kind, row.decided),
            reason=None if row.reason is None else Reason(row.reason),
            note=row.note,
            seconds=row.seconds,
            after_seq=row.after_seq,
            token=row.token,
            app_version=row.app_version,
            seq=row.decision_seq,
            created=row.decided_at,
        )
    return Subject(row.subject, kind, row.study_uid, proposal, decision, bool(row.seen))
