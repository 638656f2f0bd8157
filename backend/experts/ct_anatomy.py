"""Body, air-filled lungs, airways and bone on CT by thresholds and shape. No weights.

Airways: explosion-controlled region growing, after Mori et al., "Automated extraction and visualization of bronchus
from 3D CT images of lung", CVRMed 1995. Works on blocks of about 1.5 mm and gives masks on the volume's own grid.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.review import Code
from backend.domain.volume import Volume
from backend.experts.card import Abstention, Accuracy, Card, Draft, Progress, Prompt
from backend.experts.ct_airways import find_airways
from backend.experts.ct_grid import Bools, CtGrid, close, ct_grid, dilate, erode, fill_slices, largest

STEP = 1.5  # mm, size of the blocks worked on
BODY = -300.0  # HU
LUNG = -450.0  # HU, upper end of air-filled lung
PURE_AIR = -940.0  # HU; lung holds tissue, gas in bowel does not
PURE_SHARE = 0.5  # a part with more pure air in its core than this is not lung
BULLOUS_SHARE = 0.8  # the same for a part too large to be bowel
LARGE_ML, LARGER_LUNG_ML, SMALLER_LUNG_ML = 1000.0, 20.0, 5.0
BONE_SEED, BONE_EDGE = 250.0, 150.0  # HU
BLOOD_SPREAD = 45.0  # HU, standard deviation in 5 mm below which a bright region is contrast medium, not bone
BLOOD_ML = 3.0

CODES = {
    "body": Code("Body"),
    "right": Code("Air-filled right lung", "SCT", "3341006"),
    "left": Code("Air-filled left lung", "SCT", "44029006"),
    "airways": Code("Airways", "SCT", "44567001"),
    "bone": Code("Bone", "SCT", "272673000"),
}


@dataclass(frozen=True)
class Lungs:
    """Coarse (s, p, l) masks; None with the reason when there is no bilateral pair."""

    right: Bools | None
    left: Bools | None
    reason: str = ""


def find_body(grid: CtGrid) -> Bools:
    """Everything inside the skin, without table and clothes."""
    tissue = grid.hu > BODY
    core = largest(erode(tissue, grid.radius(2.0)))
    return fill_slices(dilate(core, grid.radius(2.0)) & tissue)


def find_lungs(grid: CtGrid, body: Bools, airways: Bools) -> Lungs:
    """Both lungs, or the reason why none is given."""
    from scipy import ndimage

    air = (grid.hu < LUNG) & body & ~airways
    labels, count = ndimage.label(air)
    volumes = np.bincount(labels.ravel(), minlength=count + 1) * grid.voxel_ml
    boxes = ndimage.find_objects(labels)
    lung = np.zeros_like(air)
    for label in np.flatnonzero(volumes[1:] >= SMALLER_LUNG_ML) + 1:
        box = boxes[label - 1]
        part = labels[box] == label
        if _is_lung(grid, part, grid.hu[box], float(volumes[label])):
            lung[box] |= part
    if not lung.any():
        return Lungs(None, None, "no air-filled lung is in view")
    right, left = split_sides(grid, lung, _midline(body))
    sizes = float(right.sum()) * grid.voxel_ml, float(left.sum()) * grid.voxel_ml
    if min(sizes) < SMALLER_LUNG_ML or max(sizes) < LARGER_LUNG_ML:
        return Lungs(None, None, f"no pair of lungs: right {sizes[0]:.0f} mL, left {sizes[1]:.0f} mL of aerated lung")
    vessels = grid.radius(4.0)
    right, left = close(right, vessels) & body & ~airways, close(left, vessels) & body & ~airways
    return Lungs(right & ~left, left & ~right)


def _is_lung(grid: CtGrid, part: Bools, hu: NDArray[np.float32], volume_ml: float) -> bool:
    """Lung is air with tissue in it; gas in bowel and stomach is pure air away from its wall."""
    core = erode(np.pad(part, 1), grid.radius(3.0))[1:-1, 1:-1, 1:-1] & part
    inside = hu[core if core.any() else part]
    pure = float((inside < PURE_AIR).mean())
    if volume_ml > LARGE_ML:
        return pure < BULLOUS_SHARE
    return pure < PURE_SHARE and float(np.median(inside)) > PURE_AIR


def _midline(body: Bools) -> float:
    """Column halfway between the two sides of the body, the median over slices."""
    across: Bools = np.asarray(body.any(axis=1))
    rows = np.flatnonzero(np.asarray(across.any(axis=1)))
    first = across[rows].argmax(axis=1)
    last = body.shape[2] - 1 - across[rows][:, ::-1].argmax(axis=1)
    return float(np.median((first + last) / 2)) if rows.size else body.shape[2] / 2


def split_sides(grid: CtGrid, lung: Bools, middle: float) -> tuple[Bools, Bools]:
    """(right, left). Lungs that touch are eroded until their cores part; voxels then follow the nearest core.

    The side of a core is where its centre lies in the patient (LPS), never its order in the array.
    """
    from scipy import ndimage

    for mm in (0.0, 2.0, 4.0, 6.0, 9.0):
        core = erode(lung, grid.radius(mm)) & lung if mm else lung
        labels, count = ndimage.label(core)
        if not count:
            break
        spans = [_crosses(labels[box] == n + 1, box, middle) for n, box in enumerate(ndimage.find_objects(labels))]
        if any(spans):
            continue
        columns = np.arange(lung.shape[2], dtype=np.float64)
        weights = np.broadcast_to(columns, lung.shape)[core]
        total = np.bincount(labels[core], weights, minlength=count + 1)
        counted = np.bincount(labels[core], minlength=count + 1)
        is_left = total > middle * counted
        is_left[0] = False
        if mm == 0:
            return lung & ~is_left[labels], lung & is_left[labels]
        nearest = ndimage.distance_transform_edt(
            labels == 0, sampling=grid.spacing, return_distances=False, return_indices=True
        )
        left = is_left[labels[tuple(nearest)]]
        return lung & ~left, lung & left
    left = np.broadcast_to(np.arange(lung.shape[2]) > middle, lung.shape)
    return lung & ~left, lung & left


def _crosses(part: Bools, box: tuple[slice, ...], middle: float) -> bool:
    """Whether at least a tenth of the part lies on either side of the midline."""
    columns = part.sum(axis=(0, 1))
    left = columns[np.arange(columns.size) + box[2].start > middle].sum()
    share = float(left) / float(columns.sum())
    return 0.1 < share < 0.9


def find_bone(grid: CtGrid, body: Bools) -> Bools:
    """Hysteresis threshold without contrast medium, closed and filled."""
    from scipy import ndimage

    bright = (grid.hu > BONE_EDGE) & body
    bright &= ~_contrast(grid, bright)
    labels, count = ndimage.label(bright)
    seeded = np.zeros(count + 1, dtype=np.bool_)
    seeded[np.unique(labels[(grid.hu > BONE_SEED) & bright])] = True
    seeded[np.bincount(labels.ravel(), minlength=count + 1) * grid.voxel_ml < 0.2] = False
    seeded[0] = False
    return fill_slices(close(seeded[labels], grid.radius(2.0))) & body


def _contrast(grid: CtGrid, bright: Bools) -> Bools:
    """Contrast-filled heart and vessels: bright, even, and more than a few millilitres."""
    from scipy import ndimage

    size = [max(3, 2 * round(2.5 / s) + 1) for s in grid.spacing]
    mean = ndimage.uniform_filter(grid.hu, size)
    variance = ndimage.uniform_filter(grid.hu**2, size) - mean**2
    even = bright & (variance < BLOOD_SPREAD**2)
    labels, count = ndimage.label(even)
    keep = np.bincount(labels.ravel(), minlength=count + 1) * grid.voxel_ml >= BLOOD_ML
    keep[0] = False
    return dilate(keep[labels], grid.radius(2.5)) & bright


def refined(grid: CtGrid, volume: Volume, coarse: Bools, low: float, high: float) -> Bools:
    """A coarse mask on the volume's grid (k, j, i); in the blocks at its border the voxels within low-high HU count."""
    one = [1, 1, 1]
    sure, maybe = erode(coarse, one) & coarse, dilate(coarse, one)
    mask = grid.whole(maybe, volume.geometry.shape)
    first, last = sorted(((low - volume.intercept) / volume.slope, (high - volume.intercept) / volume.slope))
    mask &= (volume.array >= first) & (volume.array <= last)
    mask |= grid.whole(sure, volume.geometry.shape)
    return mask


