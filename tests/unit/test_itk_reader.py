"""NRRD and MetaImage files to volumes, SimpleITK being both writer and oracle."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from backend.domain.errors import UserError
from backend.domain.geometry import Unit
from backend.imaging.itk import read_itk

RAMP = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def image() -> sitk.Image:
    made = sitk.GetImageFromArray(RAMP)
    made.SetSpacing((0.5, 0.7, 2.0))
    made.SetOrigin((10, -20, 30))
    made.SetDirection(Rotation.from_euler("xyz", (20, -30, 110), degrees=True).as_matrix().ravel().tolist())
    return made


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd"])
def test_grid_and_voxels(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(image(), str(tmp_path / name), useCompression=name != "a.mhd")
    read = read_itk(tmp_path / name)
    np.testing.assert_array_equal(read.volume.array, RAMP)
    for k, j, i in [(0, 0, 0), (3, 4, 5), (1, 0, 3)]:
        at = image().TransformIndexToPhysicalPoint((i, j, k))
        np.testing.assert_allclose(read.volume.geometry.world((k, j, i)), at, atol=1e-4)
    assert len(read.sources) == (2 if name == "a.mhd" else 1)


def test_a_header_may_not_point_at_other_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(bytes(240))
    (tmp_path / "in").mkdir()
    for at in ("../secret.raw", str(secret), "LIST"):
        path = tmp_path / "in" / "a.mhd"
        path.write_text(
            f"ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_SHORT\nElementDataFile = {at}\n"
        )
        with pytest.raises(UserError, match="another file"):
            read_itk(path)
        path = tmp_path / "in" / "a.nrrd"
        path.write_text(f"NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nencoding: raw\ndata file: {at}\n\n")
        with pytest.raises(UserError, match="another file"):
            read_itk(path)


def test_no_spacing_means_pixels_and_short_data_are_refused(tmp_path: Path) -> None:
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: %d 5 4\nencoding: raw\n\n"
    path = tmp_path / "a.nrrd"
    path.write_bytes(header % 6 + bytes(range(120)))
    volume = read_itk(path).volume
    assert volume.geometry.unit is Unit.PIXEL
    path.write_bytes(header % 60000 + bytes(120))
    with pytest.raises(UserError):
        read_itk(path)
