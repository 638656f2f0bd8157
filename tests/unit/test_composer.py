"""The report that follows from findings."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain.geometry import Geometry, Unit
from backend.domain.region import Box3D, Mask
from backend.domain.review import (
    Act,
    Code,
    Decision,
    Finding,
    Kind,
    Measurement,
    ModelVersion,
    Proposal,
    Sentence,
    Subject,
)
from backend.domain.study import Series
from backend.language import wording
from backend.language.composer import COMPOSER, CONFIRMED, ExpertRun, compose, outdated, withdrawn
from tests.unit.test_store import make_series

MODEL = ModelVersion("CT_ANATOMY", "1", "0" * 64, "Apache-2.0")
STUDY, SERIES = "1.2.3", "1.2.3.1"
CT = make_series()
REGION = Mask("12" * 32, Box3D(1, 2, 3, 4, 5, 6), 30)


def grid(
    spacing: tuple[float, float, float] = (3.0, 0.5, 0.5),
    unit: Unit = Unit.MM,
    k: int = 40,
    unsafe: tuple[str, ...] = (),
) -> Geometry:
    return Geometry.of((k, 64, 64), np.diag([*spacing, 1.0]), unit=unit, unsafe=unsafe)


def finding(meaning: str, site: str = "", present: bool = True, **figures: tuple[float, str]) -> Finding:
    measurements = tuple(Measurement(n.replace("_", " "), v, u) for n, (v, u) in figures.items())
    return Finding(SERIES, Code(meaning), (REGION,), present, site, measurements=measurements)


def proposed(subject: str, value: Finding | Sentence, model: ModelVersion = MODEL, seq: int = 1) -> Subject:
    kind = Kind.FINDING if isinstance(value, Finding) else Kind.SENTENCE
    return Subject(subject, kind, STUDY, Proposal(subject, kind, STUDY, value, model, seq=seq), None)


def decided(subject: Subject, act: Act, seq: int, value: Finding | Sentence | None = None) -> Subject:
    said = None if act is Act.RETRACT else value or subject.value
    return replace(subject, decision=Decision(subject.id, subject.kind, STUDY, "ada", act, said, seq=seq))


def added(subject: str, value: Finding | Sentence, seq: int = 1) -> Subject:
    kind = Kind.FINDING if isinstance(value, Finding) else Kind.SENTENCE
    return decided(Subject(subject, kind, STUDY, None, None), Act.ADD, seq, value)


def follow(subjects: list[Subject], ran: tuple[ExpertRun, ...] = (), series: Series = CT) -> list[Subject]:
    """The subjects with what the composer proposes about them, as the store would give them back."""
    by_id = {s.id: s for s in subjects}
    for p in compose(STUDY, [series], subjects, "ada", ran):
        by_id[p.subject] = replace(by_id.get(p.subject, Subject(p.subject, p.kind, STUDY, None, None)), proposal=p)
    return list(by_id.values())


def said(subjects: list[Subject], section: str = "Findings") -> list[str]:
    """The report's texts in a section, in order of position."""
    gone = withdrawn(subjects)
    sentences = [s.value for s in subjects if isinstance(s.value, Sentence) and s.id not in gone]
    return [s.text for s in sorted(sentences, key=lambda s: s.position) if s.section == section]


def only(value: Finding, series: Series = CT) -> str:
    (text,) = said(follow([proposed("f1", value)], series=series))
    return text


NODULE = finding("Nodule", "right upper zone", longest_diameter=(14.4, "mm"), mean=(31.6, "HU"))


# Wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NODULE, "Nodule in the right upper zone, 14 mm longest diameter, mean 32 HU."),
        (replace(NODULE, code=Code("Region")),
         "Marked region in the right upper zone, 14 mm longest diameter, mean 32 HU."),
        (finding("Right lung", "right", volume=(2149.0, "mL"), mean=(-789.6, "HU"), longest_diameter=(240.0, "mm")),
         "Right lung: volume 2.1 L, mean -790 HU."),
        (finding("Air-filled lung", "left", volume=(999.4, "mL")), "Left air-filled lung: volume 999 mL."),
        (finding("Body", volume=(25311.0, "mL"), mean=(-0.2, "HU")), "Body: volume 25.3 L, mean 0 HU."),
        (finding("Bone"), "Bone: outlined."),
        (finding("Fractured rib", "left lower zone"), "Fractured rib in the left lower zone."),
        (finding("Opacity", "near the right hilum"), "Opacity near the right hilum."),
        (finding("Opacity", "the right hilum"), "Opacity in the right hilum."),
        (finding("CT sign", "Left base"), "CT sign in the left base."),
        (finding("Lesion", volume=(3.24, "mL")), "Lesion, volume 3.2 mL."),
        (finding("Lesion", volume=(41.7, "mL")), "Lesion, volume 42 mL."),
        (finding("Lesion", mean=(2.345, "SUVbw"), maximum=(9.0, "SUVbw")), "Lesion, mean SUVbw 2.3."),
        (finding("Lesion", mean=(112.0, "1")), "Lesion."),
    ],
)  # fmt: skip
def test_a_finding_is_said_with_its_measurements(value: Finding, text: str) -> None:
    assert only(value) == text


def test_no_more_digits_than_the_image_supports() -> None:
    coarse, fine = replace(CT, geometry=grid((5.0, 1.0, 1.0))), replace(CT, geometry=grid((0.4, 0.2, 0.2)))
    small = finding("Lesion", longest_diameter=(4.56, "mm"), volume=(0.0456, "mL"))
    assert only(small, fine) == "Lesion, 4.6 mm longest diameter, volume 0.046 mL."
    assert only(small, coarse) == "Lesion, 5 mm longest diameter, volume 0.05 mL."
    huge_voxels = replace(CT, geometry=grid((20.0, 10.0, 10.0)))
    assert only(finding("Lesion", volume=(0.3, "mL")), huge_voxels) == "Lesion, volume less than 1 mL."


def test_millimetres_are_never_said_of_an_uncalibrated_image() -> None:
    flat = replace(CT, modality="DX", geometry=grid(unit=Unit.PIXEL, k=1))
    value = finding("Nodule", longest_diameter=(14.0, "mm"), volume=(3.0, "mL"))
    assert only(value, flat) == "Nodule."
    assert only(finding("Nodule", longest_diameter=(52.3, "px")), flat) == "Nodule, 52 px longest diameter."
    assert only(replace(value, series_uid="9.9")) == "Nodule."


def test_nothing_across_slices_is_said_where_the_grid_is_unsafe() -> None:
    unsafe = replace(CT, geometry=grid(unsafe=("Slice spacing is not uniform.",)))
    value = finding("Nodule", longest_diameter=(14.0, "mm"), volume=(3.0, "mL"), mean=(3.0, "HU"))
    assert only(value, unsafe) == "Nodule, mean 3 HU."
    one_slice = replace(value, regions=(Box3D(3, 1, 1, 3, 9, 9),))
    assert only(one_slice, unsafe) == "Nodule, 14 mm longest diameter, mean 3 HU."
    (technique,) = said(follow([], series=unsafe), "Technique")
    assert technique.endswith("no measurement across slices is given: slice spacing is not uniform.")


@pytest.mark.parametrize(
    ("series", "text"),
    [
        (CT, "CT of the chest, 40 slices, 3 mm apart."),
        (replace(CT, modality="MR", body_part="", geometry=grid((0.625, 1, 1))),
         "MR imaging, 40 slices, 0.62 mm apart."),
        (replace(CT, modality="DX", geometry=grid((1, 0.143, 0.143), k=1)),
         "Radiograph of the chest, pixel spacing 0.14 mm."),
        (replace(CT, modality="OT", body_part="X<b>", geometry=grid(unit=Unit.PIXEL, k=1)),
         "Image, not calibrated: no lengths are given."),
        (replace(CT, geometry=grid(k=1)), "CT of the chest, 1 slice, pixel spacing 0.5 mm."),
    ],
)  # fmt: skip
def test_technique_is_one_sentence_from_the_series(series: Series, text: str) -> None:
    assert said(follow([], series=series), "Technique") == [text]


