"""Exported masks lie on their image's grid: nibabel and SimpleITK as oracles, random orientations, no symmetry."""

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
from backend.domain.geometry import Geometry, Unit
from backend.export.nifti import save_labels, save_mask
from backend.imaging.nifti import read_nifti

SHAPE = (4, 5, 6)


def asymmetric() -> NDArray[np.bool_]:
    voxels = np.zeros(SHAPE, np.bool_)
    voxels[0, 1, :5], voxels[3, 2:, 0], voxels[1:3, 4, 5] = True, True, True
    return voxels


def turned(angles: Any, spacing: tuple[float, float, float], mirror: bool) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    affine[:3, 3] = 12, -34, 56
    if mirror:
        affine[:3, 1] *= -1
    return Geometry.of(SHAPE, affine)


ORIENTATIONS = {
    "angles": st.tuples(*[st.floats(-180, 180)] * 3),
    "spacing": st.tuples(*[st.floats(0.3, 6)] * 3),
    "mirror": st.booleans(),
}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**ORIENTATIONS)
def test_each_marked_voxel_lies_where_it_was_marked(
    tmp_path: Path, angles: Any, spacing: tuple[float, float, float], mirror: bool
) -> None:
    geometry, path = turned(angles, spacing, mirror), tmp_path / "m.nii.gz"
    save_mask(path, asymmetric(), geometry)
    marked = [geometry.world(tuple(v)) for v in np.argwhere(asymmetric()).tolist()]
    image = nib.load(path)
    ijk = np.argwhere(np.asarray(image.dataobj) == 1)
    ras = nib.affines.apply_affine(image.affine, ijk) * [-1, -1, 1]
    oracle = sitk.ReadImage(str(path))
    lps = [oracle.TransformIndexToPhysicalPoint([int(n) for n in v]) for v in ijk]
    order = np.lexsort(np.round(marked, 2).T)
    for points in (ras, np.array(lps)):
        np.testing.assert_allclose(
            np.array(points)[np.lexsort(np.round(points, 2).T)], np.array(marked)[order], atol=5e-3
        )
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sform=st.integers(0, 4), qform=st.integers(0, 4), two=st.booleans(), **ORIENTATIONS)
def test_a_mask_like_a_nifti_file_has_its_very_header_grid(
    tmp_path: Path, sform: int, qform: int, two: bool, angles: Any, spacing: tuple[float, float, float], mirror: bool
) -> None:
    affine = turned(angles, spacing, mirror).matrix
    source = (nib.Nifti2Image if two else nib.Nifti1Image)(np.arange(120, dtype=np.int16).reshape(6, 5, 4), None)
    source.set_sform(affine, code=sform)
    source.set_qform(affine, code=qform)
    source.header["descrip"] = b"NAME^OF PATIENT"
    nib.save(source, tmp_path / "image.nii.gz")
    image = nib.load(tmp_path / "image.nii.gz")
    volume = read_nifti(tmp_path / "image.nii.gz").volume
    save_mask(tmp_path / "m.nii.gz", volume.array > 60, volume.geometry, like=tmp_path / "image.nii.gz")
    mask = nib.load(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > 60)
    np.testing.assert_array_equal(mask.affine, image.affine)
    for name in ("sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_z"):
        np.testing.assert_array_equal(mask.header[name], image.header[name])
    assert type(mask) is type(image)
    assert b"NAME" not in mask.header.binaryblock


def test_read_and_save_come_back_to_the_same_grid(tmp_path: Path) -> None:
    geometry = turned((10, 20, 30), (1, 2, 3), False)
    save_labels(tmp_path / "l.nii.gz", np.arange(120).reshape(SHAPE), geometry)
    read = read_nifti(tmp_path / "l.nii.gz").volume
    np.testing.assert_array_equal(read.array, np.arange(120).reshape(SHAPE))
    np.testing.assert_allclose(read.geometry.matrix, geometry.matrix, atol=1e-5)


def test_sheared_grids_are_kept_by_the_sform_alone(tmp_path: Path) -> None:
    sheared = Geometry.of(SHAPE, np.array([[0, 0, 1, 0], [0.5, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]], float))
    save_mask(tmp_path / "s.nii.gz", asymmetric(), sheared)
    image = nib.load(tmp_path / "s.nii.gz")
    np.testing.assert_allclose(image.affine[:3, 2], [0, -0.5, 2])
    assert int(image.header["qform_code"]) == 0


def test_uncalibrated_grids_claim_no_millimetres(tmp_path: Path) -> None:
    save_mask(tmp_path / "p.nii", asymmetric(), Geometry.of(SHAPE, np.eye(4)[[2, 1, 0, 3]], unit=Unit.PIXEL))
    assert nib.load(tmp_path / "p.nii").header.get_xyzt_units()[0] == "unknown"


def test_wrong_shapes_names_and_values_are_refused(tmp_path: Path) -> None:
    geometry = turned((0, 0, 0), (1, 1, 1), False)
    for path, voxels in (
        (tmp_path / "m.png", asymmetric()),
        (tmp_path / "m.nii", asymmetric()[:2]),
        (tmp_path / "m.nii", np.full(SHAPE, -1)),
        (tmp_path / "m.nii", np.full(SHAPE, 0.5)),
        (tmp_path / "gone" / "m.nii", asymmetric().astype(np.int16)),
    ):
        with pytest.raises(UserError):
            save_labels(path, voxels, geometry)
    assert list(tmp_path.iterdir()) == []
