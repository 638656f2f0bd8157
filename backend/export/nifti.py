"""Masks and label maps as NIfTI files that lie exactly on the grid of the image they were drawn on."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry, Unit
from backend.imaging.scan import Format, sniff

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
GRID_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
ORTHOGONAL = 1e-4
"""Largest cosine between axes that a qform, which knows rotations alone, may still stand for."""


def nifti_original(paths: Sequence[Path]) -> Path | None:
    """The file whose affine and codes its masks should keep: the one original, where it is a NIfTI that is there."""
    if len(paths) != 1 or not paths[0].is_file() or sniff(paths[0]) is not Format.NIFTI:
        return None
    return paths[0]


def save_mask(path: Path, voxels: NDArray[Any], geometry: Geometry, like: Path | None = None) -> None:
    """One structure: (k, j, i) bool or 0 and 1, saved as uint8 0 and 1. See `save_labels`."""
    save_labels(path, (np.asarray(voxels) != 0).astype(np.uint8), geometry, like)


def save_labels(path: Path, labels: NDArray[Any], geometry: Geometry, like: Path | None = None) -> None:
    """A label map (k, j, i) of whole numbers from 0, saved as uint8 or uint16, written whole or not at all.

    path: ends in .nii.gz or .nii. like: the NIfTI file the image was read from; its own orientation fields are then
    copied bit for bit, and nothing else of its header. Without it the sform and, when axes are orthogonal, the qform
    say where the grid lies (code 1, scanner). UserError when the array does not lie on the grid or the path is no NIfTI
    name.
    """
    if not path.name.endswith((".nii.gz", ".nii")):
        raise UserError("This is not a name for a NIfTI file", path.name, "End it in .nii.gz")
    if labels.shape != geometry.shape:
        raise UserError("The mask does not lie on the image's grid", f"{labels.shape} on {geometry.shape}")
    top = int(labels.max())
    if labels.dtype.kind not in "biu" or int(labels.min()) < 0 or top > 65535:
        raise UserError("Labels must be whole numbers from 0 to 65535", f"{labels.dtype}, up to {top}")
    array = np.swapaxes(labels.astype(np.uint8 if top < 256 else np.uint16), 0, 2)
    image = _on_grid(array, geometry) if like is None else _like(array, like)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        nib.save(image, part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        found = f"{path}: {error.strerror}"
        raise UserError("The mask cannot be saved", found, "Choose a folder you may write to") from None


def _on_grid(array: NDArray[Any], geometry: Geometry) -> Any:
    """array: (i, j, k). The affine's columns come back to that order, and LPS to RAS."""
    affine = LPS_TO_RAS @ geometry.matrix[:, [2, 1, 0, 3]]
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm" if geometry.unit is Unit.MM else "unknown")
    image.set_sform(affine, code=1)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    orthogonal = np.abs(axes.T @ axes - np.eye(3)).max() < ORTHOGONAL
    image.set_qform(affine, code=1 if orthogonal else 0)
    return image


def _like(array: NDArray[Any], like: Path) -> Any:
    """The fields are copied as they are stored: a detour over a 4 x 4 matrix would round them."""
    source = nib.load(like).header
    image_class = nib.Nifti2Image if isinstance(source, nib.Nifti2Header) else nib.Nifti1Image
    if tuple(int(n) for n in source["dim"][1:4]) != array.shape:
        raise UserError(
            "The mask does not lie on the grid of the file it was drawn on", str(source["dim"][1:4].tolist())
        )
    image = image_class(array, None)
    header = image.header
    for name in GRID_FIELDS:
        header[name] = source[name]
    header["pixdim"][:4] = source["pixdim"][:4]
    header.set_xyzt_units(source.get_xyzt_units()[0])
    return image
