"""Corrections as JSON lines, from a real store."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.region import Box3D, Mask, Point3D
from backend.domain.review import Act, Code, Finding, Kind, Measurement, Reason, Sentence, Spot, Value
from backend.domain.wire import value_from_json, value_to_json
from backend.export import jsonl
from db.payload import dump_value, load_value
from db.store import Store
from tests.unit.test_store import MODEL, STUDY, decision, finding, make_series, proposal

KEYS = [
    *("schema", "subject", "kind", "study_uid", "series_uid", "image", "proposed", "proposed_masks", "act", "reason"),
    *("decided", "decided_masks", "model", "reader", "seconds", "created", "app_version"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A finding edited with another mask, a sentence rejected, a finding added, and one decision taken back."""
    made = Store(tmp_path / "library")
    made.add_study(STUDY)
    made.add_series(make_series())
    made.add_proposals(
        [proposal("f1"), proposal("f2"), proposal("sentence:1", Sentence("Findings", 1.0, "Größe 3 mm.\u2028x"))]
    )
    smaller = replace(finding(), regions=(Mask("34" * 32, Box3D(1, 2, 3, 4, 5, 6), 20),))
    edit = decision("f1", Act.EDIT, smaller)
    made.decide(replace(edit, reason=Reason.WRONG_EXTENT, note="Mrs Example, born 1950", seconds=6.5))
    made.decide(decision("sentence:1", Act.REJECT))
    made.decide(decision("mine", Act.ADD))
    back = made.decide(decision("f2")).decision
    made.decide(decision("f2", Act.RETRACT, after=back.seq))
    return made


def test_one_line_a_decision_that_stands(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "out" / "corrections.jsonl"
    assert jsonl.save(path, store.corrections()) == 3
    lines = path.read_text().splitlines()
    edited, rejected, added = map(json.loads, lines)
    assert [list(row) for row in (edited, rejected, added)] == [KEYS] * 3
    assert (edited["schema"], edited["act"], edited["reason"]) == (jsonl.SCHEMA, "EDIT", "wrong extent")
    assert value_from_json(Kind.FINDING, edited["proposed"]) == finding()
    assert (edited["proposed_masks"], edited["decided_masks"]) == (["12" * 32], ["34" * 32])
    assert edited["image"] == make_series().pixels_sha256
    assert edited["model"]["fingerprint"] == MODEL.fingerprint
    assert (edited["reader"], edited["seconds"], edited["app_version"]) == ("ada", 6.5, "0.1.0")
    assert rejected["decided"]["text"] == "Größe 3 mm.\u2028x"
    assert (rejected["kind"], rejected["series_uid"], rejected["image"]) == ("sentence", "", "")
    assert (added["proposed"], added["model"], added["proposed_masks"]) == (None, None, [])


def test_no_identity_and_no_path_leaves(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    jsonl.save(path, store.corrections())
    text = path.read_text()
    for word in ("Example", "1950", "/scans", "one.dcm", STUDY.pseudonym, str(tmp_path)):
        assert word not in text


def test_a_failed_export_leaves_the_earlier_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    jsonl.save(path, store.corrections())
    before = path.read_bytes()
    broken = replace(next(iter(store.corrections())), seconds=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        jsonl.save(path, [*store.corrections(), broken])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["corrections.jsonl"]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
INDEX = st.integers(0, 4000)
BOXES = st.tuples(*[INDEX] * 6).map(lambda t: Box3D(*map(min, t[:3], t[3:]), *map(max, t[:3], t[3:])))
MASKS = st.builds(Mask, st.text("0123456789abcdef", min_size=64, max_size=64), BOXES, st.integers(1, 10**9))
POINTS = st.builds(Point3D, INDEX, INDEX, INDEX, st.booleans())
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.builds(
        Finding,
        TEXTS,
        st.builds(Code, TEXTS, TEXTS, TEXTS),
        st.lists(BOXES | MASKS, max_size=3).map(tuple),
        st.booleans(),
        TEXTS,
        st.none() | NUMBERS,
        st.lists(st.builds(Measurement, TEXTS, NUMBERS, TEXTS), max_size=3).map(tuple),
        st.lists(POINTS, max_size=3).map(tuple),
    ),
    st.builds(Sentence, TEXTS, NUMBERS, TEXTS, st.lists(TEXTS, max_size=3).map(tuple)),
    st.builds(Spot, TEXTS, POINTS, NUMBERS, NUMBERS),
)


@given(VALUES)
def test_a_value_survives_json_and_the_store(value: Value) -> None:
    kind = {Finding: Kind.FINDING, Sentence: Kind.SENTENCE, Spot: Kind.SPOT}[type(value)]
    assert value_from_json(kind, json.loads(json.dumps(value_to_json(value)))) == value
    assert load_value(kind, dump_value(kind, value)) == value
