"""The store: what is kept, what is refused, and what stands."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry
from backend.domain.region import Box3D, Mask, Point3D
from backend.domain.review import (
    Act,
    Code,
    Decision,
    Finding,
    Kind,
    Measurement,
    ModelVersion,
    Proposal,
    Reason,
    Sentence,
    Spot,
)
from backend.domain.study import Series, Source, Study
from backend.domain.volume import Quantity, Window
from db.objects import current_subject
from db.store import FILE_NAME, StaleDecision, Store

MODEL = ModelVersion("threshold", "1", "0" * 64, "Apache-2.0")
STUDY = Study("1.2.3", "P-001", "CT thorax")
EYE = ((3.0, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, 0.0), (0.0, 0.0, 0.5, 0.0), (0.0, 0.0, 0.0, 1.0))


def make_series(uid: str = "1.2.3.1", study: str = "1.2.3", modality: str = "CT", slices: int = 40) -> Series:
    return Series(
        series_uid=uid,
        study_uid=study,
        modality=modality,
        body_part="CHEST",
        description="axial",
        geometry=Geometry((slices, 64, 64), EYE),
        dtype="int16",
        colour=False,
        quantity=Quantity.HU,
        slope=1.0,
        intercept=-1024.0,
        windows=(Window(40.0, 400.0, "soft tissue"),),
        inverted=False,
        padding=-2000,
        pixels_sha256="ab" * 32,
        cache=f"{uid}.raw",
        warnings=("one slice twice",),
        sources=(Source("/scans/one.dcm", "cd" * 32), Source("/scans/two.dcm", "ef" * 32)),
    )


def finding(meaning: str = "Nodule", site: str = "right upper zone", millimetres: float = 14.0) -> Finding:
    return Finding(
        "1.2.3.1",
        Code(meaning),
        regions=(Mask("12" * 32, Box3D(1, 2, 3, 4, 5, 6), 30),),
        site=site,
        measurements=(Measurement("longest diameter", millimetres, "mm"),),
    )


def proposal(subject: str, value: Finding | Sentence | Spot | None = None, audience: str = "") -> Proposal:
    value = value or finding()
    kind = {Finding: Kind.FINDING, Sentence: Kind.SENTENCE, Spot: Kind.SPOT}[type(value)]
    return Proposal(subject, kind, STUDY.study_uid, value, MODEL, audience)


def decision(
    subject: str, act: Act = Act.ACCEPT, value: Finding | Sentence | None = None, reader: str = "ada", after: int = 0
) -> Decision:
    kind = Kind.SENTENCE if isinstance(value, Sentence) or subject.startswith("sentence") else Kind.FINDING
    if value is None and act in (Act.ACCEPT, Act.EDIT, Act.ADD) and kind is Kind.FINDING:
        value = finding()
    return Decision(subject, kind, STUDY.study_uid, reader, act, value, after_seq=after, app_version="0.1.0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A new library with one study, one series and one proposed finding "f1"."""
    made = Store(tmp_path / "library")
    made.add_study(STUDY)
    made.add_series(make_series())
    made.add_proposals([proposal("f1")])
    return made


def raw(store: Store) -> closing[sqlite3.Connection]:
    """A connection as another program would open it: no pragmas."""
    return closing(sqlite3.connect(store.file, isolation_level=None))


# Studies and series


def test_importing_twice_adds_nothing(store: Store) -> None:
    assert not store.add_study(STUDY)
    assert not store.add_series(make_series())
    assert store.series_of(STUDY.study_uid) == [make_series()]


def test_a_series_comes_back_equal(store: Store) -> None:
    assert store.series("1.2.3.1") == make_series()


def test_the_same_uid_with_other_pixels_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match="same Series Instance UID"):
        store.add_series(replace(make_series(), pixels_sha256="00" * 32))


def test_unknown_studies_and_series_are_user_errors(store: Store) -> None:
    for call in (store.study, store.series_of, store.series):
        with pytest.raises(UserError, match="not in the library"):
            call("9.9")
    with pytest.raises(UserError, match="not in the library"):
        store.add_series(make_series("9.9.1", study="9.9"))


