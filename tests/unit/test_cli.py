"""The console script, command by command, on real files in a real data folder."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from backend.phantoms.chest_ct import chest_ct
from ui.cli import main

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with --json on a data folder of its own: (status, the one document on stdout)."""

    def command(*arguments: object) -> tuple[int, Any]:
        status = main([*map(str, arguments), "--data", str(tmp_path / "data"), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return command


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The procedural chest CT, small, as NIfTI."""
    volume = chest_ct(seed=3, shape=(64, 128, 128)).volume
    affine = volume.geometry.matrix[:, [2, 1, 0, 3]]  # columns i, j, k
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    path = tmp_path_factory.mktemp("scans") / "chest.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.asarray(volume.array).T, ras), path)
    return path


def test_import_is_idempotent_and_lists_what_it_refused(run: Run, ct: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"no image at all")
    status, first = run("import", ct, broken)
    assert status == 0
    assert [one["new"] for one in first["imported"]] == [True]
    assert [Path(one["path"]).name for one in first["refused"]] == ["broken.dcm"]
    assert first["refused"][0]["what"]
    _, again = run("import", ct)
    assert [one["new"] for one in again["imported"]] == [False]
    _, studies = run("studies")
    assert len(studies["studies"]) == 1
    assert ct.exists()


def test_propose_then_export_corrections(run: Run, ct: Path, tmp_path: Path) -> None:
    _, imported = run("import", ct)
    uid = imported["imported"][0]["series_uid"]
    status, proposed = run("propose", uid, "--expert", "CT_ANATOMY")
    assert status == 0
    names = {finding["code"]["meaning"] for finding in proposed["findings"]}
    assert {"Body", "Bone", "Air-filled right lung", "Air-filled left lung"} <= names
    status, exported = run("export", "--format", "jsonl", "--out", tmp_path / "out")
    assert status == 0
    assert Path(exported["files"][0]).read_text() == ""  # proposals nobody decided on are no corrections


def test_the_gate_refuses_with_a_reason(run: Run, ct: Path) -> None:
    _, imported = run("import", ct)
    status, said = run("propose", imported["imported"][0]["series_uid"], "--expert", "CXR_LUNGS")
    assert status == 1
    assert "this series is CT" in said["error"]["found"]


def test_segment_gives_a_mask_on_the_files_own_grid(run: Run, ct: Path, tmp_path: Path) -> None:
    image = nibabel.load(ct)
    phantom = chest_ct(seed=3, shape=(64, 128, 128))
    heart = dict(phantom.truth)["heart"]
    k, j, i = (int(v) for v in np.argwhere(heart).mean(axis=0).round())
    out = tmp_path / "masks" / "heart.nii.gz"
    status, said = run("segment", ct, "--point", f"{k},{j},{i}", "--out", out)
    assert status == 0
    mask = nibabel.load(out)
    assert mask.shape == image.shape
    np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5)
    voxels = np.asarray(mask.dataobj)
    assert voxels[i, j, k] == 1  # NIfTI counts (i, j, k)
    assert int(voxels.sum()) == said["voxels"]


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        (["--point", "999,0,0"], "outside the image"),
        (["--point", "1,1,1:-"], "Nothing says what"),
        ([], "Nothing says what"),
        (["--box", "0,0,0,1,1,999"], "outside the image"),
    ],
)
def test_segment_refuses_marks_in_words(run: Run, ct: Path, tmp_path: Path, marks: list[str], words: str) -> None:
    status, said = run("segment", ct, *marks, "--out", tmp_path / "m.nii.gz")
    assert status == 1
    assert words in said["error"]["what"]
    assert not (tmp_path / "m.nii.gz").exists()


def test_inspect_says_what_a_file_is(run: Run, ct: Path, tmp_path: Path) -> None:
    status, said = run("inspect", ct, tmp_path / "absent.nii")
    assert status == 1
    assert [one["ok"] for one in said] == [True, False]
    assert said[0]["series"][0]["shape"] == [64, 128, 128]
    assert set(said[1]["error"]) == {"what", "found", "next"}


def test_backup_holds_everything_and_comes_back(run: Run, ct: Path, tmp_path: Path) -> None:
    _, imported = run("import", ct)
    run("propose", imported["imported"][0]["series_uid"], "--expert", "CT_ANATOMY")
    file = tmp_path / "backup.sqlite3"
    status, said = run("backup", file)
    assert status == 0
    assert said["masks"] >= 4
    with sqlite3.connect(file) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    restored = tmp_path / "restored"
    assert main(["restore", str(file), "--data", str(restored)]) == 0
    original = {path.name: path.read_bytes() for path in (tmp_path / "data" / "masks").glob("*/*")}
    assert {path.name: path.read_bytes() for path in (restored / "masks").glob("*/*")} == original
    assert (restored / "key").read_bytes() == (tmp_path / "data" / "key").read_bytes()
    assert main(["restore", str(file), "--data", str(restored)]) == 1  # nothing is overwritten


def test_models_have_cards(run: Run) -> None:
    _, said = run("models")
    assert {card["name"] for card in said["models"]} >= {"CT_ANATOMY", "CT_SPOTS", "CXR_LUNGS", "PROMPT"}
    for card in said["models"]:
        assert card["licence"]
        assert card["assumptions"]
        assert card["memory_mb"] > 0
        assert card["accuracy"], f"{card['name']} states no measured accuracy"


def test_doctor_gives_a_remedy_with_every_warning(run: Run) -> None:
    status, said = run("doctor")
    assert status == 0
    assert all(check["remedy"] for check in said["checks"] if check["verdict"] != "PASS")


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["segment"], ["segment", "x", "--point", "1,2"]])
def test_wrong_usage_is_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_help_teaches_without_loading_anything_heavy() -> None:
    code = """
import sys
from ui.cli import parser
assert "SERIES_UID" in parser().format_help()
heavy = {"torch", "gradio", "SimpleITK", "pydicom", "scipy", "nibabel"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "name", ["cxr_nih_boxes/images/00001250_006.png", "nifti/mr_brain1_tumour_nrrd/brain1_image.nrrd"]
)
def test_segment_reads_pictures_and_nrrd_too(run: Run, tmp_path: Path, shared_data: Path, name: str) -> None:
    _, looked = run("inspect", shared_data / name)
    shape = looked[0]["series"][0]["shape"]
    k, j, i = (n // 2 for n in shape)
    status, said = run("segment", shared_data / name, "--point", f"{k},{j},{i}", "--out", tmp_path / "m.nii.gz")
    assert status == 0
    assert said["voxels"] > 0
    assert nibabel.load(tmp_path / "m.nii.gz").shape == tuple(reversed(shape))


def test_originals_are_never_overwritten(run: Run, ct: Path, tmp_path: Path) -> None:
    before = ct.read_bytes()
    status, said = run("segment", ct, "--point", "30,64,64", "--out", ct)
    assert status == 1
    assert "overwrite" in said["error"]["what"]
    status, said = run("backup", ct)
    assert status == 1
    assert "not a backup" in said["error"]["what"]
    assert ct.read_bytes() == before


def test_what_the_machine_refuses_is_said_in_words(run: Run, ct: Path) -> None:
    run("import", ct)
    status, said = run("export", "--format", "jsonl", "--out", "/proc/nowhere")
    assert status == 1
    assert said["error"]["found"]


def test_wrong_usage_is_json_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["overread", "propose", "--json"])
    with pytest.raises(SystemExit) as ended:
        main(["propose", "--json"])
    assert ended.value.code == 2
    assert "SERIES_UID" in json.loads(capsys.readouterr().out)["error"]["found"]
