"""`inspect` against what every real file must decode to, and against hostile ones."""

import ast
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.imaging.inspect import inspect
from tests.unit.synthetic_dicom import save_stack

KEYS = {
    *(
        "series_uid",
        "modality",
        "shape",
        "dtype",
        "min",
        "max",
        "pixels_sha256",
        "spacing_mm",
        "direction",
        "origin_mm",
    ),
    *("transfer_syntax", "photometric", "warnings"),
}
LOSSY = ("JPEG Baseline", "JPEG Extended")
"""Decoders of these may differ by rounding, so their hashes are not compared."""


def expected(shared: Path) -> Iterator[dict[str, str]]:
    with (shared / "DECODE.tsv").open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file, delimiter="\t") if row["kind"] not in ("sidecar", "wfdb"))


def kji(row: dict[str, str]) -> tuple[int, ...]:
    """The table's shape as (k, j, i[, 3]): NIfTI there is (i, j, k[, t]), single images have no k."""
    shape: tuple[int, ...] = ast.literal_eval(row["shape"])
    if row["kind"] == "nifti":
        return shape[2::-1]
    colour = len(shape) > 2 and shape[-1] == 3 and row["photometric"] not in ("MONOCHROME1", "MONOCHROME2")
    single = len(shape) == (3 if colour and row["kind"] != "nrrd" else 2)
    return (1, *shape) if single else shape


def test_every_real_file_decodes_to_what_it_must(shared_data: Path) -> None:
    wrong = []
    for row in expected(shared_data):
        if row["result"] != "OK":
            continue
        found = inspect(shared_data / row["path"]).to_json()
        if not found["ok"] or len(found["series"]) != 1:
            wrong.append((row["path"], found["error"]))
            continue
        (series,) = found["series"]
        if tuple(series["shape"]) != kji(row) or series["dtype"] != row["dtype"]:
            wrong.append((row["path"], series["shape"], series["dtype"]))
        if not np.allclose((series["min"], series["max"]), (float(row["min"]), float(row["max"])), rtol=1e-6):
            wrong.append((row["path"], series["min"], series["max"]))
        if not row["transfer_syntax"].startswith(LOSSY) and not series["pixels_sha256"].startswith(
            row["sha256_pixels"]
        ):
            wrong.append((row["path"], series["pixels_sha256"]))
    assert wrong == []


def test_every_unreadable_file_is_refused_with_a_sentence(shared_data: Path) -> None:
    for row in expected(shared_data):
        if row["result"] == "OK":
            continue
        found = inspect(shared_data / row["path"]).to_json()
        if found["ok"]:
            assert any("but the content is" in said for said in found["series"][0]["warnings"]), row["path"]
        else:
            assert found["series"] == []
            assert found["error"]["what"], row["path"]


def test_names_of_patients_are_nowhere(shared_data: Path) -> None:
    for row in expected(shared_data):
        if row["patient_name"] and row["result"] == "OK":
            found = inspect(shared_data / row["path"])
            text = json.dumps(found.to_json(), ensure_ascii=False) + "".join(s.description for s in found.series)
            for part in row["patient_name"].replace("=", "^").split("^"):
                assert len(part) < 3 or part not in text.replace(str(shared_data), "").replace(row["path"], ""), row[
                    "path"
                ]


def test_series_that_are_no_regular_volume_say_so(shared_data: Path) -> None:
    for name in ("slicecount", "sliceorientation"):
        found = inspect(shared_data / "dicom_odd" / "geometry" / name)
        assert found.ok
        assert all(s.volume.warnings for s in found.series)
        assert len(found.series) == (2 if name == "sliceorientation" else 1)
        assert any(s.volume.geometry.unsafe for s in found.series)


def test_real_series_is_one_volume(shared_data: Path) -> None:
    found = inspect(shared_data / "ct_lidc0314").to_json()
    (series,) = found["series"]
    assert series["shape"] == [28, 512, 512]
    assert series["spacing_mm"][0] == pytest.approx(1.0)
    assert set(series) == KEYS
    assert found["error"] is None


def test_json_keys_and_an_empty_folder(tmp_path: Path) -> None:
    save_stack(tmp_path / "ct", np.zeros((2, 3, 4), np.int16), [[0, 0, 0], [0, 0, 1]])
    found = inspect(tmp_path / "ct").to_json()
    assert set(found) == {"path", "ok", "series", "error"}
    assert set(found["series"][0]) == KEYS
    json.dumps(found)
    (tmp_path / "empty").mkdir()
    found = inspect(tmp_path / "empty").to_json()
    assert not found["ok"]
    assert set(found["error"]) == {"what", "found", "next"}
