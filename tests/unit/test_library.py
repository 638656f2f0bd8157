"""Jobs, exports and the data folder, without a browser."""

import json
import uuid
from contextlib import closing
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image
from pydicom import examples

from backend.domain.geometry import Geometry
from backend.domain.job import JobState
from backend.domain.review import Act, Decision, Finding, Kind, Reason
from backend.engine import Worker
from ui.exporting import export_corrections, export_masks
from ui.jobs import propose_job, read_in, run_job
from ui.library import Library, set_aside
from ui.session import Session


def imported(library: Library, path: Path) -> None:
    with closing(Worker()) as worker:
        assert read_in(library, worker, [path], lambda event: None) == []


def decide(session: Session, study_uid: str, name: str, act: Act, reason: Reason | None = None) -> None:
    for subject in session.open(study_uid).subjects:
        if isinstance(subject.value, Finding) and subject.value.code.meaning == name:
            word = Decision(
                subject.id, Kind.FINDING, study_uid, "", act, subject.value, reason, token=str(uuid.uuid4())
            )
            session.decide(word)
            return
    raise AssertionError(f"no finding is called {name}")


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Library:
    """The real abdominal CT, proposed on by CT_ANATOMY, with one accepted and one rejected finding."""
    library = Library(tmp_path_factory.mktemp("library"))
    imported(library, shared_data / "nifti" / "ct_abdomen_totalseg" / "ct.nii.gz")
    [series] = library.store.all_series()
    job = library.store.add_job(propose_job(series, "CT_ANATOMY"))
    claimed = library.store.claim_job(job.id)
    assert claimed is not None
    with closing(Worker()) as worker:
        done = run_job(library, worker, claimed)
    assert done.state is JobState.DONE, done.error
    session = Session(library, "A. Reader")
    decide(session, series.study_uid, "Bone", Act.ACCEPT)
    decide(session, series.study_uid, "Body", Act.REJECT, Reason.WRONG_EXTENT)
    return library


def test_masks_lie_on_the_files_own_grid(reviewed: Library, tmp_path: Path, shared_data: Path) -> None:
    files = export_masks(reviewed, tmp_path, "")
    masks = [path for path in files if path.name.endswith(".nii.gz")]
    assert [path.name.startswith("bone-") for path in masks] == [True]  # rejected ones are not exported
    source = shared_data / "nifti" / "ct_abdomen_totalseg" / "ct.nii.gz"
    image, mask = nibabel.load(source), nibabel.load(masks[0])
    assert mask.shape == image.shape
    np.testing.assert_array_equal(mask.affine, image.affine)
    itk_image, itk_mask = SimpleITK.ReadImage(str(source)), SimpleITK.ReadImage(str(masks[0]))
    assert itk_mask.GetOrigin() == pytest.approx(itk_image.GetOrigin())
    assert itk_mask.GetDirection() == pytest.approx(itk_image.GetDirection())
    values = np.asarray(image.dataobj)[np.asarray(mask.dataobj) > 0]
    assert np.median(values) > 150  # a flipped mask would hold soft tissue


def test_corrections_hold_proposal_act_and_model_and_no_path(reviewed: Library, tmp_path: Path) -> None:
    [path] = export_corrections(reviewed, tmp_path, "")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {row["act"] for row in rows} == {"ACCEPT", "REJECT"}
    for row in rows:
        assert row["proposed"] is not None
        assert row["reader"] == "A. Reader"
        assert "CT_ANATOMY" in json.dumps(row)
    assert "/" not in json.dumps([row["proposed"] for row in rows])
    assert export_corrections(reviewed, tmp_path, "Somebody Else")[0].read_text() == ""


def test_report_follows_the_findings(reviewed: Library) -> None:
    [series] = reviewed.store.all_series()
    texts = [
        s.value.text
        for s in Session(reviewed, "A. Reader").open(series.study_uid).subjects
        if s.kind is Kind.SENTENCE and s.value
    ]
    assert any(text.startswith("Bone") for text in texts)
    assert not any(text.startswith("Body") for text in texts)
    fresh = Session(reviewed, "B. Reader").open(series.study_uid).subjects
    assert any(s.kind is Kind.SENTENCE and s.value and s.value.text.startswith("Body") for s in fresh)