def test_both_sides_share_a_sentence_and_survive_the_loss_of_one() -> None:
    right = proposed("r", finding("Right lung", "right", volume=(2149.0, "mL"), mean=(-790.0, "HU")))
    left = proposed("l", finding("Left lung", "left", volume=(1890.0, "mL"), mean=(-781.0, "HU")))
    both = follow([left, right])
    assert said(both) == ["Lung: right volume 2.1 L, mean -790 HU; left volume 1.9 L, mean -781 HU."]
    (sentence,) = [s for s in both if isinstance(s.value, Sentence) and s.value.finding_ids]
    assert sentence.value == replace(sentence.value, finding_ids=("r", "l"))
    one = follow([decided(s, Act.REJECT, 5) if s.id == "l" else s for s in both])
    assert said(one) == ["Right lung: volume 2.1 L, mean -790 HU."]
    none = follow([decided(s, Act.REJECT, 6) if s.id == "r" else s for s in one])
    assert said(none) == []
    bare = follow([proposed("r", finding("Right lung", "right")), proposed("l", finding("Left lung", "left"))])
    assert said(bare) == ["Right and left lung outlined."]


# What follows from decisions


def test_each_sentence_names_its_findings_model_and_audience() -> None:
    (p,) = compose(STUDY, [], [proposed("f1", NODULE)], "ada", ())
    assert (p.subject, p.kind, p.model, p.audience) == ("sentence:f1", Kind.SENTENCE, COMPOSER, "ada")
    assert isinstance(p.value, Sentence)
    assert p.value.finding_ids == ("f1",)


def test_what_stands_already_is_not_proposed_again() -> None:
    subjects = follow([proposed("f1", NODULE), proposed("f2", finding("Body"))])
    assert compose(STUDY, [CT], subjects, "ada", ()) == []


def test_an_edit_changes_its_own_sentence_only() -> None:
    subjects = follow([proposed("f1", NODULE), proposed("f2", finding("Lesion"))])
    edited = [decided(s, Act.EDIT, 3, replace(NODULE, site="left upper zone")) if s.id == "f1" else s for s in subjects]
    changed = [p.subject for p in compose(STUDY, [CT], edited, "ada", ())]
    assert changed == ["sentence:f1", "sentence:impression:1.2.3"]
    assert "left upper zone" in said(follow(edited))[0]


def test_a_rejected_finding_loses_its_sentence_and_gets_it_back() -> None:
    subjects = follow([proposed("f1", NODULE)])
    rejected = follow([decided(s, Act.REJECT, 2) if s.id == "f1" else s for s in subjects])
    assert withdrawn(rejected) == {"sentence:f1"}
    back = follow([decided(s, Act.RETRACT, 3) if s.id == "f1" else s for s in rejected])
    assert said(back) == said(subjects)


def test_an_unsure_finding_is_only_possible() -> None:
    (text,) = said(follow([decided(proposed("f1", NODULE), Act.UNSURE, 1)]))
    assert text.startswith("Possible nodule in the right upper zone")


def test_a_renamed_finding_leaves_the_sentence_it_shared() -> None:
    subjects = follow([proposed("r", finding("Right lung", "right"))])
    renamed = [decided(s, Act.EDIT, 2, finding("Mass", "right")) if s.id == "r" else s for s in subjects]
    assert said(follow(renamed)) == ["Right mass."]