class _CtAnatomy:
    card = Card(
        name="CT_ANATOMY",
        title="CT body, lungs, airways and bone",
        version="1",
        task="Outlines the body, air-filled lungs, airways and bone",
        modalities=("CT",),
        body_parts=(),
        assumptions=(
            "Hounsfield units",
            "voxels of at most 5 mm",
            "for lungs: both in view and aerated",
            "for airways: the trachea in view",
        ),
        accuracy=(
            Accuracy("Dice of both lungs", 0.96, "one case", 1, "lung bases on CT, TotalSegmentator labels", True),
            Accuracy("Dice of bone", 0.70, "one case", 1, "abdominal CT at 3 mm, TotalSegmentator labels", True),
        ),
        licence="Apache-2.0",
        memory_mb=2000,
        limits=(
            "Air-filled lung only: consolidation, effusion and large masses are left out of the lung mask",
            "Bone is a threshold: calcified plaques and metal count as bone, osteoporotic marrow may be missed",
        ),
    )

    def fingerprint(self) -> str:
        settings = (STEP, BODY, LUNG, PURE_AIR, PURE_SHARE, BULLOUS_SHARE, LARGE_ML, LARGER_LUNG_ML, SMALLER_LUNG_ML)
        bone = (BONE_SEED, BONE_EDGE, BLOOD_SPREAD, BLOOD_ML)
        return hashlib.sha256(f"{self.card.name} {self.card.version} {settings} {bone}".encode()).hexdigest()

    def propose(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Draft | Abstention]:
        """Drafts of what is sound, and an Abstention with the reason for each part that is left out."""
        grid = ct_grid(volume, STEP)
        progress(0.1, "body")
        body = find_body(grid)
        yield Draft(CODES["body"], mask=refined(grid, volume, body, BODY, 1e6))
        progress(0.3, "airways")
        airways, reason = find_airways(grid, body)
        if reason:
            yield Abstention(f"airways left out: {reason}")
        else:
            yield Draft(CODES["airways"], mask=refined(grid, volume, airways, -1e6, -850))
        progress(0.5, "lungs")
        lungs = find_lungs(grid, body, airways)
        for side, mask in (("right", lungs.right), ("left", lungs.left)):
            if mask is not None:
                yield Draft(CODES[side], mask=refined(grid, volume, mask, -1e6, LUNG))
        if lungs.reason:
            yield Abstention(f"lungs left out: {lungs.reason}")
        progress(0.8, "bone")
        bone = find_bone(grid, body)
        if bone.any():
            yield Draft(CODES["bone"], mask=refined(grid, volume, bone, BONE_EDGE, 1e6))
        else:
            yield Abstention("bone left out: none found")
        progress(1.0, "done")


EXPERT = _CtAnatomy()