def test_running_an_expert_twice_adds_no_second_list(reviewed: Library) -> None:
    [series] = reviewed.store.all_series()
    before = len(reviewed.store.subjects(series.study_uid, "C. Reader"))
    job = reviewed.store.claim_job(reviewed.store.add_job(propose_job(series, "CT_ANATOMY")).id)
    assert job is not None
    with closing(Worker()) as worker:
        run_job(reviewed, worker, job)
    assert len(reviewed.store.subjects(series.study_uid, "C. Reader")) == before


def test_killed_worker_fails_only_its_job(reviewed: Library) -> None:
    [series] = reviewed.store.all_series()
    job = reviewed.store.claim_job(reviewed.store.add_job(propose_job(series, "CT_ANATOMY")).id)
    assert job is not None
    with closing(Worker()) as worker:

        def kill(_: object) -> None:
            assert worker._process is not None
            worker._process.kill()

        failed = run_job(reviewed, worker, job, kill)
        assert failed.state is JobState.FAILED
        assert "ended before it was done" in failed.error
        worker.run("warm", {})  # the lane works again


def test_cancelled_job_stops(reviewed: Library) -> None:
    [series] = reviewed.store.all_series()
    job = reviewed.store.claim_job(reviewed.store.add_job(propose_job(series, "CT_ANATOMY")).id)
    assert job is not None
    with closing(Worker()) as worker:
        ended = run_job(reviewed, worker, job, lambda event: reviewed.store.cancel_job(job.id) and None)
    assert ended.state is JobState.CANCELLED


def test_a_library_set_aside_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert set_aside(folder) is None
    key = Library(folder).key()
    aside = set_aside(folder)
    assert aside is not None
    assert not folder.exists()
    assert Library(aside).key() == key


def test_geometry_of_a_ct_survives_the_library(reviewed: Library, shared_data: Path) -> None:
    [series] = reviewed.store.all_series()
    itk = SimpleITK.ReadImage(str(shared_data / "nifti" / "ct_abdomen_totalseg" / "ct.nii.gz"))
    geometry: Geometry = series.geometry
    for index in [(0, 0, 0), (5, 17, 40)]:
        assert geometry.world(index) == pytest.approx(itk.TransformIndexToPhysicalPoint(index[::-1]), abs=1e-3)


def test_other_pixels_under_a_known_uid_are_refused_and_the_rest_is_imported(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, value in ((first, 1), (second, 2)):
        folder.mkdir()
        image = pydicom.dcmread(examples.get_path("ct"))
        image.PixelData = (image.pixel_array * 0 + value).tobytes()
        image.save_as(folder / "slice.dcm")
    Image.new("L", (9, 9), 7).save(second / "other.png")
    library = Library(tmp_path / "data")
    imported(library, first)
    with closing(Worker()) as worker:
        notes = read_in(library, worker, [second], lambda event: None)
    assert len(notes) == 1
    assert "same Series Instance UID" in notes[0]
    assert {series.modality for series in library.store.all_series()} == {"CT", "OT"}


def test_a_caller_that_gives_up_leaves_nothing_for_the_next(reviewed: Library) -> None:
    """What is left of its request in the pipe must not be taken for the answer to the next one."""
    [series] = reviewed.store.all_series()

    def give_up(_: object) -> None:
        raise RuntimeError("the caller has a fault")

    with closing(Worker()) as worker:
        with pytest.raises(RuntimeError):
            worker.run("propose", reviewed.worker_arguments(series) | {"expert": "CT_ANATOMY"}, give_up)
        box = {"k0": 0, "j0": 0, "i0": 0, "k1": 1, "j1": 9, "i1": 9}
        answer = worker.run("measure", reviewed.worker_arguments(series) | {"box": box})
    assert [m["name"] for m in answer["measurements"]] == ["extent"] * 3