def test_the_worklist_counts_what_this_reader_decided(store: Store) -> None:
    store.add_series(make_series("1.2.3.2", modality="MR", slices=10))
    spot = Spot("1.2.3.1", Point3D(1, 1, 1), 5.0, 0.5)
    store.add_proposals([proposal("f2"), proposal("s1", Sentence("Findings", 1.0, "x", ("f1",)), "ada")])
    store.add_proposals([proposal("p1", spot)])
    store.decide(decision("f1"))
    store.decide(decision("mine", Act.ADD))
    taken_back = store.decide(decision("f2", Act.REJECT)).decision
    store.decide(decision("f2", Act.RETRACT, after=taken_back.seq))
    store.opened(STUDY.study_uid, "ada")
    (line,) = store.studies("ada")
    assert (line.modalities, line.series, line.images) == (("CT", "MR"), 2, 50)
    assert (line.proposals, line.decided) == (3, 1)
    assert line.opened is not None
    (other,) = store.studies("bob")
    assert (other.proposals, other.decided, other.opened) == (2, 0, None)


@pytest.mark.parametrize("name", ["", " ", "a\n", "x" * 61, " ada", "a\x00b"])
def test_bad_reader_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(UserError, match="printable"):
        store.ensure_reader(name)
    with pytest.raises(UserError, match="printable"):
        store.decide(decision("f1", reader=name))
    assert store.readers() == []


def test_settings_are_kept(store: Store) -> None:
    assert store.setting("keys:ada") is None
    store.save_setting("keys:ada", "{}")
    store.save_setting("keys:ada", '{"accept": "Y"}')
    assert store.setting("keys:ada") == '{"accept": "Y"}'


# Proposals


def test_a_newer_proposal_supersedes_for_its_audience_only(store: Store) -> None:
    later = store.add_proposals([proposal("f1", finding(millimetres=15.0))])
    store.add_proposals([proposal("f1", finding(millimetres=16.0), audience="bob")])
    assert [s.proposal for s in store.subjects(STUDY.study_uid, "ada")] == later
    (bobs,) = store.subjects(STUDY.study_uid, "bob")
    assert bobs.value == finding(millimetres=16.0)


def test_a_model_that_repeats_itself_is_recorded_once(store: Store) -> None:
    first = store.add_proposals([proposal("f1")])
    assert store.add_proposals([proposal("f1")]) == first
    newer = replace(MODEL, version="2")
    (other,) = store.add_proposals([replace(proposal("f1"), model=newer)])
    assert other.seq > first[0].seq
    (back,) = store.add_proposals([proposal("f1")])
    assert back.seq > other.seq


def test_all_proposals_of_a_call_are_kept_or_none(store: Store) -> None:
    strange = replace(finding(), series_uid="9.9.9")
    with pytest.raises(UserError, match="no such series"):
        store.add_proposals([proposal("f2"), proposal("f3", strange)])
    assert [s.id for s in store.subjects(STUDY.study_uid, "ada")] == ["f1"]


def test_a_subject_stays_what_it_is(store: Store) -> None:
    with pytest.raises(UserError, match="another subject"):
        store.add_proposals([proposal("f1", Sentence("Findings", 1.0, "x"))])


def test_a_value_that_could_not_be_read_back_is_refused_when_written(store: Store) -> None:
    with pytest.raises(UserError, match="too long"):
        store.add_proposals([proposal("s1", Sentence("Findings", 1.0, "x" * 5000))])
    with pytest.raises(UserError, match="finite"):
        store.add_proposals([proposal("f2", finding(millimetres=float("nan")))])


def test_order_is_that_of_first_appearance(store: Store) -> None:
    store.decide(decision("added", Act.ADD))
    store.add_proposals([proposal("a-late-one"), proposal("f1", finding(millimetres=9.0))])
    assert [s.id for s in store.subjects(STUDY.study_uid, "ada")] == ["f1", "added", "a-late-one"]
    assert [s.id for s in store.subjects(STUDY.study_uid, "bob")] == ["f1", "a-late-one"]


# Decisions


