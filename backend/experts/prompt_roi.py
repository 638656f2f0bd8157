"""The part of a volume a click or box is about, and that part brought to a size a reader does not wait for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.geometry import Shape
from backend.domain.region import Box3D, Point3D
from backend.domain.volume import Quantity, Volume
from backend.experts.card import Prompt

PROBE_RADIUS = 14  # voxels of the grid a click is probed on, before a coarser grid is tried
PLANAR_STEPS = 200  # steps of the first grid across a picture: nobody clicks a thing smaller than a few of them
SHELL_INSIDE = 0.4  # a shell with fewer voxels like the clicked one lies outside the structure
ROI_RADII = 1.9  # half-width of the ROI in radii of the structure
SHELL_INSIDE_PICTURE, ROI_RADII_PICTURE = 0.3, 2.5  # the same where shadows overlap and a shell is only a ring
SOFT_TISSUE = (-200.0, 300.0)  # HU
IN_LUNG = (-1000.0, 200.0)  # HU, for soft tissue inside lung: the blurred rim of a nodule must differ from lung
AERATED = -950.0, -500.0  # HU of lung, which the air around a patient and in bowel does not have
BOX_MARGIN = 3  # voxels kept around a click that lies outside the box

SETTINGS = (PROBE_RADIUS, PLANAR_STEPS, SHELL_INSIDE, ROI_RADII, SHELL_INSIDE_PICTURE, ROI_RADII_PICTURE, SOFT_TISSUE)

Span = tuple[float, float]


@dataclass(frozen=True)
class Roi:
    """box: the voxels worked on. hard: per axis, whether its (low, high) face is background for certain."""

    box: Box3D
    hard: tuple[tuple[bool, bool], tuple[bool, bool], tuple[bool, bool]]


def choose_roi(volume: Volume, prompt: Prompt, growth: float = 1.0) -> Roi:
    """From the box, else the mask to refine, else the size of what was clicked; positive clicks are always inside.

    growth widens an ROI that was guessed from a click. The faces of a box are background, except where they are the
    border of the volume: a box cannot be drawn beyond it.
    """
    shape = volume.geometry.shape
    margin: NDArray[Any]
    if prompt.box is not None:
        low, high = _thick(prompt.box, volume)
        margin = np.full(3, BOX_MARGIN)
    elif prompt.start is not None and prompt.start.any():
        low, high = _extent(prompt.start)
        margin = np.maximum((high - low + 1) // 4, BOX_MARGIN)
        low, high = low - margin, high + margin
    else:
        first = next(p for p in prompt.points if p.positive)
        radii = ROI_RADII_PICTURE if volume.geometry.is_planar else ROI_RADII
        margin = structure_radius(volume, first) * radii * growth
        low, high = np.array(first.index) - margin, np.array(first.index) + margin
    for point in prompt.points:
        index = np.array(point.index)
        if point.positive and ((index <= low) | (index >= high)).any():
            low, high = np.minimum(low, index - margin), np.maximum(high, index + margin)
    low = np.clip(np.floor(low), 0, np.array(shape) - 1).astype(int)
    high = np.clip(np.ceil(high), 0, np.array(shape) - 1).astype(int)
    sure = prompt.box is not None
    hard = [(sure and bool(low[a] > 0), sure and bool(high[a] < shape[a] - 1)) for a in range(3)]
    return Roi(Box3D(*(int(v) for v in (*low, *high))), (hard[0], hard[1], hard[2]))


def _extent(voxels: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hits = [np.flatnonzero(voxels.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    return np.array([h[0] for h in hits], dtype=float), np.array([h[-1] for h in hits], dtype=float)


def _thick(box: Box3D, volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the box; one drawn on a single slice of a volume reaches as far across as it is wide."""
    low = np.array([box.k0, box.j0, box.i0], dtype=float)
    high = np.array([box.k1, box.j1, box.i1], dtype=float)
    spacing = np.array(volume.geometry.spacing)
    half = float(((high - low) * spacing).max()) / 2
    flat = (low == high) & (np.array(volume.geometry.shape) > 1)
    return np.where(flat, low - half / spacing, low), np.where(flat, high + half / spacing, high)


