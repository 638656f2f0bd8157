"""A CT on a coarser grid with known axes, for experts that look at whole chests."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Shape
from backend.domain.volume import Quantity, Volume
from backend.experts.prompt_roi import block_mean

Bools = NDArray[np.bool_]

MAX_SPACING = 5.0  # mm
ROTATION = 0.8  # least cosine between an array axis and its anatomical axis


@dataclass(frozen=True)
class CtGrid:
    """hu: (s, p, l) float32 block means, axes towards the head, the back and the left; spacing in mm along them."""

    hu: NDArray[np.float32]
    spacing: tuple[float, float, float]
    factors: Shape  # block sizes along (s, p, l)
    axes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # for s, p, l: (array axis, sense)

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing)) / 1000

    def radius(self, mm: float) -> list[int]:
        """A length in voxels along (i, j, k) as ITK orders them, at least 1."""
        return [max(1, round(mm / s)) for s in reversed(self.spacing)]

    def turned(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """A (k, j, i) array as a view with axes (s, p, l)."""
        view = np.transpose(array, [a for a, _ in self.axes])
        return view[tuple(slice(None, None, sense) for _, sense in self.axes)]

    def whole(self, coarse: Bools, shape: Shape) -> Bools:
        """A coarse mask on the volume's (k, j, i) grid: every block filled."""
        full = np.empty(shape, dtype=np.bool_)
        view = self.turned(full)
        grown = coarse
        for axis, factor in enumerate(self.factors):
            grown = np.repeat(grown, factor, axis=axis) if factor > 1 else grown
        view[...] = grown[tuple(slice(0, n) for n in view.shape)]
        return full

    def point(self, at: tuple[float, ...], shape: Shape) -> tuple[int, int, int]:
        """Voxel (k, j, i) of the volume at the centre of a coarse (s, p, l) position."""
        index = [0, 0, 0]
        for where, factor, (axis, sense) in zip(at, self.factors, self.axes, strict=True):
            along = round((where + 0.5) * factor - 0.5)
            index[axis] = int(np.clip(along if sense > 0 else shape[axis] - 1 - along, 0, shape[axis] - 1))
        return index[0], index[1], index[2]


def ct_grid(volume: Volume, step: float) -> CtGrid:
    """Block means of about `step` mm. UserError when it is no CT volume in HU, too coarse, or of unsafe geometry."""
    geometry = volume.geometry
    if volume.quantity is not Quantity.HU:
        raise UserError("This needs CT in Hounsfield units", f"values in {volume.quantity}", "Choose a CT series")
    if geometry.unsafe:
        raise UserError("The geometry of this series cannot be trusted", geometry.unsafe[0], "Choose another series")
    if min(geometry.shape) < 8:
        raise UserError("This needs a volume, not a few slices", f"{geometry.shape}", "Choose a longer series")
    if max(geometry.spacing) > MAX_SPACING + 1e-3:
        found = f"{max(geometry.spacing):.1f} mm between voxels"
        raise UserError(f"This needs voxels of at most {MAX_SPACING:.0f} mm", found, "Choose the thin series")
    axes = geometry.anatomical_axes()
    if min(abs(geometry.direction[w, a]) for w, (a, _) in enumerate(axes)) < ROTATION:
        raise UserError("This series is too oblique to tell left from right by slices", "", "Choose an axial series")
    order = (axes[2], axes[1], axes[0])
    spacing = tuple(geometry.spacing[a] for a, _ in order)
    factors = tuple(max(1, round(step / s)) for s in spacing)
    view = np.transpose(volume.array, [a for a, _ in order])[tuple(slice(None, None, sense) for _, sense in order)]
    hu = _means(view, factors) * np.float32(volume.slope) + np.float32(volume.intercept)
    size = tuple(s * f for s, f in zip(spacing, factors, strict=True))
    return CtGrid(hu, (size[0], size[1], size[2]), (factors[0], factors[1], factors[2]), (order[0], order[1], order[2]))


def _means(view: NDArray[np.int16], factors: tuple[int, ...]) -> NDArray[np.float32]:
    """Block means, one slab of blocks at a time, so that no float copy of the whole scan is made."""
    slabs = [
        block_mean(view[start : start + factors[0]].astype(np.float32)[None], factors)[0]
        for start in range(0, view.shape[0], factors[0])
    ]
    return np.concatenate(slabs)


def erode(mask: Bools, radius: list[int]) -> Bools:
    """Ball-shaped; the border of the grid counts as inside, since a scan's end is not an edge of anatomy."""
    import SimpleITK as sitk

    return _from(sitk.BinaryErode(_image(mask), radius, sitk.sitkBall, 0, 1, True))


def dilate(mask: Bools, radius: list[int]) -> Bools:
    import SimpleITK as sitk

    return _from(sitk.BinaryDilate(_image(mask), radius, sitk.sitkBall, 0, 1, False))


def close(mask: Bools, radius: list[int]) -> Bools:
    return erode(dilate(mask, radius), radius) | mask


def _image(mask: Bools) -> object:
    import SimpleITK as sitk

    return sitk.GetImageFromArray(mask.astype(np.uint8))


def _from(image: object) -> Bools:
    import SimpleITK as sitk

    result: Bools = sitk.GetArrayFromImage(image).astype(np.bool_)
    return result


def fill_slices(mask: Bools) -> Bools:
    """Holes filled in every axial slice."""
    import SimpleITK as sitk

    filled = np.empty_like(mask)
    for s, plane in enumerate(mask):
        filled[s] = _from(sitk.BinaryFillhole(_image(plane)))
    return filled


def largest(mask: Bools) -> Bools:
    """The largest connected part; the mask itself when empty."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    kept: Bools = labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1
    return kept