def test_an_edit_stands_beside_its_proposal(store: Store) -> None:
    edit = replace(decision("f1", Act.EDIT, finding(site="left upper zone")), reason=Reason.WRONG_SIDE, seconds=4.5)
    recorded = store.decide(edit).decision
    (subject,) = store.subjects(STUDY.study_uid, "ada")
    assert subject.decision == recorded
    assert replace(recorded, seq=0, created="") == edit
    assert (subject.state, subject.value) == (Act.EDIT, finding(site="left upper zone"))
    assert subject.proposal is not None
    assert subject.proposal.value == finding()


def test_retract_returns_to_undecided_and_removes_what_was_added(store: Store) -> None:
    first = store.decide(decision("f1", Act.EDIT, finding(site="left"))).decision
    store.decide(decision("f1", Act.RETRACT, after=first.seq))
    added = store.decide(decision("mine", Act.ADD)).decision
    store.decide(decision("mine", Act.RETRACT, after=added.seq))
    proposed, mine = store.subjects(STUDY.study_uid, "ada")
    assert (proposed.state, proposed.value) == (None, finding())
    assert (mine.state, mine.value) == (None, None)
    assert len(store.decisions(STUDY.study_uid, "ada")) == 4


def test_reject_without_a_value_takes_the_one_that_stands(store: Store) -> None:
    assert store.decide(decision("f1", Act.REJECT)).decision.value == finding()


def test_a_stale_decision_says_who_when_and_what(store: Store) -> None:
    first = store.decide(decision("f1", Act.REJECT)).decision
    with pytest.raises(StaleDecision) as caught:
        store.decide(decision("f1"))
    assert caught.value.last == first
    for word in ("ada", "REJECT", first.created):
        assert word in str(caught.value)
    with pytest.raises(StaleDecision):
        store.decide(decision("f1", after=first.seq + 1))
    assert store.decisions() == [first]


def test_readers_do_not_stand_in_each_others_way(store: Store) -> None:
    store.decide(decision("f1", Act.REJECT))
    assert store.decide(decision("f1", reader="bob")).decision.after_seq == 0
    assert [s.state for r in ("ada", "bob") for s in store.subjects(STUDY.study_uid, r)] == [Act.REJECT, Act.ACCEPT]


def test_a_resent_decision_adds_nothing_and_gives_the_same_answer(store: Store) -> None:
    sent = replace(decision("f1"), token="t1")
    composed = proposal("sentence:f1", Sentence("Findings", 1.0, "A nodule.", ("f1",)), "ada")
    first = store.decide(sent, lambda subjects: [composed])
    again = store.decide(sent, lambda subjects: [composed])
    assert (again.decision, again.proposals, again.repeated) == (first.decision, first.proposals, True)
    assert len(first.proposals) == len(store.decisions()) == 1
    with pytest.raises(UserError, match="token"):
        store.decide(replace(decision("f1", Act.REJECT, after=first.decision.seq), token="t1"))
    assert not store.decide(replace(decision("f1", reader="bob"), token="t1")).repeated


def test_sentences_are_composed_from_the_state_after_the_decision(store: Store) -> None:
    states: list[Act | None] = []
    store.decide(decision("f1", Act.REJECT), lambda subjects: states.extend(s.state for s in subjects) or [])
    assert states == [Act.REJECT]