def structure_radius(volume: Volume, point: Point3D) -> NDArray[np.float64]:
    """Radius in voxels (k, j, i) of the structure under a click.

    Spheres around the click grow until less than SHELL_INSIDE of a shell is joined to it and looks like it; grids get
    coarser as the spheres grow, so that a nodule and a liver cost the same.
    """
    from scipy import ndimage

    shape = np.array(volume.geometry.shape)
    if shape.max() == 1:
        return np.zeros(3)
    spacing = np.where(shape > 1, volume.geometry.spacing, np.inf)
    step = float(spacing.min())
    if volume.geometry.is_planar:
        step = max(step, float((shape * volume.geometry.spacing)[1:].max()) / PLANAR_STEPS)
    least = SHELL_INSIDE_PICTURE if volume.geometry.is_planar else SHELL_INSIDE
    span = window(volume, point)
    while True:
        factor = np.maximum(np.round(step / spacing), 1).astype(int)
        half = np.where(shape > 1, np.ceil(PROBE_RADIUS * step / spacing), 0).astype(int)
        low = np.maximum(np.array(point.index) - half, 0)
        high = np.minimum(np.array(point.index) + half, shape - 1)
        patch = block_mean(scaled(volume, Box3D(*low.tolist(), *high.tolist()), span), tuple(factor.tolist()))
        at = tuple(np.minimum((np.array(point.index) - low) // factor, np.array(patch.shape[1:]) - 1).tolist())
        like = _like(patch, at)
        labels, _ = ndimage.label(like)
        joined = labels == labels[at]
        size = np.where(np.isfinite(spacing), spacing, 0) * factor / step
        offset = np.indices(joined.shape) - np.array(at).reshape(3, 1, 1, 1)
        shell = np.sqrt(((offset * size.reshape(3, 1, 1, 1)) ** 2).sum(0)).astype(int)
        share = np.bincount(shell.ravel(), joined.ravel()) / np.maximum(np.bincount(shell.ravel()), 1)
        outside = np.flatnonzero(share[2 : PROBE_RADIUS + 1] < least)
        covered = bool((low == 0).all() and (high == shape - 1).all())
        if outside.size or covered:
            radius = (2.0 + float(outside[0]) if outside.size else float(PROBE_RADIUS)) * step
            return np.where(np.isfinite(spacing), np.maximum(radius / spacing, 2), 0)
        step *= 1.8


def _like(patch: NDArray[np.float32], at: tuple[int, ...]) -> NDArray[np.bool_]:
    """Voxels whose value is near the clicked ones', within three of their deviations (at least 0.1 of the window)."""
    near = (slice(None), *(slice(max(c - 1, 0), c + 2) for c in at))
    around = patch[near].reshape(len(patch), -1)
    clicked = patch[:, at[0], at[1], at[2]].reshape(-1, 1)
    alike = around[:, np.sqrt(((around - clicked) ** 2).sum(0)) <= 0.2]
    centre = alike.mean(axis=1)
    spread = max(3 * float(np.abs(alike - centre[:, None]).mean()), 0.1)
    like: NDArray[np.bool_] = np.sqrt(((patch - centre.reshape(-1, 1, 1, 1)) ** 2).sum(0)) <= min(spread, 0.25)
    like[at] = True
    return like


def scaled(volume: Volume, box: Box3D, span: Span) -> NDArray[np.float32]:
    """The box's voxels as (channel, k, j, i) float32 in 0-1 of the span: one channel, or three for colour."""
    part = volume.array[box.slices]
    if volume.is_colour:
        return np.ascontiguousarray(np.moveaxis(part.astype(np.float32) / 255.0, -1, 0))
    values = part.astype(np.float32) * np.float32(volume.slope) + np.float32(volume.intercept)
    values -= np.float32(span[0])
    values *= np.float32(1 / max(span[1] - span[0], 1e-6))
    return np.clip(values, 0, 1, out=values)[None]


def window(volume: Volume, point: Point3D | None, box: Box3D | None = None) -> Span:
    """Lowest and highest value that still carry contrast.

    On CT what suits the clicked value and its box, else the 1st and 99th percentile of the box or the volume.
    """
    if volume.is_colour:
        return 0.0, 1.0
    part = volume.array if box is None else volume.array[box.slices]
    every = [max(1, n // 50) for n in part.shape]  # at most 125 000 to 1 000 000 voxels, spread evenly
    sample = part[:: every[0], :: every[1], :: every[2]]
    if volume.quantity is Quantity.HU:
        span = hounsfield_window(_clicked_value(volume, point)) if point is not None else SOFT_TISSUE
        values = sample * volume.slope + volume.intercept
        aerated = float(((values > AERATED[0]) & (values < AERATED[1])).mean())
        return IN_LUNG if span == SOFT_TISSUE and box is not None and aerated > 0.3 else span
    low, high = np.percentile(sample, [1, 99])
    return float(low) * volume.slope + volume.intercept, float(high) * volume.slope + volume.intercept


def hounsfield_window(value: float) -> Span:
    """Soft tissue for soft tissue; else a window that keeps air, lung and ground glass, or marrow and cortex, apart."""
    if value < SOFT_TISSUE[0]:
        return max(value - 250.0, -1050.0), value + 450.0
    if value > SOFT_TISSUE[1]:
        return -100.0, max(1000.0, value + 300.0)
    return SOFT_TISSUE


def _clicked_value(volume: Volume, point: Point3D) -> float:
    """Mean of the neighbours within 100 HU of the clicked voxel: noise goes, a small nodule's surroundings do too."""
    near = volume.array[tuple(slice(max(c - 1, 0), c + 2) for c in point.index)].astype(float)
    values = near * volume.slope + volume.intercept
    clicked = float(volume.array[point.index]) * volume.slope + volume.intercept
    return float(values[np.abs(values - clicked) <= 100].mean())


def block_factors(shape: Shape, spacing: tuple[float, float, float], limit: int) -> Shape:
    """Whole block sizes (k, j, i) that bring the grid under `limit` voxels, finest axis first."""
    factors = [1, 1, 1]
    while int(np.prod([-(-n // f) for n, f in zip(shape, factors, strict=True)])) > limit:
        open_axes = [a for a in range(3) if shape[a] // factors[a] > 4]
        axis = min(open_axes, key=lambda a: spacing[a] * factors[a])
        factors[axis] += 1
    return factors[0], factors[1], factors[2]


def block_mean(values: NDArray[np.float32], factors: tuple[int, ...]) -> NDArray[np.float32]:
    """Mean of blocks of (channel, k, j, i); the last block is filled by repeating the edge."""
    if max(factors) == 1:
        return values
    pad = [(0, 0)] + [(0, -n % f) for n, f in zip(values.shape[1:], factors, strict=True)]
    whole = np.pad(values, pad, mode="edge")
    for axis, factor in enumerate(factors, start=1):
        if factor > 1:
            split = (*whole.shape[:axis], whole.shape[axis] // factor, factor, *whole.shape[axis + 1 :])
            whole = whole.reshape(split).mean(axis=axis + 1, dtype=np.float32)
    return whole
