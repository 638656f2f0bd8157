"""Which files are read, by content; the cache; light imports."""

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from backend.domain.errors import UserError
from backend.imaging.cache import open_cache, to_series, write_cache
from backend.imaging.pseudonym import pseudonym
from backend.imaging.scan import Format, ReadSeries, Refusal, find_files, read_series, sniff
from tests.unit.synthetic_dicom import dataset, save, save_stack

VOXELS = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mixed folder: one CT, a DICOM named otherwise, a NIfTI, a picture, and things to pass over."""
    at = tmp_path / "in"
    save_stack(at / "ct", VOXELS, [[0, 0, 2.0 * k] for k in range(3)])
    save(dataset(VOXELS[0].astype(np.uint16), "MR", SeriesInstanceUID="1.7"), at / "IM0001")
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), at / "v.nii.gz")
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save(at / "picture.png")
    for name in (".hidden.png", "DICOMDIR", "notes.txt", "meta.json"):
        (at / name).write_bytes(b"text")
    (at / "broken.dcm").write_bytes(b"nothing that is an image")
    (at / "empty.dcm").write_bytes(b"")
    return at


def test_find_files_is_sorted_and_passes_sidecars_over(folder: Path) -> None:
    passed: list[Path] = []
    names = [p.name for p in find_files([folder], passed)]
    assert names == [
        "IM0001",
        "broken.dcm",
        "empty.dcm",
        "picture.png",
        "v.nii.gz",
        *sorted(n.name for n in folder.glob("ct/*")),
    ]
    assert sorted(p.name for p in passed) == ["meta.json", "notes.txt"]
    given_by_name = folder / "notes.txt"
    assert list(find_files([given_by_name, given_by_name])) == [given_by_name]


def test_everything_readable_is_read_and_the_rest_refused(folder: Path) -> None:
    seen: list[float] = []
    results = list(read_series([folder], lambda fraction, word: seen.append(fraction)))
    read = [r for r in results if isinstance(r, ReadSeries)]
    refused = {r.path.name: r.error.what for r in results if isinstance(r, Refusal)}
    assert sorted((r.modality, r.shape) for r in read) == [
        ("CT", (3, 4, 5)),
        ("MR", (1, 4, 5)),
        ("MR", (5, 4, 3)),
        ("OT", (1, 4, 5)),
    ]
    assert refused == {"broken.dcm": "This is not a file that Overread reads", "empty.dcm": "This file is empty"}
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_content_counts_and_a_wrong_name_is_said(folder: Path) -> None:
    wrong = folder / "picture.dcm"
    (folder / "picture.png").rename(wrong)
    assert sniff(wrong) is Format.RASTER
    (read,) = read_series([wrong], lambda fraction, word: None)
    assert isinstance(read, ReadSeries)
    assert "ends in .dcm" in read.volume.warnings[0]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    (refusal,) = read_series([tmp_path / "gone.dcm"], lambda fraction, word: None)
    assert isinstance(refusal, Refusal)


def test_progress_may_cancel(folder: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(fraction: float, word: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(read_series([folder], cancel))


def test_cache_gives_back_the_same_volume_read_only(folder: Path, tmp_path: Path) -> None:
    for read in read_series([folder], lambda fraction, word: None):
        if isinstance(read, Refusal):
            continue
        name = write_cache(tmp_path / "voxels", read.volume)
        assert write_cache(tmp_path / "voxels", read.volume) == name
        series = to_series(read, name)
        volume = open_cache(tmp_path / "voxels", series)
        np.testing.assert_array_equal(volume.array, read.volume.array)
        assert not volume.array.flags.writeable
        for field in ("geometry", "quantity", "slope", "intercept", "windows", "inverted", "padding", "warnings"):
            assert getattr(volume, field) == getattr(read.volume, field)
        assert (tmp_path / "voxels" / name).read_bytes() == read.volume.array.tobytes()
        (tmp_path / "voxels" / name).write_bytes(b"short")
        with pytest.raises(UserError, match="damaged"):
            open_cache(tmp_path / "voxels", series)
    assert len(list((tmp_path / "voxels").iterdir())) == 4


def test_the_cache_takes_no_paths(folder: Path, tmp_path: Path) -> None:
    (read,) = read_series([folder / "picture.png"], lambda fraction, word: None)
    assert isinstance(read, ReadSeries)
    with pytest.raises(UserError):
        open_cache(tmp_path, to_series(read, "../../etc/passwd"))


def test_pseudonyms_depend_on_key_and_patient() -> None:
    given = {pseudonym(key, name) for key in (b"a", b"b") for name in ("1", "2", "3")}
    assert len(given) == 6
    for one in given:
        assert len(one) == 6
        assert one[0] in "ABCDEF"
        assert set(one) <= set("0123456789ABCDEF")
    assert pseudonym(b"a", " 1 ") == pseudonym(b"a", "1")


def test_scan_and_cache_load_no_decoder() -> None:
    code = (
        "import sys, backend.imaging.scan, backend.imaging.cache, backend.imaging.pseudonym, backend.imaging.inspect;"
        "print([m for m in ('pydicom', 'nibabel', 'SimpleITK', 'PIL', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
