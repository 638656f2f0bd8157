"""Studies, series, readers and settings, on a connection whose transaction the store opened."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.domain.errors import UserError
from backend.domain.review import Act, Kind
from backend.domain.study import Series, Source, Study
from db import tables as t
from db.clock import now
from db.objects import current_subject
from db.payload import dump_series, load_series

NAME_LIMIT = 60


@dataclass(frozen=True)
class StudySummary:
    """One line of a reader's worklist.

    series, images: how many; a volume counts its slices. proposals: subjects (findings and sentences) that a model
    proposed to this reader; decided: those of them with a decision of this reader that stands.
    opened: UTC of the last time that this reader opened it, or None. cover: UID of the series with the most images.
    """

    study: Study
    modalities: tuple[str, ...]
    series: int
    images: int
    proposals: int
    decided: int
    opened: str | None
    cover: str = ""


def checked_name(name: str) -> str:
    """The reader's name, or a UserError."""
    if not 1 <= len(name) <= NAME_LIMIT or not name.isprintable() or name != name.strip():
        what = f"A reader's name has 1 to {NAME_LIMIT} printable characters and no blanks around them"
        raise UserError(what, repr(name[:80]), "Choose another name")
    return name


def add_reader(connection: Connection, name: str) -> None:
    row = {"name": checked_name(name), "created": now()}
    connection.execute(upsert(t.reader).values(row).on_conflict_do_nothing())


def add_study(connection: Connection, study: Study) -> bool:
    row = {
        "study_uid": study.study_uid,
        "pseudonym": study.pseudonym,
        "description": study.description,
        "created": now(),
    }
    return connection.execute(upsert(t.study).values(row).on_conflict_do_nothing()).rowcount == 1


def add_series(connection: Connection, series: Series) -> bool:
    """False when it is there already. UserError when its UID stands for other pixels or its study is unknown."""
    column = t.series.c
    known = connection.execute(
        select(column.study_uid, column.pixels_sha256).where(column.series_uid == series.series_uid)
    ).one_or_none()
    if known is not None:
        if (known.study_uid, known.pixels_sha256) != (series.study_uid, series.pixels_sha256):
            raise UserError(
                "Another image with the same Series Instance UID is in this library",
                series.series_uid,
                "Import it into a library of its own, or give it a new UID",
            )
        return False
    load_study(connection, series.study_uid)
    row = {
        "series_uid": series.series_uid,
        "study_uid": series.study_uid,
        "modality": series.modality,
        "images": series.geometry.shape[0],
        "pixels_sha256": series.pixels_sha256,
        "payload": dump_series(series),
        "created": now(),
    }
    connection.execute(insert(t.series).values(row))
    sources = [
        {"series_uid": series.series_uid, "position": n, "path": s.path, "sha256": s.sha256}
        for n, s in enumerate(series.sources)
    ]
    if sources:
        connection.execute(insert(t.source), sources)
    return True


def load_study(connection: Connection, study_uid: str) -> Study:
    row = connection.execute(select(t.study).where(t.study.c.study_uid == study_uid)).one_or_none()
    if row is None:
        raise UserError("This study is not in the library", study_uid[:80], "Choose one from the worklist or import it")
    return Study(row.study_uid, row.pseudonym, row.description)


def load_series_of(connection: Connection, study_uid: str) -> list[Series]:
    """In order of import; UserError when the study is unknown."""
    load_study(connection, study_uid)
    column = t.series.c
    rows = connection.execute(
        select(column.series_uid, column.payload).where(column.study_uid == study_uid).order_by(column.position)
    ).all()
    return [load_series(row.payload, _sources(connection, row.series_uid)) for row in rows]


def load_all_series(connection: Connection) -> list[Series]:
    """In order of import."""
    column = t.series.c
    rows = connection.execute(select(column.series_uid, column.payload).order_by(column.position)).all()
    return [load_series(row.payload, _sources(connection, row.series_uid)) for row in rows]


def load_one_series(connection: Connection, series_uid: str) -> Series:
    row = connection.execute(select(t.series.c.payload).where(t.series.c.series_uid == series_uid)).one_or_none()
    if row is None:
        raise UserError(
            "This series is not in the library", series_uid[:80], "Open its study from the worklist or import it"
        )
    return load_series(row.payload, _sources(connection, series_uid))


def _sources(connection: Connection, series_uid: str) -> tuple[Source, ...]:
    column = t.source.c
    rows = connection.execute(
        select(column.path, column.sha256).where(column.series_uid == series_uid).order_by(column.position)
    )
    return tuple(Source(row.path, row.sha256) for row in rows)


def summaries(connection: Connection, reader: str) -> list[StudySummary]:
    """In order of import, so that case 12 of 48 stays case 12."""
    subject = current_subject.c
    stands = case((subject.act != Act.RETRACT, 1))
    counts = {
        row.study_uid: row
        for row in connection.execute(
            select(subject.study_uid, func.count().label("proposals"), func.count(stands).label("decided"))
            .where(subject.reader == reader, subject.kind != Kind.SPOT, subject.proposal_seq.is_not(None))
            .group_by(subject.study_uid)
        )
    }
    images: dict[str, list[tuple[str, int]]] = {}
    covers: dict[str, tuple[int, str]] = {}
    for row in connection.execute(select(t.series).order_by(t.series.c.position)):
        images.setdefault(row.study_uid, []).append((row.modality, row.images))
        if row.images > covers.get(row.study_uid, (0, ""))[0]:
            covers[row.study_uid] = row.images, row.series_uid
    opened = {
        row.study_uid: row.created for row in connection.execute(select(t.opened).where(t.opened.c.reader == reader))
    }
    return [
        StudySummary(
            study=Study(row.study_uid, row.pseudonym, row.description),
            modalities=tuple(dict.fromkeys(modality for modality, _ in images.get(row.study_uid, []))),
            series=len(images.get(row.study_uid, [])),
            images=sum(n for _, n in images.get(row.study_uid, [])),
            proposals=counts[row.study_uid].proposals if row.study_uid in counts else 0,
            decided=counts[row.study_uid].decided if row.study_uid in counts else 0,
            opened=opened.get(row.study_uid),
            cover=covers[row.study_uid][1] if row.study_uid in covers else "",
        )
        for row in connection.execute(select(t.study).order_by(t.study.c.created, t.study.c.study_uid))
    ]


def mark_opened(connection: Connection, study_uid: str, reader: str) -> None:
    load_study(connection, study_uid)
    row = upsert(t.opened).values(reader=reader, study_uid=study_uid, created=now())
    connection.execute(row.on_conflict_do_update(index_elements=["reader", "study_uid"], set_={"created": now()}))


def mark_seen(connection: Connection, study_uid: str, reader: str, subjects: Sequence[str]) -> int:
    """How many were not seen before; ids that the study does not hold are passed over."""
    ids = func.json_each(bindparam("ids")).table_valued("value")
    column = t.subject.c
    found = select(bindparam("reader"), column.id, bindparam("created")).where(
        column.study_uid == bindparam("study"), column.id.in_(select(ids.c.value))
    )
    row = upsert(t.seen).from_select(["reader", "subject", "created"], found).on_conflict_do_nothing()
    bound = {"ids": json.dumps(list(subjects)), "reader": reader, "created": now(), "study": study_uid}
    return connection.execute(row, bound).rowcount


def load_setting(connection: Connection, key: str) -> str | None:
    value: str | None = connection.execute(select(t.setting.c.value).where(t.setting.c.key == key)).scalar()
    return value


def save_setting(connection: Connection, key: str, value: str) -> None:
    row = upsert(t.setting).values(key=key, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