def test_a_decided_sentence_is_left_alone_and_reported_when_its_finding_changes() -> None:
    subjects = follow([proposed("f1", NODULE)])
    accepted = [decided(s, Act.ACCEPT, 1) if s.id == "sentence:f1" else s for s in subjects]
    assert outdated(accepted) == {}
    same = [decided(s, Act.ACCEPT, 2) if s.id == "f1" else s for s in accepted]
    assert outdated(same) == {}
    edited = [decided(s, Act.EDIT, 3, replace(NODULE, site="left")) if s.id == "f1" else s for s in accepted]
    assert "sentence:f1" not in {p.subject for p in compose(STUDY, [CT], edited, "ada", ())}
    assert list(outdated(edited)) == ["sentence:f1"]
    assert "edited" in outdated(edited)["sentence:f1"]
    rejected = [decided(s, Act.REJECT, 4) if s.id == "f1" else s for s in accepted]
    assert "rejected" in outdated(rejected)["sentence:f1"]
    assert withdrawn(rejected) == set()
    again = [decided(s, Act.ACCEPT, 9) if s.id == "sentence:f1" else s for s in edited]
    assert outdated(again) == {}


def test_a_removed_addition_is_reported() -> None:
    sentence = added("mine", Sentence("Findings", 5.0, "A scar.", ("f9",)), 2)
    gone = decided(Subject("f9", Kind.FINDING, STUDY, None, None), Act.RETRACT, 3)
    assert "removed" in outdated([sentence, gone])["mine"]


def test_the_impression_lists_what_the_reader_confirmed_and_no_anatomy() -> None:
    subjects = follow([proposed("f1", NODULE), proposed("f2", finding("Right lung", "right", volume=(2000.0, "mL")))])
    assert said(subjects, "Impression") == []
    accepted = follow([decided(s, Act.ACCEPT, 1) if s.id in ("f1", "f2") else s for s in subjects])
    assert said(accepted, "Impression") == [
        "Confirmed by the reader: nodule in the right upper zone, 14 mm longest diameter."
    ]
    both = follow([*accepted, added("f3", finding("Mass", "left"), 2)])
    assert said(both, "Impression")[0].endswith("longest diameter; left mass.")
    undone = follow([decided(s, Act.RETRACT, 4) if s.id == "f1" else s for s in accepted])
    assert said(undone, "Impression") == []
    assert said(undone) == said(subjects)


def test_a_decided_impression_that_leaves_out_a_later_finding_is_reported() -> None:
    subjects = follow([decided(proposed("f1", NODULE), Act.ACCEPT, 1)])
    signed = [decided(s, Act.ACCEPT, 2) if "impression" in s.id else s for s in subjects]
    assert outdated(signed) == {}
    assert "leaves out" in outdated([*signed, added("f2", finding("Mass"), 3)])["sentence:impression:1.2.3"]


# Absence


RUN = ExpertRun("CXR_CHECK", ("Pneumothorax",), SERIES)


def test_nothing_is_absent_unless_an_expert_that_excludes_it_has_run() -> None:
    absent = proposed("f1", finding("Pneumothorax", present=False))
    assert said(follow([absent])) == []
    assert said(follow([absent], (replace(RUN, excludes=("Nodule",)),))) == ["No nodule identified by CXR_CHECK."]
    elsewhere = follow([absent], (replace(RUN, series_uid="9.9"),))
    assert [s.id for s in elsewhere if isinstance(s.value, Sentence) and s.value.section == "Findings"] == [
        "sentence:absent:9.9:pneumothorax"
    ]
    assert said(follow([absent], (RUN,))) == ["No pneumothorax identified by CXR_CHECK."]


def test_an_expert_that_found_nothing_says_so_once() -> None:
    assert said(follow([], (RUN, RUN))) == ["No pneumothorax identified by CXR_CHECK."]
    assert said(follow([proposed("f1", finding("pneumothorax", "left"))], (RUN,))) == ["Left pneumothorax."]


def test_a_rejected_finding_is_not_thereby_absent() -> None:
    subjects = [decided(proposed("f1", finding("Pneumothorax")), Act.REJECT, 1)]
    assert said(follow(subjects, (RUN,))) == []


