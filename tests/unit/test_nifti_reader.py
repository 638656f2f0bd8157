"""NIfTI files to volumes: grids against SimpleITK and nibabel, scaling, odd headers, hostile bytes."""

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.domain.errors import UserError
from backend.domain.volume import Quantity
from backend.imaging.nifti import read_nifti


def ramp(shape: tuple[int, ...] = (4, 5, 6), dtype: Any = np.int16) -> NDArray[Any]:
    """(i, j, k), every voxel different."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def ct(shape: tuple[int, int, int] = (12, 12, 6)) -> NDArray[np.int16]:
    values = np.full(shape, 40, np.int16)
    values[:4] = -1000
    values[0, 0, 0], values[-1, -1, -1] = -1024, 900
    return values


def saved(path: Path, array: NDArray[Any], **fields: Any) -> Path:
    """`fields` replace header fields after nibabel has written its own."""
    image = nib.Nifti1Image(array, np.diag([2.0, 3.0, 4.0, 1.0]))
    nib.save(image, path)
    if fields:
        raw = path.read_bytes()
        header = nib.Nifti1Header(raw[:348], check=False)
        for name, value in fields.items():
            header[name] = value
        path.write_bytes(header.binaryblock + raw[348:])
    return path


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    mirror=st.booleans(),
    form=st.sampled_from(["sform", "qform"]),
)
def test_world_positions_agree_with_simpleitk(
    tmp_path: Path, angles: Any, spacing: tuple[float, float, float], mirror: bool, form: str
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    affine[:3, 3] = 7, -8, 9
    if mirror:
        affine[:3, 0] *= -1
    image = nib.Nifti1Image(ramp(), None)
    image.header.set_xyzt_units("mm")
    image.header.set_zooms(spacing)
    (image.set_sform if form == "sform" else image.set_qform)(affine, code=1)
    path = tmp_path / f"{form}.nii.gz"
    nib.save(image, path)
    volume = read_nifti(path).volume
    oracle = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(volume.values(), sitk.GetArrayFromImage(oracle))
    for k, j, i in [(0, 0, 0), (5, 4, 3), (2, 0, 1)]:
        at = oracle.TransformIndexToPhysicalPoint((i, j, k))
        # Near half turns a float32 quaternion leaves 1e-3 of a cosine open, and each library rounds its own way.
        np.testing.assert_allclose(volume.geometry.world((k, j, i)), at, atol=1e-3 if form == "sform" else 0.05)


def test_the_files_own_grid_is_kept_and_only_transposed(tmp_path: Path) -> None:
    volume = read_nifti(saved(tmp_path / "a.nii", ramp())).volume
    np.testing.assert_array_equal(volume.array, ramp().transpose(2, 1, 0))
    assert volume.geometry.spacing == (4, 3, 2)
    assert volume.geometry.world((1, 0, 0)) == (0, 0, 4)
    assert volume.geometry.world((0, 1, 1)) == (-2, -3, 0), "RAS became LPS"


@pytest.mark.parametrize(
    ("slope", "inter", "expected"), [(2.5, -7.0, (2.5, -7.0)), (0, 5, (1, 0)), (np.nan, 0, (1, 0))]
)
def test_scaling_of_integers(tmp_path: Path, slope: float, inter: float, expected: tuple[float, float]) -> None:
    path = saved(tmp_path / "s.nii", ramp(), scl_slope=slope, scl_inter=inter)
    volume = read_nifti(path).volume
    assert (volume.slope, volume.intercept) == expected
    np.testing.assert_array_equal(volume.array, ramp().transpose(2, 1, 0))
    np.testing.assert_allclose(volume.values(), np.asarray(nib.load(path).dataobj).transpose(2, 1, 0))


def test_hounsfield_units_are_recognised_and_said_to_be_a_guess(tmp_path: Path) -> None:
    for dtype in (np.int16, np.int32, np.float32):
        read = read_nifti(saved(tmp_path / "ct.nii.gz", ct().astype(dtype)))
        assert (read.modality, read.volume.quantity, read.volume.array.dtype) == ("CT", Quantity.HU, np.int16)
        np.testing.assert_array_equal(read.volume.values(), ct().transpose(2, 1, 0))
        assert any("guessed" in said for said in read.volume.warnings)
        assert read.volume.windows == ()


def test_other_values_are_not_taken_for_hounsfield_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    phase = rng.integers(-4096, 4096, (20, 20, 5)).astype(np.int16)
    scaled = rng.normal(0, 1, (20, 20, 5)).astype(np.float32)
    for name, values in (("phase", phase), ("scaled", scaled), ("mr", ramp((20, 20, 5)))):
        read = read_nifti(saved(tmp_path / f"{name}.nii", values))
        assert (read.modality, read.volume.quantity) == ("MR", Quantity.ONE), name
    labels = rng.integers(0, 5, (20, 20, 5)).astype(np.uint8)
    assert read_nifti(saved(tmp_path / "liver_seg.nii", labels)).modality == "OT"


def test_four_dimensions_show_the_first_and_say_so(tmp_path: Path) -> None:
    read = read_nifti(saved(tmp_path / "4d.nii.gz", ramp((3, 4, 5, 6))))
    np.testing.assert_array_equal(read.volume.array, ramp((3, 4, 5, 6))[..., 0].transpose(2, 1, 0))
    assert any("holds 6 time points" in said for said in read.volume.warnings)
    assert read.decoded.maximum == 359, "the range is the whole file's"


def test_rgb24(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (4, 5, 6, 3), dtype=np.uint8)
    packed = rgb.view([("R", "u1"), ("G", "u1"), ("B", "u1")]).reshape(4, 5, 6)
    volume = read_nifti(saved(tmp_path / "rgb.nii", packed)).volume
    np.testing.assert_array_equal(volume.array, rgb.transpose(2, 1, 0, 3))


def test_big_endian_and_nifti2(tmp_path: Path) -> None:
    big = nib.Nifti1Image(ramp(dtype=">i2"), np.eye(4), nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "big.nii")
    nib.save(nib.Nifti2Image(ramp(), np.eye(4)), tmp_path / "two.nii.gz")
    for name in ("big.nii", "two.nii.gz"):
        np.testing.assert_array_equal(read_nifti(tmp_path / name).volume.array, ramp().transpose(2, 1, 0))


def test_no_orientation_is_a_warning(tmp_path: Path) -> None:
    volume = read_nifti(saved(tmp_path / "n.nii", ramp(), sform_code=0, qform_code=0)).volume
    assert any("left and right" in said for said in volume.warnings)
    assert volume.geometry.spacing == (4, 3, 2)


def test_singular_sform_falls_back_to_qform(tmp_path: Path) -> None:
    zero = dict.fromkeys(("srow_x", "srow_y", "srow_z"), 0)
    volume = read_nifti(saved(tmp_path / "q.nii", ramp(), sform_code=2, qform_code=1, **zero)).volume
    assert volume.geometry.spacing == pytest.approx((4, 3, 2))
    assert any("sform cannot be used" in said for said in volume.warnings)


def test_metres_become_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ramp(), np.diag([0.001, 0.002, 0.003, 1]))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "m.nii")
    assert read_nifti(tmp_path / "m.nii").volume.geometry.spacing == pytest.approx((3, 2, 1))


def test_reading_twice_gives_the_same_uids_and_no_header_text(tmp_path: Path) -> None:
    first = read_nifti(saved(tmp_path / "a.nii", ramp(), descrip=b"MUSTER^ANNA"))
    second = read_nifti(saved(tmp_path / "b.nii", ramp()))
    assert (first.series_uid, first.study_uid) == (second.series_uid, second.study_uid)
    assert first.series_uid == f"2.25.{int(first.pixels_sha256[:32], 16)}"
    assert first.study_uid != first.series_uid
    assert "MUSTER" not in f"{first.description} {first.body_part} {first.volume.warnings}"


def test_a_claim_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    for side, said in ((32000, "too large"), (400, "damaged")):
        path = saved(tmp_path / "a.nii", ramp(), dim=[3, side, side, side, 1, 1, 1, 1])
        (tmp_path / "a.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        for name in ("a.nii", "a.nii.gz"):
            with pytest.raises(UserError, match=said):
                read_nifti(tmp_path / name)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), flips=st.integers(1, 12), keep=st.floats(0.3, 1.0), packed=st.booleans())
def test_damaged_bytes_give_a_volume_or_a_sentence(
    tmp_path: Path, seed: int, flips: int, keep: float, packed: bool
) -> None:
    whole = tmp_path / "whole.nii"
    if not whole.exists():
        saved(whole, ramp())
    rng = np.random.default_rng(seed)
    data = bytearray(whole.read_bytes())
    for at in rng.integers(0, 352, flips):
        data[at] = rng.integers(0, 256)
    cut = bytes(data[: int(len(data) * keep)])
    path = tmp_path / "damaged.nii"
    path.write_bytes(gzip.compress(cut) if packed else cut)
    with suppress(UserError):
        assert read_nifti(path).volume.array.size
