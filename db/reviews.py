"""Recording proposals and decisions, on a connection whose transaction the store opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, insert, select

from backend.domain.errors import UserError
from backend.domain.review import Act, Decision, Finding, Kind, ModelVersion, Proposal, Subject, Value
from db import tables as t
from db.clock import now
from db.history import decision_by_token, last_decision, load_subject, load_subjects, proposals_after
from db.payload import dump_value, is_unicode

Compose = Callable[[list[Subject]], Sequence[Proposal]]
"""Given a study's subjects as one reader has them after a decision: the sentences that follow from it."""


class StaleDecision(UserError):
    """The reader decided on this subject elsewhere since the view that the decision was made on. last: what stands."""

    def __init__(self, refused: Decision, last: Decision | None) -> None:
        self.last = last
        if last is None:
            found = f"it follows decision {refused.after_seq}, but {refused.reader} has none on it"
        else:
            found = f"{last.reader} recorded {last.act} at {last.created}"
        super().__init__("This subject changed since you saw it", found, "Look at it again, then decide")


@dataclass(frozen=True)
class Decided:
    """decision: as recorded. proposals: composed after it. repeated: it had been recorded before and was sent again."""

    decision: Decision
    proposals: tuple[Proposal, ...]
    repeated: bool = False


def add_proposals(connection: Connection, proposals: Sequence[Proposal], cause: int | None = None) -> list[Proposal]:
    """Record them in order; `seq` and `created` are given here. UserError when a subject or series does not fit.

    What the same model version says again, word for word, is not recorded twice: the earlier proposal is returned.
    """
    models = {model: _model_id(connection, model) for model in dict.fromkeys(p.model for p in proposals)}
    added = []
    for p in proposals:
        payload, created = dump_value(p.kind, p.value), now()
        _place(connection, p.subject, p.kind, p.study_uid, p.value, new=True)
        if (same := _repeated(connection, p, models[p.model], payload)) is not None:
            added.append(same)
            continue
        row = {
            "subject": p.subject,
            "model_id": models[p.model],
            "audience": p.audience,
            "payload": payload,
            "cause": cause,
            "created": created,
        }
        seq = connection.execute(insert(t.proposal).values(row)).inserted_primary_key[0]  # type: ignore[index]
        added.append(replace(p, seq=seq, created=created))
    return added


def _repeated(connection: Connection, p: Proposal, model_id: int, payload: str) -> Proposal | None:
    """The newest proposal that this audience sees of the subject, when it is the same."""
    column = t.proposal.c
    newest = (
        select(column.seq, column.model_id, column.audience, column.payload, column.created)
        .where(column.subject == p.subject, column.audience.in_(["", p.audience]))
        .order_by(column.seq.desc())
        .limit(1)
    )
    row = connection.execute(newest).one_or_none()
    if row is None or (row.model_id, row.audience, row.payload) != (model_id, p.audience, payload):
        return None
    return replace(p, seq=row.seq, created=row.created)


def decide(connection: Connection, decision: Decision, compose: Compose | None) -> Decided:
    """Record one decision and what follows from it; see Store.decide."""
    _check_words(decision)
    if decision.token and (earlier := _by_token(connection, decision)) is not None:
        return earlier
    last = last_decision(connection, decision.subject, decision.reader)
    if decision.after_seq != (last.seq if last else 0):
        raise StaleDecision(decision, last)
    recorded = _record(connection, _completed(connection, decision))
    if compose is None:
        return Decided(recorded, ())
    subjects = load_subjects(connection, decision.study_uid, decision.reader)
    return Decided(recorded, tuple(add_proposals(connection, compose(subjects), cause=recorded.seq)))


def _check_words(d: Decision) -> None:
    """Refuse what the database could not hold, before any of it is looked up."""
    if d.kind is Kind.SPOT:
        raise UserError("A spot is for navigation and is not decided on", d.subject[:80], "Mark a region there instead")
    if not d.seconds >= 0 or d.seconds == float("inf"):
        raise UserError("The seconds of a decision are not a time", str(d.seconds), "Send 0 or more")
    texts = (d.subject, d.study_uid, d.note, d.token, d.app_version)
    if any("\x00" in text or not is_unicode(text) for text in texts):
        raise UserError("A text of this decision holds characters that cannot be kept", next="Type it again")
    if d.value is not None:
        dump_value(d.kind, d.value)