def test_an_absence_goes_when_the_reader_finds_it_and_is_reported_when_decided() -> None:
    subjects = follow([], (RUN,))
    assert said(follow([*subjects, added("f9", finding("Pneumothorax"), 3)], (RUN,))) == ["Pneumothorax."]
    accepted = [decided(s, Act.ACCEPT, 1) if "absent" in s.id else s for s in subjects]
    assert outdated(accepted) == {}
    (reason,) = outdated([*accepted, added("f9", finding("Pneumothorax"), 3)]).values()
    assert "absent" in reason


def test_a_readers_own_absence_does_not_outlive_its_decision() -> None:
    subjects = [proposed("f1", finding("Pneumothorax", present=False))]
    accepted = follow([decided(subjects[0], Act.ACCEPT, 1)])
    assert said(accepted) == ["No pneumothorax."]
    undone = follow([decided(s, Act.RETRACT, 2) if s.id == "f1" else s for s in accepted])
    assert said(undone) == ["Pneumothorax: absence not established."]


# For any course of decisions

MEANINGS = st.sampled_from(["Right lung", "Left lung", "Nodule", "Pneumothorax", "Body", "region", "Bone"])
FINDINGS = st.builds(
    finding,
    MEANINGS,
    st.sampled_from(["", "right", "left", "right upper zone", "the left hilum"]),
    st.booleans(),
    volume=st.tuples(st.floats(0.001, 9e4), st.just("mL")),
    longest_diameter=st.tuples(st.floats(0.1, 900), st.sampled_from(["mm", "px"])),
    mean=st.tuples(st.floats(-1100, 3000), st.just("HU")),
)
ACTS = [Act.ACCEPT, Act.EDIT, Act.REJECT, Act.UNSURE, Act.RETRACT]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(FINDINGS, max_size=5),
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(ACTS), FINDINGS), max_size=8),
    st.booleans(),
)
def test_any_course_of_decisions_leaves_a_report_that_agrees_with_the_findings(
    findings: list[Finding], course: list[tuple[int, Act, Finding]], has_run: bool
) -> None:
    ran = (RUN,) if has_run else ()
    subjects = follow([proposed(f"f{n}", f) for n, f in enumerate(findings)], ran)
    for seq, (which, act, value) in enumerate(course, 1):
        chosen = subjects[which % len(subjects)].id
        subjects = follow(
            [
                decided(s, act, seq, value if act is Act.EDIT and s.kind is Kind.FINDING else s.value)
                if s.id == chosen and not (act is not Act.RETRACT and s.value is None)
                else s
                for s in subjects
            ],
            ran,
        )
        assert compose(STUDY, [CT], subjects, "ada", ran) == []
    gone = withdrawn(subjects)
    shown = [(s, s.value) for s in subjects if isinstance(s.value, Sentence) and s.id not in gone]
    standing = {s.id: s.value for s in subjects if isinstance(s.value, Finding) and s.state is not Act.REJECT}
    for s, sentence in shown:
        assert re.fullmatch(r"[A-Z].*\.", sentence.text)
        if s.state is None:
            assert set(sentence.finding_ids) <= standing.keys()
            said_by_reader = any(f.id in sentence.finding_ids and f.state in CONFIRMED for f in subjects)
            assert not sentence.text.startswith("No ") or has_run or said_by_reader
    linked = {i for _, sentence in shown for i in sentence.finding_ids}
    shared_and_decided = any(s.state is not None and s.id.startswith("sentence:CT_ANATOMY:") for s, _ in shown)
    for i, value in standing.items():
        assert i in linked or not value.present or shared_and_decided


def test_boxes_and_areas_are_said() -> None:
    sides = tuple(Measurement("extent", value, "mm") for value in (7.0, 21.4, 14.6))
    box = replace(finding("Nodule", site="right upper zone"), measurements=sides)
    assert wording.measured(box, make_series().geometry) == ["box of 21 × 15 × 7 mm"]
    area = replace(finding("Right lung"), measurements=(Measurement("area", 22353.0, "mm2"),))
    assert wording.measured(area, make_series().geometry) == ["area 224 cm²"]