def test_a_decision_whose_sentences_fail_is_not_recorded(store: Store) -> None:
    with pytest.raises(UserError):
        store.decide(decision("f1"), lambda subjects: [proposal("f9", replace(finding(), series_uid="9.9"))])
    assert store.decisions() == []
    assert store.subject("f1", "ada") == store.subjects(STUDY.study_uid, "ada")[0]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (decision("nothing"), "nothing of this id"),
        (decision("nothing", Act.RETRACT), "nothing of this id"),
        (decision("f1", Act.ADD), "A model proposed"),
        (replace(decision("f1", Act.EDIT), value=None), "needs a value"),
        (replace(decision("f1"), kind=Kind.SPOT), "navigation"),
        (replace(decision("f1"), study_uid="9.9"), "another subject"),
        (replace(decision("new", Act.ADD), study_uid="9.9"), "no such series"),
        (decision("f1", Act.EDIT, replace(finding(), series_uid="9.9")), "no such series"),
        (replace(decision("s", Act.ADD, Sentence("Findings", 1.0, "x")), study_uid="9.9"), "not in the library"),
        (decision("", Act.ADD), "identifier"),
        (decision("x" * 201, Act.ADD), "identifier"),
        (replace(decision("f1"), seconds=-1.0), "seconds"),
        (replace(decision("f1"), seconds=float("nan")), "seconds"),
        (replace(decision("f1"), note="half a pair \ud800"), "characters"),
        (decision("half a pair \ud800"), "characters"),
        (decision("f1", Act.EDIT, replace(finding(), series_uid="half a pair \ud800")), "characters"),
        (replace(decision("f1"), value=Sentence("Findings", 1.0, "x")), "cannot be read"),
        (decision("s", Act.ADD, Sentence("Findings", 1.0, "half a pair \ud800")), "characters"),
    ],
)
def test_decisions_that_do_not_fit_are_refused(store: Store, bad: Decision, words: str) -> None:
    with pytest.raises(UserError, match=words):
        store.decide(bad)
    assert store.decisions() == []


def test_seen_is_apart_from_decided(store: Store) -> None:
    assert store.mark_seen(STUDY.study_uid, "ada", ["f1", "unknown"]) == 1
    assert store.mark_seen(STUDY.study_uid, "ada", ["f1"]) == 0
    assert [(s.seen, s.state) for s in store.subjects(STUDY.study_uid, "ada")] == [(True, None)]
    assert [s.seen for s in store.subjects(STUDY.study_uid, "bob")] == [False]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob"]),
        st.sampled_from(["f1", "f2"]),
        st.sampled_from([a for a in Act if a != Act.ADD]),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_each_reader_has_the_last_word_on_what_stands_for_them(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, Act]]
) -> None:
    store = Store(tmp_path_factory.mktemp("library"))
    store.add_study(STUDY)
    store.add_series(make_series())
    store.add_proposals([proposal("f1"), proposal("f2")])
    last: dict[tuple[str, str], Decision] = {}
    for reader, subject, act in steps:
        earlier = last.get((reader, subject))
        made = decision(subject, act, reader=reader, after=earlier.seq if earlier else 0)
        last[reader, subject] = store.decide(made).decision
    with raw(store) as connection:
        rows = connection.execute("SELECT reader, subject, seq FROM last_decision").fetchall()
    assert {(r, s): seq for r, s, seq in rows} == {key: d.seq for key, d in last.items()}
    for reader in ("ada", "bob"):
        for subject in store.subjects(STUDY.study_uid, reader):
            mine = last.get((reader, subject.id))
            assert subject.decision == mine
            undecided = mine is None or mine.act is Act.RETRACT
            assert subject.state == (None if undecided or mine is None else mine.act)
    standing = {key for key, d in last.items() if d.act is not Act.RETRACT}
    assert {(c.reader, c.subject) for c in store.corrections()} == standing
    store.close()


# Corrections


def test_a_correction_pairs_the_decision_with_what_was_proposed_then(store: Store) -> None:
    store.decide(replace(decision("f1", Act.EDIT, finding(site="left")), reason=Reason.WRONG_SIDE, seconds=3.0))
    store.decide(decision("mine", Act.ADD))
    store.add_proposals([proposal("f1", finding(millimetres=99.0))])
    edited, added = store.corrections()
    assert (edited.proposed, edited.value, edited.model) == (finding(), finding(site="left"), MODEL)
    assert (edited.reason, edited.seconds, edited.reader) == (Reason.WRONG_SIDE, 3.0, "ada")
    assert (edited.series_uid, edited.pixels_sha256) == ("1.2.3.1", "ab" * 32)
    assert (added.act, added.proposed, added.model) == (Act.ADD, None, None)


def test_accepting_what_was_on_the_screen_is_paired_with_it_though_a_newer_proposal_came(store: Store) -> None:
    store.add_proposals([proposal("f1", finding(millimetres=99.0))])
    store.decide(decision("f1", Act.ACCEPT, finding()))
    (correction,) = store.corrections()
    assert correction.proposed == correction.value == finding()


