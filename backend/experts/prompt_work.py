"""The grid a prompt is solved on: its ROI scaled, smoothed, with edge weights, and the clicks as seeds."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.geometry import Shape
from backend.domain.volume import Quantity, Volume
from backend.experts.card import Prompt
from backend.experts.prompt_roi import Roi, block_factors, block_mean, scaled, window

if TYPE_CHECKING:
    from torch import Tensor

    from backend.experts.random_walker import Grid

BETA = 200.0  # edge weights, see random_walker
GREYS, COLOURS = 64, 16  # histogram bins per channel: one channel, three channels
VOXELS = 250_000  # the ROI of a volume is brought under this size
PIXELS = 20_000  # the ROI of a picture: about as long in voxels, so that a click reaches as far
SMOOTHING = 2  # steps of curvature anisotropic diffusion on volumes
SEED_STEP = 0.45  # of the window; where most neighbours of a click differ by more, only those like it are seeds
CACHED = 6  # prepared ROIs kept between clicks
SETTINGS = (BETA, GREYS, COLOURS, VOXELS, PIXELS, SMOOTHING, SEED_STEP)


@dataclass
class Prepared:
    """One ROI on its working grid; `solution` starts the next solve."""

    roi: Roi
    factors: Shape
    shape: Shape
    spacing: tuple[float, float, float]
    raw: NDArray[np.float32]  # (channel, k, j, i) before smoothing
    noisy: bool  # a volume: smoothed, where a picture is taken as it is
    hounsfield: bool  # CT: a tissue has one value wherever it lies
    bins: NDArray[np.int64]  # histogram bin of every voxel, flat
    grid: "Grid"
    solution: "Tensor | None" = None


_prepared: OrderedDict[tuple[Any, ...], tuple[Any, Prepared]] = OrderedDict()


def _identity(array: NDArray[Any]) -> tuple[Any, ...]:
    """Tells arrays apart: a mapped file by its name, since it is mapped anew for each click; others by id.

    The cache holds on to the arrays it knows by id, so that no other can get the same one.
    """
    if isinstance(array, np.memmap) and array.filename is not None:
        return str(array.filename), array.offset, array.shape
    return id(array), 0, array.shape


def prepare(volume: Volume, prompt: Prompt, roi: Roi) -> Prepared:
    """The prompt's ROI, scaled, smoothed and with its edge weights; kept between clicks on one volume."""
    import torch

    from backend.experts.random_walker import build_grid

    first = next((p for p in prompt.points if p.positive), None)
    span = window(volume, first, roi.box)
    key = (*_identity(volume.array), roi, span)
    if key in _prepared:
        _prepared.move_to_end(key)
        return _prepared[key][1]
    spacing = volume.geometry.spacing
    factors = block_factors(roi.box.shape, spacing, PIXELS if 1 in roi.box.shape else VOXELS)
    size = (spacing[0] * factors[0], spacing[1] * factors[1], spacing[2] * factors[2])
    raw = features = block_mean(scaled(volume, roi.box, span), factors)
    noisy = not volume.is_colour and 1 not in roi.box.shape
    if noisy:
        features = _smooth(raw[0], size)[None]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    grid = build_grid(torch.from_numpy(np.ascontiguousarray(features)).to(device), size, BETA)
    work = Prepared(roi, factors, grid.shape, size, raw, noisy, volume.quantity is Quantity.HU, _bins(features), grid)
    _prepared[key] = (volume.array, work)
    while len(_prepared) > CACHED:
        _prepared.popitem(last=False)
    return work


def _smooth(values: NDArray[np.float32], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Curvature anisotropic diffusion at the largest stable step; spacing relative to the finest axis."""
    import SimpleITK as sitk

    flat = values.shape[0] == 1
    image = sitk.GetImageFromArray(values[0] if flat else values)
    used = spacing[1:] if flat else spacing
    image.SetSpacing([s / min(used) for s in reversed(used)])
    step = 0.9 / 2 ** (image.GetDimension() + 1)
    smooth = sitk.CurvatureAnisotropicDiffusion(image, timeStep=step, numberOfIterations=SMOOTHING)
    result: NDArray[np.float32] = np.clip(sitk.GetArrayFromImage(smooth), 0, 1).reshape(values.shape)
    return result


def _bins(features: NDArray[np.float32]) -> NDArray[np.int64]:
    count = GREYS if len(features) == 1 else COLOURS
    index = np.minimum((features * count).astype(np.int64), count - 1)
    flat = index[0] if len(index) == 1 else (index[0] * count + index[1]) * count + index[2]
    result: NDArray[np.int64] = flat.ravel()
    return result


@dataclass(frozen=True)
class Seeds:
    """Voxels that are known, (k, j, i) bool. negative has the faces of a box too; clicked are those of clicks alone.

    centres: the clicked voxels themselves and whether each is positive, in order.
    """

    positive: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    centres: tuple[tuple[bool, tuple[int, ...]], ...] = ()


def seeds_of(work: Prepared, prompt: Prompt) -> Seeds:
    """Clicks as cubes of 3 voxels on the working grid; where both signs claim a voxel neither gets it."""
    low = np.array([work.roi.box.k0, work.roi.box.j0, work.roi.box.i0])
    sides = np.zeros((2, *work.shape), dtype=np.bool_)
    centres = []
    for point in prompt.points:
        at = (np.array(point.index) - low) // np.array(work.factors)
        if (at < 0).any() or (at >= work.shape).any():
            continue  # "not this" outside the ROI is true already
        cube = tuple(slice(max(int(c) - 1, 0), int(c) + 2) for c in at)
        near = work.raw[(slice(None), *cube)] - work.raw[(slice(None), *at)].reshape(-1, 1, 1, 1)
        alike = np.sqrt((near**2).sum(0)) <= SEED_STEP
        sides[int(point.positive)][cube] |= alike | (alike.mean() > 0.5)  # what is wide there may be mottled
        centres.append((int(point.positive), tuple(int(c) for c in at)))
    disputed = sides[0] & sides[1]
    sides[:, disputed] = False
    for side, at in centres:  # the clicked voxels themselves stay; the later of two clicks on one voxel wins
        sides[side][at], sides[1 - side][at] = True, False
    clicked = sides[0] | sides[1]
    known = [(bool(side), at) for side, at in centres if sides[side][at]]
    return Seeds(sides[1], (sides[0] | (faces(work) & hard_faces(work))) & ~sides[1], clicked, tuple(known))


def start_mask(work: Prepared, prompt: Prompt) -> NDArray[np.bool_] | None:
    if prompt.start is None or not prompt.start.any():
        return None
    share = block_mean(prompt.start[work.roi.box.slices][None].astype(np.float32), work.factors)[0]
    half: NDArray[np.bool_] = share >= 0.5
    return half


def faces(work: Prepared) -> NDArray[np.bool_]:
    """Outermost layer of the ROI along every axis that has more than one voxel."""
    faces = np.ones(work.shape, dtype=np.bool_)
    faces[tuple(slice(1, -1) if n > 2 else slice(None) for n in work.shape)] = False
    return faces


def hard_faces(work: Prepared) -> NDArray[np.bool_]:
    """Those faces that are background for certain."""
    hard = np.zeros(work.shape, dtype=np.bool_)
    for axis, (low, high) in enumerate(work.roi.hard):
        view = np.moveaxis(hard, axis, 0)
        view[0] |= low
        view[-1] |= high
    return hard