def _completed(connection: Connection, d: Decision) -> Decision:
    """Check what the act needs, and give ACCEPT, REJECT and UNSURE the value that stands when they carry none."""
    known = load_subject(connection, d.subject, d.reader)
    if d.act is Act.ADD and known is not None and known.proposal is not None:
        raise UserError("A model proposed this subject", d.subject[:80], "Accept or edit it, or add one with a new id")
    if d.act is Act.ADD and len(d.subject) > t.ID_LIMIT // 2:  # leaves room for ids that are made from it
        raise UserError("This identifier is too long", f"{len(d.subject)} characters", f"Keep it to {t.ID_LIMIT // 2}")
    if d.act is not Act.ADD and known is None:
        raise UserError("There is nothing of this id to decide on", d.subject[:80], "Reload the study")
    value = None if d.act is Act.RETRACT else d.value
    if d.act in (Act.ACCEPT, Act.REJECT, Act.UNSURE) and value is None and known is not None:
        value = known.value
    if value is None and d.act is not Act.RETRACT:
        raise UserError(f"A decision to {d.act} needs a value", "none", "Send the whole value")
    _place(connection, d.subject, d.kind, d.study_uid, value, new=d.act is Act.ADD)
    return replace(d, value=value)


def _record(connection: Connection, d: Decision) -> Decision:
    payload, created = None if d.value is None else dump_value(d.kind, d.value), now()
    row = {
        "subject": d.subject,
        "reader": d.reader,
        "act": d.act,
        "payload": payload,
        "reason": d.reason,
        "note": d.note,
        "seconds": d.seconds,
        "after_seq": d.after_seq,
        "proposal_seq": _answered(connection, d, payload),
        "token": d.token,
        "app_version": d.app_version,
        "created": created,
    }
    seq = connection.execute(insert(t.decision).values(row)).inserted_primary_key[0]  # type: ignore[index]
    return replace(d, seq=seq, created=created)


def _answered(connection: Connection, d: Decision, payload: str | None) -> int | None:
    """The proposal that a decision answers: the newest, or, when a model spoke again after the reader had looked, the
    newest one that says what the reader accepted or refused."""
    column = t.proposal.c
    same = (column.payload == payload) if d.act is not Act.EDIT and payload is not None else column.seq.is_(None)
    seq: int | None = connection.execute(
        select(column.seq)
        .where(column.subject == d.subject, column.audience.in_(["", d.reader]))
        .order_by(same.desc(), column.seq.desc())
        .limit(1)
    ).scalar()
    return seq


def _by_token(connection: Connection, d: Decision) -> Decided | None:
    """The earlier result of a decision that was sent again; UserError when its token belongs to another one."""
    earlier = decision_by_token(connection, d.reader, d.token)
    if earlier is None:
        return None
    if (earlier.subject, earlier.act, earlier.after_seq) != (d.subject, d.act, d.after_seq):
        raise UserError("This token belongs to another decision", d.token[:80], "Send a new token with each decision")
    return Decided(earlier, proposals_after(connection, earlier.seq), repeated=True)


def _place(connection: Connection, subject: str, kind: Kind, study_uid: str, value: Value | None, new: bool) -> None:
    """Check that subject, kind, study and series belong together; make the subject when it is `new` and unknown."""
    column = t.subject.c
    known = connection.execute(select(column.kind, column.study_uid).where(column.id == subject)).one_or_none()
    if known is not None and (known.kind, known.study_uid) != (kind, study_uid):
        raise UserError(
            "This id belongs to another subject", f"a {known.kind} of study {known.study_uid}", "Use a new id"
        )
    if isinstance(value, Finding):
        where = t.series.c.series_uid == value.series_uid
        if connection.execute(select(t.series.c.study_uid).where(where)).scalar() != study_uid:
            raise UserError("The study holds no such series", value.series_uid[:80], "Name a series of this study")
    if known is None and new:
        if not 1 <= len(subject) <= t.ID_LIMIT or not subject.isprintable():
            what = f"An identifier has 1 to {t.ID_LIMIT} printable characters"
            raise UserError(what, repr(subject[:80]), "Use another id")
        if connection.execute(select(func.count()).where(t.study.c.study_uid == study_uid)).scalar() == 0:
            raise UserError("This study is not in the library", study_uid[:80], "Import it first")
        connection.execute(insert(t.subject).values(id=subject, kind=kind, study_uid=study_uid))


def _model_id(connection: Connection, model: ModelVersion) -> int:
    column = t.model_version.c
    fields = {
        "name": model.name,
        "version": model.version,
        "fingerprint": model.fingerprint,
        "licence": model.licence,
    }
    query = select(column.id).where(*(column[k] == v for k, v in fields.items()))
    known: int | None = connection.execute(query).scalar()
    if known is not None:
        return known
    return int(connection.execute(insert(t.model_version).values(fields)).inserted_primary_key[0])  # type: ignore[index]