# History cannot be rewritten, whoever opens the file


@pytest.mark.parametrize("table", ["proposal", "decision", "subject", "model_version"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {0} SET rowid = rowid",
        "UPDATE OR REPLACE {0} SET rowid = rowid + 1",
        "DELETE FROM {0}",
        "REPLACE INTO {0} SELECT * FROM {0}",
        "INSERT OR REPLACE INTO {0} SELECT * FROM {0} LIMIT 1",
    ],
)
def test_history_refuses_to_be_rewritten(store: Store, table: str, statement: str) -> None:
    store.decide(replace(decision("f1"), token="t"))
    with raw(store) as connection:
        before = connection.execute(f"SELECT * FROM {table}").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match=r"append-only|does not follow"):
            connection.execute(statement.format(table))
        assert before
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == before


def test_a_decision_cannot_be_replaced_through_its_token(store: Store) -> None:
    store.decide(replace(decision("f1"), token="t"))
    with raw(store) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(
            "INSERT OR REPLACE INTO decision (subject, reader, act, payload, note, seconds, after_seq, token,"
            " app_version, created) SELECT subject, reader, 'REJECT', payload, note, seconds, seq, token,"
            " app_version, created FROM decision"
        )


def test_the_database_itself_keeps_the_chain(store: Store) -> None:
    store.decide(decision("f1"))
    with raw(store) as connection, pytest.raises(sqlite3.IntegrityError, match="does not follow"):
        connection.execute(
            "INSERT INTO decision (subject, reader, act, payload, note, seconds, after_seq, token, app_version,"
            " created) SELECT subject, reader, 'REJECT', payload, '', 0.0, 0, '', '', created FROM decision"
        )


def test_reads_cannot_write(store: Store) -> None:
    with store._reader.begin() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("INSERT INTO setting VALUES ('a', 'b')")


def test_writers_are_durable_and_keep_keys(store: Store) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    with store._writer.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert found == ["wal", 2, 1]


def test_the_view_has_the_columns_that_the_program_reads(store: Store) -> None:
    with raw(store) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(current_subject)")]
    assert set(current_subject.c.keys()) <= set(names)


# Files


def test_everything_is_there_after_opening_again(store: Store) -> None:
    store.decide(decision("f1"))
    before = store.subjects(STUDY.study_uid, "ada")
    store.close()
    assert Store(store.file.parent).subjects(STUDY.study_uid, "ada") == before
    assert Store(store.file).file.name == FILE_NAME


def test_a_newer_file_is_refused_and_names_what_it_needs(store: Store) -> None:
    store.save_setting("program", "7.1.0")
    store.close()
    with raw(store) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(UserError, match=r"library version 9.*Install Overread 7\.1\.0 or later"):
        Store(store.file)


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.sqlite3"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE note (line TEXT)")
    with pytest.raises(UserError, match="not an Overread library"):
        Store(foreign)
    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(b"this is not a database at all" * 200)
    with pytest.raises(UserError, match="cannot be opened"):
        Store(damaged)


def test_a_backup_is_whole_and_opens_as_a_library(store: Store, tmp_path: Path) -> None:
    store.decide(decision("f1"))
    target = tmp_path / "copies" / "monday.sqlite3"
    store.backup(target)
    store.decide(decision("mine", Act.ADD))
    store.backup(target)
    assert [p.name for p in target.parent.iterdir()] == ["monday.sqlite3"]
    assert Store(target).decisions() == store.decisions()
    with pytest.raises(UserError, match="itself"):
        store.backup(store.file)


def test_a_damaged_library_gives_no_backup(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite3"
    target.write_text("the last good copy")
    store.close()
    with raw(store) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO seen VALUES ('nobody', 'nothing', '')")
    with pytest.raises(UserError, match="failed its check"):
        store.backup(target)
    assert target.read_text() == "the last good copy"
    assert not list(tmp_path.glob("*.part"))


def test_the_store_loads_nothing_heavy() -> None:
    script = (
        "import sys, db.store; heavy = {'torch', 'gradio', 'SimpleITK', 'scipy', 'pydicom', 'transformers', 'nibabel'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
